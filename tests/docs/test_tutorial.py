"""docs/tutorial: every block runs and prints what is shown, and every picture is made by a command."""

import doctest
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from cygd.cli.main import main
from tests.helpers.alike import Alike, assert_alike
from tests.helpers.console_blocks import Shell, blocks_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "tutorial"
CHAPTERS = sorted(FOLDER.glob("[0-9]*.md"))
CHANGING = re.compile(
    r"\d{8}-\d{6}-\w{4}"  # run folders
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +"
    r"|[\d.e-]+ s\b(?: +)?"  # durations
)
SMALL = 1e-9  # rounding errors, which depend on the CPU

every_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


def copy_files(here):
    (here / "images").mkdir(parents=True)
    for file in FOLDER.iterdir():
        if file.suffix in (".yaml", ".csv"):
            shutil.copy(file, here)


def compare(shown, printed):
    assert_alike(shown, printed, lambda text: CHANGING.sub("", text), SMALL)


def test_there_are_eleven_chapters_in_the_table_of_contents():
    contents = re.findall(r"^\d+\. \[[^\]]+\]\(([^)]+)\)", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert contents == [path.name for path in CHAPTERS]
    assert len(CHAPTERS) == 11
    for path, following in pairwise(CHAPTERS):
        assert "Next: [" in path.read_text()
        assert f"]({following.name})" in path.read_text()


@every_chapter
def test_blocks_print_what_the_chapter_shows(chapter, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    here = tmp_path / "here"
    copy_files(here)
    shell = Shell(here, tmp_path / "programs")
    shell.environment |= {"COLUMNS": "120", "NO_COLOR": "1"}
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", shell.environment["PATH"])
    text, names = chapter.read_text(), {}
    assert blocks_of(text, "console")
    for language, block in re.findall(r"^```(console|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if language == "python":
            example = doctest.DocTestParser().get_doctest(block, names, chapter.name, str(chapter), 0)
            runner = doctest.DocTestRunner(Alike(compare), verbose=False)
            report = []
            runner.run(example, out=report.append, clear_globs=False)
            names = example.globs
            assert not runner.failures, "".join(report)
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            compare(expected, shell.run(f"{{ {command}; }} 2>&1"))
    for picture in re.findall(r"!\[[^\]]+\]\((images/[^)]+)\)", text):
        assert (here / picture).stat().st_size > 5000
        assert (FOLDER / picture).exists()


@every_chapter
def test_experiments_of_a_chapter_are_copied_with_it(chapter):
    for name in re.findall(r"(?<![\w/])(\w+\.(?:yaml|csv))\b", chapter.read_text()):
        assert (FOLDER / name).exists(), name


def test_command_copies_the_files_and_prints_the_first_step(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["tutorial"]) == 0
    out = capsys.readouterr().out
    assert "11 chapters" in out
    assert "cd cygd-tutorial" in out
    folder = tmp_path / "cygd-tutorial"
    assert {path.name for path in folder.glob("*.md")} == {path.name for path in FOLDER.glob("*.md")}
    monkeypatch.chdir(folder)
    assert main(["run", "one_weight.yaml", "--quiet"]) == 0
    assert main(["bowl", "one_weight.yaml", "-w", "w0[0,0]", "-o", "images/one-weight.svg"]) == 0


def test_command_overwrites_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "xor.yaml").write_text("my own")
    assert main(["tutorial", "mine"]) == 2
    assert "already exists" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["xor.yaml"]
    (tmp_path / "file").write_text("")
    assert main(["tutorial", "file"]) == 2
    assert main(["tutorial", "a", "b"]) == 2
    assert "Traceback" not in capsys.readouterr().err
