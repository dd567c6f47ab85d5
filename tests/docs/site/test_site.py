"""The built site: its links lead somewhere, it loads nothing from elsewhere, and it answers questions."""

import importlib
import inspect
from urllib.parse import unquote, urlsplit

import pytest

from cygd.cli.commands import COMMANDS
from cygd.config.section import walk
from cygd.config.sections import ExperimentSection
from cygd.plugins.builtins import KINDS


def is_internal(link):
    return not urlsplit(link).scheme and not link.startswith("//")


def test_links_within_the_site_lead_to_pages_and_anchors(site):
    broken = []
    for page in site.values():
        for link in filter(is_internal, page.links):
            target, anchor = page.target(unquote(link))
            if not target.exists() or (anchor and target in site and anchor not in site[target].anchors):
                broken.append((page.path.name, link))
    assert broken == []
    assert sum(len(page.links) for page in site.values()) > 5000


def test_pages_load_nothing_from_other_hosts(site):
    resources = {resource for page in site.values() for resource in page.resources}
    assert len(resources) > 50
    assert [r for r in resources if not is_internal(r) and not r.startswith("data:")] == []


def test_resources_exist(site):
    missing = [
        (page.path.name, resource)
        for page in site.values()
        for resource in page.resources
        if is_internal(resource) and not page.target(resource.partition("?")[0])[0].is_file()
    ]
    assert missing == []


def test_images_have_alternative_texts(site):
    assert [page.path.name for page in site.values() if any(not i.get("alt") for i in page.images)] == []


def test_buttons_have_names_for_screen_readers(site):
    nameless = [path.name for path in site if "<summary><span" in path.read_text(encoding="utf-8")]
    assert nameless == []


MODULES = [
    "cygd",
    "cygd.core",
    "cygd.sklearn",
    "cygd.sweep",
    "cygd.testing",
    "cygd.network",
    "cygd.inspection",
]


@pytest.mark.parametrize("module", MODULES)
def test_public_names_have_pages(site, root, module):
    if module == "cygd.sklearn":
        pytest.importorskip("sklearn")
    loaded = importlib.import_module(module)
    overview = site[root / f"reference/api/{module}.html"]
    linked = {overview.target(link)[0] for link in overview.links if is_internal(link)}
    for name in loaded.__all__:
        value = getattr(loaded, name)
        if inspect.ismodule(value):
            assert root / f"reference/api/{value.__name__}.html" in linked
            continue
        pages = [path for path in linked if path.name.endswith(f".{name}.html") and path.parent.name == "api"]
        assert pages, f"{module}.{name} has no page"
        anchors = set().union(*(site[path].anchors for path in pages))
        assert any(anchor.endswith(f".{name}") for anchor in anchors), f"{module}.{name} is not documented"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_components_have_pages_with_options_and_plots(site, root, kind):
    for component in kind.built_ins:
        page = site[root / f"reference/components/{kind.name}/{component.name}.html"]
        for option in component.options:
            assert option in page.text, (component, option)
        if kind.name in ("activation", "loss", "optimizer", "schedule", "initializer"):
            assert any(image["alt"].startswith(f"{component.name}:") for image in page.images), component


def test_every_key_has_a_section(site, root):
    text = site[root / "reference/keys.html"].text
    for path, field in walk(ExperimentSection):
        assert ".".join(path).replace(".*", "[]") in text
        assert field.description.partition("`")[0].rstrip(" (")[1:] in text


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_a_page(site, root, command):
    text = site[root / f"reference/commands/{command}.html"].text
    assert "--no-plugins" in text
    assert f"cygd {command}" in text


def test_every_experiment_has_a_page_with_a_picture(site, root):
    names = {path.stem for path in root.glob("gallery/*.html")} - {"index"}
    assert len(names) > 10
    for name in names:
        page = site[root / f"gallery/{name}.html"]
        assert any(f"{name}-0.svg" in image["src"] for image in page.images)
        assert f"cygd run experiments/{name}.yaml" in page.text


def within_clicks(site, start, clicks):
    """Return the pages that are reached from a page by following links."""
    reached = {start}
    for _ in range(clicks):
        reached |= {
            target
            for path in reached
            for link in site[path].links
            if is_internal(link) and (target := site[path].target(link)[0]) in site
        }
    return reached


@pytest.mark.parametrize(
    ("title", "answer"),
    [
        ("Resume a run", "cygd run --resume runs/penguins/first"),
        ("adam", "learning_rate\n0.001"),
        ("Write a loss", "loss: {formula:"),
    ],
    ids=["how do I resume", "default learning rate of adam", "how do I write a loss"],
)
def test_question_is_answered_within_two_clicks(site, root, title, answer):
    found = [
        path
        for path in within_clicks(site, root / "index.html", 2)
        if f"{title}#" in site[path].text and answer in site[path].text
    ]
    assert found
