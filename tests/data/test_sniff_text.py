"""Sniffing of text files as other programs write them."""

import pytest

from cygd.data.sniff_text import sniff_text


@pytest.fixture
def sniff(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(text, encoding="utf-8"):
        path = tmp_path / "t.csv"
        path.write_bytes(text.encode(encoding))
        return sniff_text(path.relative_to(tmp_path))

    return run


ROWS = "5.1,3.5,1\n4.9,3.0,0\n4.7,3.2,1\n4.6,3.1,0\n"
NAMES = "a,b,y\n"
COMMAS = ROWS.replace(",", ";").replace(".", ",")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (NAMES + ROWS, {}),
        (ROWS, {"header": False}),
        ("5.1,3.5,?,1\n4.9,3.0,1.4,0\n4.7,3.2,1.3,1\n", {"header": False}),
        ("5.1,3.5,,1\n4.9,3.0,1.4,0\n4.7,3.2,1.3,1\n", {"header": False}),
        ("5.1,3.5,1.2,1\n4.9,3.0,?,0\n4.7,3.2,1.3,1\n", {"header": False}),
        ("5.1,NA,x\n?,3.0,z\n4.7,3.2,x\n", {"header": False}),
        ("?,?,x\n4.9,3.0,z\n4.7,3.2,x\n", {"header": False}),
        ("mild,no\ncold,yes\nmild,yes\n", {"header": False}),
        ("air,play\ncold,yes\nmild,yes\n", {"header": True}),
        ("date,close\n2026-01-02,?\n2026-01-03,2\n", {}),
        ("2026-01-01,1\n2026-01-02,2\n", {"header": False}),
        ("share,y\n5%,1\n7%,2\n", {}),
        ("0,1,2\n" + ROWS, {"header": True}),
        (",0,1\n" + ROWS, {"header": True}),
        ('"","16.5","17"\n"a",1,2\n"b",3,4\n', {"header": True}),
        ('"","x"\n"1",2\n"2",3\n', {}),
        ("6.3e-03,1.5e+01\n1e-02,2e+00\n", {"header": False}),
        ("id,note,y\n1,x y,2\n2,z,3\n3,z z,4,5\n", {}),
        ("id,note,y\n1,x y,2\n2,z,3\n3,z z\n", {}),
        ("country,2019,2020\nA,1.5,2.5\nB,1,2\n", {"header": True}),
        ("0,1,2\n1,2,3\n", {"header": False}),
        ("2019,2020\n2020,2021\n", {"header": False}),
        ("a;b;y\n" + COMMAS, {"delimiter": ";", "decimal": ","}),
        (COMMAS, {"delimiter": ";", "decimal": ",", "header": False}),
        (ROWS.replace(",", "\t"), {"delimiter": "tab", "header": False}),
        (" a  b\ty\n" + ROWS.replace(",", "   "), {"delimiter": "whitespace"}),
        (ROWS.replace(",", " ").replace(".", ","),
         {"delimiter": "whitespace", "decimal": ",", "header": False}),
        ('18.0 2 "red fox"\n15.5 4 "owl"\n', {"delimiter": "whitespace", "header": False}),
        ('"a" "y"\n"r1" 2 3\n"r2" 4 5\n', {"delimiter": "whitespace"}),
        ('"a"\t"y"\n"r1"\t2\t3\n"r2"\t4\t5\n', {"delimiter": "tab"}),
        ('"","a","y"\n"1",2,3\n"2",4,5\n', {}),
        ("sep=;\na;y\n1;1\n2;2\n", {"delimiter": ";"}),
        ("sep=,\na,y\n1,1\n2,2\n", {}),
        ("a;y;\n1;1;\n2;2;\n", {"delimiter": ";"}),
        ("a,y\n1,1,\n2,2,\n", {}),
        ('a;y\n="a;b";="1"\n="c;d";="2"\n', {"delimiter": ";"}),
        ('a,k,y\n1,"p|q",3\n2,"p|q",4\n', {}),
        ('"a", "k", "y"\n1, "p; q, r", 3\n2, "s; t, u", 4\n', {}),
        ("city,y\nNew York,1\nLos Angeles,2\nSan Francisco,1\n", {}),
        ("a\tnote\n1\thello, world\n2\tgood bye; all\n", {"delimiter": "tab"}),
        ("# by me, myself\n" + NAMES + ROWS, {"comment": "#"}),
        ("// x\n" + ROWS, {"comment": "//", "header": False}),
        (NAMES + ROWS + "# half\n" + ROWS, {"comment": "#"}),
        ("# a,b,y\n" + ROWS, {}),
        ("# 2026\n# a,b,y\n" + ROWS, {"skip_rows": 1}),
        ("#tag,y\n#x,1\n#z,2\n", {}),
        ("Report\n\n" + NAMES + ROWS, {"skip_rows": 2}),
        ("Report;;\n;;\na;b;y\n" + COMMAS, {"skip_rows": 2, "delimiter": ";", "decimal": ","}),
        ("Report\n# x\n" + NAMES + ROWS + "# z\n", {"skip_rows": 2, "comment": "#"}),
        ("k,y\nx,1\nz,2\nTotal,3\n", {"skip_footer": 1}),
        (NAMES + ROWS + "\nTotal,,3\n\n", {"skip_footer": 1}),
        (NAMES + ROWS + "Sum,,3\nSource: the office, 2026\n", {"skip_footer": 2}),
        (NAMES + ROWS + ",,\n" * 300, {"skip_footer": 300}),
        ("k,y\nTotal,1\nx,2\nTotal,3\n", {}),
        (NAMES + ROWS + "1\n", {}),
        ("k,t\n1,\"x\ny, z\"\n2,\"x\ny\"\n", {}),
        ("'a','b'\n1,2\n3,4\n", {"quote": "'"}),
        ("y\n1\n2\n", {}),
        ("a;y\n1,200;1\n2,350;2\n", {"delimiter": ";"}),
        ("a;y\n1,200;1\n2,35;2\n", {"delimiter": ";", "decimal": ","}),
        ("a;y\n1,200;1,5\n2,350;2\n", {"delimiter": ";", "decimal": ","}),
        ("1,5;1\n1,200;1\n2,350;2\n", {"delimiter": ";", "decimal": ",", "header": False}),
        ('k,y\nx,"1,5"\nz,"2,35"\n', {"decimal": ","}),
        ('k,y\n"p, q",-\nz,"2,35"\n', {"decimal": ","}),
        ('k,y\n"1,5",1\n"2,3,5",2\n', {}),
        ('k,y\n"1,5",1.5\n"2,5",2\n', {}),
        ('k,y\nx,"1,200"\nz,"2,350"\n', {}),
    ],
)  # fmt: skip
def test_options(sniff, text, options):
    assert sniff(text).options == options


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        (NAMES + ROWS, []),
        (ROWS, ["t.csv:1: '5.1,3.5,1' is taken for a row, not for names (header: false)"]),
        ("mild,no\ncold,no\nmild,yes\n",
         ["t.csv:1: 'mild,no': every cell is text; taken for a row, as values "
                                          "recur below; change `header` if it is names (header: false)"]),
        ("air,play\ncold,no\nmild,yes\n", ["t.csv:1: 'air,play': every cell is text; taken for names; "
                                           "change `header` if it is a row (header: true)"]),
        ("a,b,3\n" + ROWS, ["t.csv:1: 'a,b,3' may be names or a row and is taken for names; "
                            "change `header` if it is a row (header: true)"]),
        ("# x\n" + NAMES + ROWS, ["t.csv:1: '# x' is taken for a comment (comment: '#')"]),
        ("Report\n\n" + NAMES + ROWS, ["t.csv: the table is taken to begin on line 3 (skip_rows: 2)"]),
        ("k,y\nx,1\nz,2\nTotal,3\n",
         ["t.csv:4: 'Total,3' is taken for a line below the table (skip_footer: 1)"]),
        ("a;y\n1,200;1\n2,350;2\n", ["t.csv: '1,200' may be 1.200 or 1200: nothing is guessed; "
                                     "set decimal: ',' if commas are decimal points"]),
    ],
)  # fmt: skip
def test_notes_say_what_was_taken_for_what(sniff, text, notes):
    assert sniff(text).notes == notes


