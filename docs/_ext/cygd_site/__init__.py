"""A Sphinx extension that writes the pages of the reference and of the gallery from the package itself.

Components come from the tables of the built-ins, keys from the sections of an experiment, commands from their
argparse parsers, names from ``__all__`` and pictures from runs of the experiments. The pages are written
below ``docs/reference``, ``docs/gallery`` and ``docs/project`` before Sphinx reads its sources; Git ignores
these folders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cygd_site import api, commands, components, gallery, keys, math_ml, project
from cygd_site.pages import Pages, drop_empty_globs, list_chapters

GENERATED = ("reference", "gallery", "project")
ROOT = Path(__file__).parents[3]  # the checkout


def write_pages(app: Any) -> None:
    """Write all generated pages into the source folder and remove those that are no longer written."""
    pages = Pages(Path(app.srcdir))
    for write in (api.write, components.write, keys.write, commands.write, project.write, gallery.write):
        write(pages, ROOT)
    reference(pages)
    pages.remove_others(GENERATED)


def reference(pages: Pages) -> None:
    """Write the first page of the reference."""
    pages.write(
        "reference/index.md",
        "# Reference\n\nEvery page below is made from the package itself.\n\n"
        "```{toctree}\n:maxdepth: 2\n\nkeys\ncomponents/index\ncommands/index\napi/index\n```\n\n"
        "The same in two pages to read on one screen: [](/configuration.md) and [](/defaults.md).\n",
    )


def name_buttons(app: Any, error: Exception | None) -> None:
    """Name the buttons of the sidebar for screen readers, which the theme leaves without a name."""
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        named = text.replace(
            '<summary><span class="toctree-toggle"',
            '<summary aria-label="Show or hide the pages below"><span class="toctree-toggle"',
        )
        if named != text:
            path.write_text(named, encoding="utf-8")


def setup(app: Any) -> dict[str, Any]:
    """Connect the extension to Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", drop_empty_globs)
    app.connect("source-read", list_chapters)
    app.connect("source-read", project.link_within_the_site)
    app.connect("autodoc-skip-member", api.skip_foreign)
    app.connect("autodoc-process-docstring", api.escape_prose, priority=100)  # before numpydoc
    app.connect("build-finished", name_buttons)
    math_ml.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
