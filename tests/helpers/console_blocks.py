"""Run the console blocks of the documentation and compare their output."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cygd

NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]\d+)?")


def blocks_of(page, language):
    """Return the code blocks of a language in their order on the page."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


class Shell:
    """Run command lines in a folder, with `cygd` and `python` as programs.

    Parameters
    ----------
    folder : Path
        The current folder.
    programs : Path
        A new folder for the two programs.
    """

    def __init__(self, folder, programs):
        self.folder = folder
        programs.mkdir()
        for name, start in (("cygd", "-P -m cygd"), ("python", "")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {start} "$@"\n')
            program.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(Path(cygd.__file__).parents[1]),
            "COLUMNS": "200",
        }

    def run(self, command):
        """Run a command line and return its output with paths relative to the folder."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            text=True,
            capture_output=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return (done.stdout + done.stderr).replace(f"{self.folder.resolve()}/", "")

    def run_block(self, block):
        """Run the commands of a console block and check that stdout or stderr contains each of its lines."""
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            output = self.run(command)
            printed = {without_numbers(line) for line in output.splitlines()}
            for line in expected.splitlines():
                if line.strip() != "...":
                    assert without_numbers(line) in printed, (
                        f"{command} did not print {line!r}, but\n{output}"
                    )


def without_numbers(line):
    """Return a line without its numbers, which may differ by rounding, and without repeated spaces."""
    return " ".join(NUMBER.sub("#", line).split())