@pytest.mark.parametrize(("text", "encoding"), [("\xe9", "cp1252"), ("\xe9\x8d", "latin-1")])
def test_an_encoding_other_than_utf_8_is_said(sniff, text, encoding):
    guess = sniff(f"a{text},y\n1,2\n2,3\n", "latin-1")
    assert guess.options == {"encoding": encoding}
    assert guess.notes == [f"t.csv is not UTF-8 and is taken for {encoding} (encoding: '{encoding}')"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encoding(sniff, encoding):
    options = sniff("größe;y\n1,5;2\n2,5;3\n", encoding).options
    assert options.pop("encoding", "utf-8") == encoding.removesuffix("-sig")
    assert options == {"delimiter": ";", "decimal": ","}


@pytest.mark.parametrize("text", ["", "\n\n", "a\n", '"a\n', "\0", '1 "x\n2 y z\n', "#\n", "sep=;\n"])
def test_odd_files_have_some_options(sniff, text):
    assert sniff(text).options is not None


ROWS_BELOW = "1;2;3\n2;3;4\n3;4;5\n"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("t;q;p\ns ;kg;m\n" + ROWS_BELOW, {"comment": "s"}),
        ("sum;q;p\ns;kg;m\n" + ROWS_BELOW, {"comment": "s;kg;m"}),
        ("t;q;p\n;kg;m\n" + ROWS_BELOW, {"comment": ";kg;m"}),
        ("k;q;p\ns;kg;m\nx;2;3\ny;3;4\nz;4;5\n", {"comment": "s;kg;m"}),
        ("t;q;p\n----\n" + ROWS_BELOW, {"comment": "----"}),
        ("t;q;p\n***\n" + ROWS_BELOW, {"comment": "***"}),
        ("t;q;p\n---;---;---\n" + ROWS_BELOW + "------\n", {"comment": "---;---;---", "skip_footer": 1}),
        ("Report\nt;q;p\ns;kg;m\n" + ROWS_BELOW, {"skip_rows": 1, "comment": "s"}),
        ("# Report\nt;q;p\ns;kg;m\n" + ROWS_BELOW, {"skip_rows": 1, "comment": "s"}),
        ("3;3;2\nt;q;p\n" + ROWS_BELOW, {"skip_rows": 1}),
        ('"t";"q";"p"\n"s";"kg";"m"\n' + ROWS_BELOW, {"comment": '"s"'}),
        ('"t";"q";"p"\n"a;b";"kg";"m"\n' + ROWS_BELOW, {"comment": '"a'}),
        ("A;;\nt;q;p\n" + ROWS_BELOW, {"skip_rows": 1}),
        ("A;B;\nt;q;p\n" + ROWS_BELOW, {"skip_rows": 1}),
        ("t;q;q\ns;kg;m\n" + ROWS_BELOW, {"skip_rows": 1, "comment": ""}),
        ("t;q;q\ns;kg;kg\n" + ROWS_BELOW, {"skip_rows": 2, "header": False}),
        ("t;q;p\ns;kg;m\nx;y;z\n" + ROWS_BELOW, {"skip_rows": 3, "header": False}),
        ("t;q;p\ns;kg;m\n" + ROWS_BELOW.replace("1;", "s;"), {"comment": "s;kg;m"}),
        ("t;q;p\nlow;2;low\n" + ROWS_BELOW, {}),
        ("k;q;p\nx;low;low\n" + ROWS_BELOW + "4;low;low\n", {}),
        ("t;q;p\n?;NA;-\n" + ROWS_BELOW, {}),
    ],
)
def test_lines_between_names_and_rows(sniff, text, options):
    guess = sniff(text).options
    assert guess.pop("delimiter") == ";"
    assert guess == {key: value for key, value in options.items() if value != ""}


