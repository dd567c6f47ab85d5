from pathlib import Path

import pytest

from cygd.config import read
from cygd.config.overrides import read_override
from cygd.config.yaml.nodes import Mark, Node
from cygd.config.yaml.reader import MAX_DEPTH, read_yaml
from cygd.errors import ConfigError


def failure(source):
    with pytest.raises(ConfigError) as caught:
        read(source)
    return str(caught.value)


def test_values_and_keys_have_marks(write):
    document = read(write("a:\n  b: [1, x]\n  c:   'y'\n"))
    assert document.root.plain() == {"a": {"b": [1, "x"], "c": "y"}}
    assert document.where(("a", "b", 1)) == "xor.yaml:2:10"
    assert document.where(("a", "c")) == "xor.yaml:3:8"
    assert document.where(("a", "c"), key=True) == "xor.yaml:3:3"
    assert document.where(("a", "nothing", "there")) == "xor.yaml:1:1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "xor.yaml: the file is empty\n  hint: an experiment needs at least the keys 'data' and 'model'"),
        ("# only a comment\n", "xor.yaml: the file is empty"),
        ("---\n", "xor.yaml: the file is empty"),
        ("- 1\n", "xor.yaml:1:1: expected a mapping of keys to values, got a list"),
        ("hello", "xor.yaml:1:1: expected a mapping of keys to values, got 'hello'"),
        ("a: 1\n---\nb: 2\n", "xor.yaml:2:1: expected one document, got a second one"),
        (
            "a:\n\tb: 1\n",
            "xor.yaml:2:1: not valid YAML: expected spaces, got a tab\n  hint: indent with spaces",
        ),
        (
            b"a: 1\nb: \xff\n",
            "xor.yaml:2:4: expected UTF-8 text, got byte 0xFF\n  hint: save the file as UTF-8",
        ),
        ("a: 1".encode("utf-16"), "xor.yaml:1:1: expected UTF-8 text, got byte 0xFF"),
        (
            "a: x\0y",
            'xor.yaml:1:5: the character U+0000 is not allowed in YAML\n  hint: in a text, write "\\u0000"',
        ),
        ("a: b: c\n", "xor.yaml:1:5: not valid YAML: a ':' is not allowed here\n  hint: quote a text"),
        ("a: 'x\n", "not valid YAML: a quote is not closed"),
        ("a: [1,\n  2", "not valid YAML: the text ends too early (in the list that begins on line 1)"),
        ("a: [1\nb: 2]", "not valid YAML: expected ',' or ']', but got ':'"),
        ("a: 1\n- b\n", "not valid YAML: the indentation does not match the lines above"),
        ("a: @x\n", "xor.yaml:1:4: not valid YAML: '@' cannot begin a value\n  hint: put the text in quotes"),
        ('a: "\\UFFFFFFFF"', "not valid YAML: an escape or a directive is out of range"),
        ("a: &x [*x]\n", "xor.yaml:1:8: the alias '*x' contains itself"),
        ("a: &x {b: {c: *x}}\n", "xor.yaml:1:15: the alias '*x' contains itself"),
        ("a: *b\n", "xor.yaml:1:4: unknown alias '*b'\n  hint: as a text, write '*b' in quotes"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "the tag '!!python/object/apply:os.system' is not allowed",
        ),
        (
            "a: !!python/name:os.system",
            "xor.yaml:1:4: the tag '!!python/name:os.system' is not allowed: values",
        ),
        ("a: !mine 3", "the tag '!mine' is not allowed: values have no tags"),
        ("? [a]\n: 1\n", "xor.yaml:1:3: a key must be text"),
        ("a: " + "9" * 5000, "xor.yaml:1:4: a number of 5000 digits is too large"),
        ("<<: 3", "xor.yaml:1:5: '<<' merges mappings only"),
    ],
)
def test_invalid_yaml_is_reported(write, content, message):
    assert message in failure(write(content))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_rejected(write, opening):
    content = opening * 100_000 if opening == "- " else "a: " + opening * 100_000
    assert f"nested more than {MAX_DEPTH} levels deep" in failure(write(content))


def test_alias_bomb_is_rejected(write):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "aliases repeat more than 100000 values" in failure(write("\n".join(lines)))
    assert "aliases repeat more than" in failure(write(f"y: [&a {'x' * 100_000}, {', '.join(['*a'] * 100)}]"))


def test_aliases_count_towards_the_depth_limit(write):
    lines = ["a0: &a0 " + "[" * 40 + "]" * 40]
    lines += [f"a{i}: &a{i} {'[' * 40}*a{i - 1}{']' * 40}" for i in range(1, 100)]
    assert "levels deep" in failure(write("\n".join(lines)))


