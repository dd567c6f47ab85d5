"""The files that lie outside docs/, as pages; and links to them from the guides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cygd_site.diagrams import BLOCK, draw
from cygd_site.pages import Pages, toctree

# file of the checkout -> page of the site
FILES = {
    "CHANGELOG.md": "project/changelog",
    "CONTRIBUTING.md": "project/contributing",
    "SECURITY.md": "project/security",
    "cygd/core/README.md": "project/core",
    "cygd/config/README.md": "project/config",
    "experiments/data/README.md": "project/data-sets",
}


def write(pages: Pages, root: Path) -> None:
    """Write a page for each file."""
    for name, page in FILES.items():
        text = (root / name).read_text(encoding="utf-8")
        pages.write(f"{page}.md", relink(text, Path(name).parent))
    for guide in sorted((root / "docs").glob("*.md")):
        for number, chart in enumerate(BLOCK.findall(guide.read_text(encoding="utf-8"))):
            pages.write(f"project/{guide.stem}-{number}.svg", draw(chart).svg)
    pages.write(
        "project/index.md",
        "# Project\n\n" + toctree([page.removeprefix("project/") for page in FILES.values()]),
    )


def relink(text: str, folder: Path) -> str:
    """Return Markdown whose links to files of the checkout lead to pages, or are text if there is none."""

    def replace(match: re.Match[str]) -> str:
        label, target, anchor = match[1], match[2], match[3] or ""
        path = _normal(folder / target)
        if path in FILES:
            return f"[{label}](/{FILES[path]}.md{anchor})"
        if path.startswith("docs/"):
            return f"[{label}](/{path.removeprefix('docs/')}{anchor})"
        if re.fullmatch(r"experiments/\w+\.yaml", path):
            return f"[{label}](/gallery/{Path(path).stem}.md)"
        return label

    return re.sub(r"\[([^\]\n]+)\]\((?!\w+:|#|/)([^)#\s]+)(#[^)\s]*)?\)", replace, text)


def link_within_the_site(app: Any, docname: str, source: list[str]) -> None:
    """Redirect the links of a guide to files outside docs/ to their pages, and show its diagrams."""

    def replace(match: re.Match[str]) -> str:
        return relink(match[0], Path("docs", docname).parent)

    for number, chart in enumerate(BLOCK.findall(source[0])):
        picture = f"/project/{docname}-{number}.svg"
        image = f"```{{image}} {picture}\n:alt: {draw(chart).caption}\n```\n"
        source[0] = BLOCK.sub(lambda _, image=image: image, source[0], count=1)
    source[0] = re.sub(r"\[[^\]\n]+\]\((?:\.\./)+[^)\s]+\)", replace, source[0])


def _normal(path: Path) -> str:
    """Return a path without `..`."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part != "..":
            parts.append(part)
    return "/".join(parts)