def test_notes_on_lines_between_names_and_rows(sniff):
    assert sniff("t;q;p\ns;kg;m\n" + ROWS_BELOW).notes == [
        "t.csv:2: 's;kg;m' is taken for a comment (comment: 's')"
    ]
    assert sniff("t;q;q\ns;kg;kg\n" + ROWS_BELOW).notes == [
        "t.csv: the table is taken to begin on line 3 (skip_rows: 2)",
        "t.csv: the lines above the first row do not name each column (header: false)",
    ]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a,b,y\n" + ROWS + "Note: half of them were read by hand,,\n", {"skip_footer": 1}),
        ("a,b,y\n" + ROWS + "half of them were read by hand in May,,\nand June:,,\n", {"skip_footer": 2}),
        ("k,b,y\nx,1,2\nz,2,3\nNew York,,\n", {}),
        ("a,b,y\n" + ROWS + 'INFO,"cells below three are rounded at random"\n', {"skip_footer": 1}),
        ("a,b,y\n" + ROWS + "x,y\n", {}),
        ("a b y\n" + ROWS.replace(",", " ") + "\nmean of b = 3.2\nThese are all the rows there are\n",
         {"delimiter": "whitespace", "skip_footer": 2}),
        ("a b y\n" + ROWS.replace(",", " ") + "4.8 3.1\n", {"delimiter": "whitespace"}),
        ("a b y\n" + ROWS.replace(",", " ") + "by the hand\n", {"delimiter": "whitespace", "skip_footer": 1}),
        ("k,y\nTOTALS,3\nx,1\nz,2\n", {"comment": "TOTALS"}),
        ("k,y\nTotal,3\nx,1\nTotal,3\n", {}),
        ('k,y\n"Total",3\n"x",1\n"z",2\n', {"comment": '"Total"'}),
        ("k b y\nx q 2\nz r 3\nw s t\n", {"delimiter": "whitespace"}),
        ("k b y\nx 1 2\nz 2 3\nw 3\n", {"delimiter": "whitespace"}),
        (",,\nReport,,\na,b,y\n" + ROWS + "Source: the office,,\nNote: none,,\n,,\n",
         {"skip_rows": 2, "skip_footer": 3}),
    ],
)  # fmt: skip
def test_remarks_filled_up_with_delimiters(sniff, text, options):
    assert sniff(text).options == options
