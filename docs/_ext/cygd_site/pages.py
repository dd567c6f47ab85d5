"""Writing of generated pages: only those that change, so that Sphinx reads no other again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


class Pages:
    """The generated files of one build.

    Parameters
    ----------
    folder : Path
        The source folder of the site.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written: set[Path] = set()

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file, named relative to the source folder, if it has other content."""
        path = self.folder / name
        data = content.encode() if isinstance(content, str) else content
        self._written.add(path)
        if path.is_file() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def remove_others(self, folders: Iterable[str]) -> None:
        """Remove the files of folders that were not written in this build."""
        for folder in folders:
            for path in (self.folder / folder).rglob("*"):
                if path.is_file() and path not in self._written:
                    path.unlink()


def drop_empty_globs(app: Any, docname: str, source: list[str]) -> None:
    """Remove the patterns of a toctree that match no page, such as those of optional guides."""
    folder = (Path(app.srcdir) / docname).parent

    def replace(match: re.Match[str]) -> str:
        root = folder / match[2] if match[2] else folder
        return match[0] if any(root.glob(f"{match[3]}.*")) else ""

    if ":glob:" in source[0]:
        source[0] = re.sub(r"^(((?:\.\./)?(?:\w+/)?)([\w-]*\*))\n", replace, source[0], flags=re.MULTILINE)


def list_chapters(app: Any, docname: str, source: list[str]) -> None:
    """Add the chapters to the navigation of the tutorial, whose README lists them for other readers."""
    if docname == "tutorial/README":
        chapters = sorted(path.stem for path in (Path(app.srcdir) / "tutorial").glob("[0-9]*.md"))
        source[0] += "\n" + toctree(chapters, hidden=True)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; a bar in a cell is escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def toctree(names: Iterable[str], depth: int = 1, hidden: bool = False) -> str:
    """Return a toctree of pages."""
    options = f":maxdepth: {depth}\n" + (":hidden:\n" if hidden else "")
    return "```{toctree}\n" + options + "\n" + "\n".join(names) + "\n```\n"


def code(text: str, language: str) -> str:
    """Return a code block whose fence is longer than any in the text."""
    return f"`````{language}\n{text.rstrip()}\n`````\n"
