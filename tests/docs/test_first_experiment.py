"""The page for the first hour is walked from its beginning to its end, as somebody would who reads it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cygd

PAGE = (Path(__file__).parents[2] / "docs" / "first-experiment.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]\d+)?")


def shape(line):
    """Return a line without its numbers, which may differ by rounding from CPU to CPU, and its blanks."""
    return " ".join(NUMBER.sub("#", line).split())


def commands_of(block):
    """Yield the commands of a console block with what they print."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown.splitlines()


def check(command, found, shown):
    """Every line that is shown must have been printed, in any order of the two streams."""
    printed = {shape(line) for line in found.splitlines()}
    for line in shown:
        if line.strip() != "...":
            assert shape(line) in printed, f"{command} printed no {line!r}, but\n{found}"


def test_the_page_walks(tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, start in (("cygd", "-P -m cygd"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {start} "$@"\n')
        program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(cygd.__file__).parents[1]),
        "COLUMNS": "200",
    }
    here = tmp_path / "here"
    here.mkdir()

    def run(command):
        done = subprocess.run(
            command, shell=True, cwd=here, env=environment, text=True, capture_output=True, timeout=300
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    [make_data, predict] = [text for language, text in BLOCKS if language == "python"]
    (here / "make_data.py").write_text(make_data)
    consoles = [text for language, text in BLOCKS if language == "console"]
    assert len(consoles) == 7
    for block in consoles:
        for command, shown in commands_of(block):
            check(command, run(command).replace(f"{here.resolve()}/", ""), shown)
    (here / "predict.py").write_text(predict)
    printed = float(run("python predict.py").strip("[] \n"))
    from_file = float((here / "predicted.csv").read_text().splitlines()[1])
    assert abs(printed - from_file) < 0.01 * abs(from_file)
    assert {language for language, _ in BLOCKS} == {"python", "console"}
