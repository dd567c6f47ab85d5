"""The built documentation site that CYGD_SITE names, and the extension that writes its pages."""

import os
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

EXTENSION = Path(__file__).parents[3] / "docs" / "_ext"


class Page(HTMLParser):
    """The links, resources, anchors and text of one page."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.links, self.resources, self.anchors, self.images = [], [], set(), []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.anchors.add(attributes["id"])
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        if "src" in attributes:
            self.resources.append(attributes["src"])
        # rel=canonical and the like are not loaded
        if tag == "link" and {"stylesheet", "preload", "icon"} & set(attributes.get("rel", "").split()):
            self.resources.append(attributes["href"])

    def handle_data(self, data):
        self.text += data

    def target(self, link):
        """Return the file and the anchor of a link within the site."""
        file, _, anchor = link.partition("#")
        return (self.path.parent / file).resolve() if file else self.path, anchor


@pytest.fixture(scope="session")
def site():
    """Return the pages of the built site by their paths."""
    folder = os.environ.get("CYGD_SITE")
    if not folder:
        pytest.skip("CYGD_SITE names no built site: sphinx-build -W docs site && CYGD_SITE=site pytest")
    root = Path(folder).resolve()
    pages = {path: Page(path) for path in root.rglob("*.html") if "_static" not in path.parts}
    assert root / "index.html" in pages, f"no site in {root}"
    return pages


@pytest.fixture(scope="session")
def root(site):
    return min(site, key=lambda path: (len(path.parts), path.name != "index.html")).parent


@pytest.fixture(scope="session", autouse=True)
def _extension_on_path():
    sys.path.insert(0, str(EXTENSION))
    yield
    sys.path.remove(str(EXTENSION))