def test_all_duplicate_keys_are_reported(write):
    document = read(write("a: 1\na: 2\nb: {c: 1, c: 2}\n"))
    assert [str(problem) for problem in document.problems] == [
        "xor.yaml:2:1 a: duplicate key 'a'\n  hint: the first one is on line 1",
        "xor.yaml:3:11 b.c: duplicate key 'c'\n  hint: the first one is on line 3",
    ]
    assert document.root.plain() == {"a": 1, "b": {"c": 1}}


def test_byte_order_mark_and_windows_line_ends_are_read(write):
    document = read(write(b"\xef\xbb\xbfa: 1\r\nb: x\r\n"))
    assert document.root.plain() == {"a": 1, "b": "x"}
    assert document.where(("b",)) == "xor.yaml:2:4"


def test_quoted_and_str_tagged_scalars_are_text(write):
    assert read(write("a: '1'\nb: !!str 1\nc: \"no\"\nd: |\n  1\n")).root.plain() == {
        "a": "1", "b": "1", "c": "no", "d": "1\n",
    }  # fmt: skip


def test_alias_is_a_copy_and_merge_keeps_own_keys(write):
    document = read(write("a: &a {x: 1, y: 2}\nb: *a\nc:\n  <<: *a\n  x: 5\n"), ["b.x=9"])
    assert document.root.plain() == {"a": {"x": 1, "y": 2}, "b": {"x": 9, "y": 2}, "c": {"x": 5, "y": 2}}


def test_missing_file_suggests_similar_name(write):
    write("a: 1")
    assert failure("xr.yaml") == "xr.yaml: no such file\n  hint: did you mean 'xor.yaml'?"


def test_folder_instead_of_file_suggests_config_yaml(tmp_path):
    assert failure(tmp_path) == f"{tmp_path}: expected a file, got a folder"
    (tmp_path / "config.yaml").write_text("a: 1")
    assert f"hint: did you mean '{tmp_path / 'config.yaml'}'?" in failure(tmp_path)


def test_invalid_path_is_reported():
    assert "cannot be read: embedded null byte" in failure("a\0b")


def test_relative_paths_start_from_the_folder_of_the_file(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 1")
    assert read(tmp_path / "a.yaml").folder == tmp_path
    assert read({}).folder == Path.cwd()


def test_source_without_lines_marks_all_values_alike():
    root = read_yaml("{a: 1}", Mark("command line"), [])
    assert isinstance(root, Node)
    assert str(root.value["a"].mark) == "command line"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "plugins: x",
            "xor.yaml:1:10 plugins: expected a list of module names and .py files, got 'x'\n"
            "  hint: write [x]",
        ),
        ("plugins: [a, 3, '']", "xor.yaml:1:14 plugins[1]: expected a module name or a .py file, got 3"),
    ],
)
def test_invalid_plugins_are_reported(write, text, message):
    with pytest.raises(ConfigError) as caught:
        _ = read(write(text)).plugin_requests
    assert message in str(caught.value)


def test_plugin_requests_have_marks(write, tmp_path):
    document = read(write("plugins:\n  - swish.py\n  - bent\n"))
    assert document.plugin_requests == [
        ("swish.py", "xor.yaml:2:5", tmp_path),
        ("bent", "xor.yaml:3:5", tmp_path),
    ]
    assert read(write("plugins:\n")).plugin_requests == []


@pytest.mark.parametrize(
    "text",
    ["*.csv", "**/*.csv", "*/x.csv", "&x", "&-", "%a", "@a", "!a", "!!a", "`a", "{a}.csv", "{a,b}.csv",
     "[a].csv", "[ab]*.csv", "|x", ">x", "*", "}a", "${A}[0]"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["data:\n  path: {}\n  b: 1\n", "data: {{path: {}, b: 1}}\n", "a:\n- {}\n"])
def test_hint_says_to_quote_a_text_that_yaml_takes_for_more(text, place):
    if text == "${A}[0]" and "{{" not in place:
        return  # valid there
    with pytest.raises(ConfigError) as error:
        read_yaml(place.format(text), Mark("e.yaml", 1, 1), [])
    [problem] = error.value.problems
    expected = f"put the text in quotes: '{text}'"
    assert problem.hint in (expected, expected[:-1] + ",'")
    assert problem.where.startswith("e.yaml:")
    assert read_yaml(place.format(f"'{text}'"), Mark("e.yaml", 1, 1), []) is not None


def test_hint_for_the_command_line_has_the_quotes_of_the_shell_too():
    with pytest.raises(ConfigError) as error:
        read_override("data.path=*.csv")
    hint = "put the text in quotes, and once more for the shell: \"data.path='*.csv'\""
    assert error.value.problems[0].hint == hint
    assert read_override("data.path='*.csv'")[1].value == "*.csv"
