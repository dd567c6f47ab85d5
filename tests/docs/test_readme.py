"""README and CONTRIBUTING: every block runs, or is found in the file that it quotes.

Commands run in a folder with the experiments and the files of the README. A comparison of outputs ignores
names of run folders and times, and numbers may differ by 1 %, because their last digits depend on the CPU.
"""

import contextlib
import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cygd
from tests.helpers.alike import Alike, assert_alike

CHECKOUT = Path(__file__).parents[2]
README = (CHECKOUT / "README.md").read_text()
CONTRIBUTING = (CHECKOUT / "CONTRIBUTING.md").read_text()
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(
    r"(?:^|\s)`([\w.]+\.(?:py|yaml))`(?: is .*|:)\Z", re.DOTALL
)  # the paragraph above a block names its file

# commands that install, build or test cygd; `.ci/run` runs them
ELSEWHERE = re.compile(
    r"(python -m venv|\.venv\S*/bin|pip|pytest|ruff|mypy|cython-lint|\.ci/run|tools/sanitize"
    r"|python setup\.py|python -m benchmarks|python -m tools\.fuzz|sphinx-build"
    r"|python tools/report_pages\.py)\b"
)


def blocks(text):
    """Yield language, content and preceding paragraph of each block."""
    for match in BLOCK.finditer(text):
        lines = [line.removeprefix(match[1]) for line in match[3].splitlines()]
        yield match[2], "\n".join(lines) + "\n", text[: match.start()].rstrip().rpartition("\n\n")[2]


def commands(content):
    """Yield the commands of a console block with their output."""
    for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def without_changing(text):
    """Return a text without run folders and times."""
    text = re.sub(r"\S*/?runs/(\w+)/\d{8}-\d{6}-\w{4}", r"runs/\1", text)
    return re.sub(r"[\d.e-]+ s: ", "", text)


def compare(shown, printed):
    assert_alike(shown, printed, without_changing)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(CHECKOUT / "experiments", folder / "experiments", ignore=shutil.ignore_patterns("runs"))
    shutil.copytree(CHECKOUT / "plugins", folder / "plugins")
    for language, content, before in blocks(README):
        named = NAMED.search(before)
        if language in {"python", "yaml"} and named:
            (folder / named[1]).write_text(content)
    return folder


def cygd_command(command, folder):
    """Run one command and return its stderr followed by its stdout."""
    words = shlex.split(command)
    assert words[0] == "cygd", command
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1]), "NO_COLOR": "1"}
    program = [sys.executable, "-P", "-m", "cygd"]
    done = subprocess.run(program + words[1:], cwd=folder, env=environment, capture_output=True, text=True)
    return done.stderr + done.stdout


README_COMMANDS = [
    (command.removeprefix("pip install . && "), output)
    for language, content, _ in blocks(README)
    if language == "console"
    for command, output in commands(content)
    if not ELSEWHERE.match(command.removeprefix("pip install . && "))
]


@pytest.mark.parametrize(("command", "output"), README_COMMANDS, ids=[c for c, _ in README_COMMANDS])
def test_commands_print_the_output_of_the_readme(folder, command, output):
    compare(output, cygd_command(command, folder))


def test_python_sessions_print_the_output_of_the_readme(folder):
    sessions = "\n".join(content for language, content, _ in blocks(README) if ">>>" in content)
    test = doctest.DocTestParser().get_doctest(sessions, {}, "README.md", "README.md", 0)
    runner, report = doctest.DocTestRunner(checker=Alike(compare)), []
    with contextlib.chdir(folder):
        runner.run(test, out=report.append)
    assert len(test.examples) > 15
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_every_block_is_a_file_a_session_or_commands(folder):
    for language, content, before in blocks(README):
        named = NAMED.search(before)
        assert language == "console" or ">>>" in content or (named and (folder / named[1]).is_file())
    shown = {
        command
        for language, content, _ in blocks(README)
        if language == "console"
        for command, _ in commands(content)
    }
    assert "pip install . && cygd run experiments/penguins.yaml" in shown
    assert 'pip install ".[test]" && pytest -n auto' in shown


def test_links_point_to_existing_files():
    for text in (README, CONTRIBUTING):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert (CHECKOUT / target).exists(), target


@pytest.mark.parametrize(
    ("content", "before"),
    [(content, before) for language, content, before in blocks(CONTRIBUTING) if language != "console"],
)
def test_contributing_quotes_the_source(content, before):
    section = CONTRIBUTING[: CONTRIBUTING.index(before)] + before
    path = CHECKOUT / re.findall(r"`(cygd/[\w/.]+\.(?:py|pxi))`", section)[-1]

    def without_spaces(text):
        # the source may wrap or align a row differently
        return re.sub(r"\s+", "", text)

    quoted = without_spaces(content).rstrip(",")
    assert quoted in without_spaces(path.read_text()), f"not in {path}:\n{content}"


def test_commands_of_contributing_are_known_and_run_by_ci():
    shown = [
        command
        for language, content, _ in blocks(CONTRIBUTING)
        if language == "console"
        for command, _ in commands(content)
    ]
    ci = (CHECKOUT / ".ci" / "run").read_text()
    assert len(shown) >= 10
    for command in shown:
        assert ELSEWHERE.match(command), command
    for checked in (
        "ruff check .",
        "ruff format --check .",
        "mypy",
        "cython-lint cygd tests",
        "CYGD_CHECKED=1",
    ):
        assert checked in CONTRIBUTING
        assert checked in ci
    assert os.access(CHECKOUT / ".ci" / "run", os.X_OK)


def test_named_files_exist():
    for path in re.findall(r"`((?:cygd|tests|tools|docs|plugins)/[\w/.]*)`", README + CONTRIBUTING):
        assert (CHECKOUT / path).exists(), path
