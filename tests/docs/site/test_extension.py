"""The extension that writes the pages of the site."""

import argparse
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("sphinx")
pytest.importorskip("matplotlib")

CHECKOUT = Path(__file__).parents[3]


def test_only_changed_pages_are_written_and_others_removed(tmp_path):
    from cygd_site.pages import Pages

    first = Pages(tmp_path)
    first.write("gallery/a.md", "a")
    first.write("gallery/b.md", "b")
    (tmp_path / "guide.md").write_text("stays")
    before = (tmp_path / "gallery/a.md").stat().st_mtime_ns
    second = Pages(tmp_path)
    second.write("gallery/a.md", "a")
    second.remove_others(["gallery"])
    assert (tmp_path / "gallery/a.md").stat().st_mtime_ns == before
    assert not (tmp_path / "gallery/b.md").exists()
    assert (tmp_path / "guide.md").exists()


def test_code_that_has_a_fence_is_fenced():
    from cygd_site.pages import code

    assert code("```yaml\na: 1\n```\n", "text") == "`````text\n```yaml\na: 1\n```\n`````\n"


@pytest.mark.parametrize(
    ("text", "folder", "expected"),
    [
        ("[s](../SECURITY.md#reporting)", "docs", "[s](/project/security.md#reporting)"),
        ("[g](docs/plugins.md#hooks)", "", "[g](/plugins.md#hooks)"),
        ("[e](experiments/xor.yaml)", "", "[e](/gallery/xor.md)"),
        ("[x](setup.py)", "", "x"),
        ("[web](https://example.org/a.md)", "", "[web](https://example.org/a.md)"),
        ("[here](#part)", "", "[here](#part)"),
    ],
)
def test_links_out_of_the_guides_lead_to_pages(text, folder, expected):
    from cygd_site.project import relink

    assert relink(text, Path(folder)) == expected


def test_empty_patterns_of_a_toctree_are_dropped(tmp_path):
    from cygd_site.pages import drop_empty_globs

    (tmp_path / "how-to").mkdir()
    (tmp_path / "reports.md").write_text("# Reports\n")
    source = ["```{toctree}\n:glob:\n\nresume\n../report*\n../tracker*\n```\n"]
    drop_empty_globs(SimpleNamespace(srcdir=str(tmp_path)), "how-to/index", source)
    assert source == ["```{toctree}\n:glob:\n\nresume\n../report*\n```\n"]


def test_chapters_of_the_tutorial_are_in_its_navigation(tmp_path):
    from cygd_site.pages import list_chapters

    (tmp_path / "tutorial").mkdir()
    for name in ("02-b.md", "01-a.md", "README.md"):
        (tmp_path / "tutorial" / name).write_text("# Title\n")
    source = ["# Tutorial\n"]
    list_chapters(SimpleNamespace(srcdir=str(tmp_path)), "tutorial/README", source)
    assert source[0].endswith("\n01-a\n02-b\n```\n")


def test_prose_of_docstrings_is_escaped_and_code_is_not():
    from cygd_site.api import escape_prose

    lines = ["f(h, **p) of `a*b` and |e|, classes_ too", "**kw : dict", "Examples", ">>> 2 ** 3"]
    escape_prose(None, "function", "f", None, None, lines)
    assert lines == [
        r"f(h, \*\*p) of `a*b` and \|e\|, classes\_ too",
        "**kw : dict",
        "Examples",
        ">>> 2 ** 3",
    ]


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        (["-o", "--out"], {"metavar": "FILE"}, "`-o FILE`, `--out FILE`"),
        (["--quiet"], {"action": "store_true"}, "`--quiet`"),
        (["--range"], {"nargs": 2, "metavar": ("LOW", "HIGH")}, "`--range LOW HIGH`"),
        (["shell"], {"choices": ["bash", "zsh"]}, "`bash|zsh`"),
        (["--steps"], {"type": int}, "`--steps STEPS`"),
    ],
)
def test_argument_is_shown_as_it_is_written(arguments, options, expected):
    from cygd_site.commands import invocation

    assert invocation(argparse.ArgumentParser().add_argument(*arguments, **options)) == expected


def test_every_component_shows_its_source():
    from cygd_site.components import kernel_sources, source

    from cygd.plugins.builtins import KINDS

    kernels = kernel_sources(CHECKOUT)
    without = {
        component.name
        for kind in KINDS
        for component in kind.built_ins
        if "`````" not in source(kind.name, component, kernels)
    }
    assert without == set()
    assert "select(lt(splat(0), h), h, a * h)" in kernels["leaky_relu"]


def test_rows_of_a_flowchart_follow_its_arrows():
    from cygd_site.diagrams import draw, layers

    nodes = ['a["<b>A</b><br>low"]', 'b["B"]', 'c["C"]']
    chart = "\n    ".join(["flowchart BT", *nodes, "a --> b", "b --> c", "a --> c"]) + "\n"
    assert layers(chart) == {"a": 0, "b": 1, "c": 2}
    assert draw(chart).caption.startswith("A diagram of 3 boxes in 3 rows")
    with pytest.raises(ValueError, match="circle"):
        layers(chart + "    c --> a\n")


def test_pictures_are_the_same_in_every_build():
    from cygd_site.plots import PLOTS

    from cygd.components import resolve

    tanh = resolve("activation", "tanh")
    assert PLOTS["activation"](tanh) == PLOTS["activation"](tanh)
    assert "f' (dashed)" in PLOTS["activation"](tanh).caption


def test_formula_becomes_mathml():
    from cygd_site.math_ml import inline
    from docutils import nodes

    translator = SimpleNamespace(body=[])
    with pytest.raises(nodes.SkipNode):
        inline(translator, nodes.math("", r"\frac{\partial E}{\partial w}"))
    assert "<mfrac>" in translator.body[0]


def test_title_of_an_experiment_is_its_first_sentence(tmp_path):
    from cygd_site.gallery import describe

    path = tmp_path / "one.yaml"
    path.write_text(
        "# yaml-language-server: $schema=x\n# Two moons: they\n# are apart.\nseed: 1\n# not this\n"
    )
    assert describe(path) == ("one", "Two moons", "Two moons: they\nare apart.")
