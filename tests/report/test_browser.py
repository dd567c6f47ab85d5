"""Pages in headless Chromium: no message, no request, no page wider than the window, no fault of axe-core."""

import http.server
import os
import shutil
import threading

import pytest

import cygd
from cygd.cli.main import main
from tools.report_pages import SCHEMES, WIDTHS, check

pytest.importorskip("matplotlib")
pytest.importorskip("axe_playwright_python")
sync_api = pytest.importorskip("playwright.sync_api")

MOONS = {
    "name": "moons",
    "data": {"source": "synthetic", "kind": "moons", "samples": 60, "split": {"test": 0.3}},
    "model": {"layers": [{"units": 4, "activation": "relu"}, {"units": 1, "activation": "sigmoid"}]},
    "loss": "binary_cross_entropy",
    "train": {"epochs": 3},
    "metrics": ["accuracy"],
}
LINE = {
    "data": {"source": "inline", "x": [[0.0], [1.0], [2.0]], "y": [[0.0], [2.0], [4.0]]},
    "model": {"layers": [1]},
    "train": {"epochs": 3, "batch_size": "full"},
}


@pytest.fixture(scope="module")
def browser():
    """Chromium: that of CHROMIUM, of playwright or of the system."""
    paths = [os.environ.get("CHROMIUM"), None, shutil.which("chromium"), shutil.which("google-chrome")]
    with sync_api.sync_playwright() as playwright:
        for path in paths:
            try:
                found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            except sync_api.Error:
                continue
            yield found
            found.close()
            return
    pytest.skip("there is no Chromium")


def faults(browser, file):
    return [
        fault for width in WIDTHS for scheme in SCHEMES for fault in check(browser, file, width, scheme, None)
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    cygd.run(MOONS, out=folder / "moons", quiet=True)
    cygd.run(LINE | {"name": "line"}, out=folder / "line", quiet=True)
    folds = MOONS["data"] | {"split": {"folds": 2}}
    cygd.run(MOONS | {"name": "folds", "data": folds}, out=folder / "folds", quiet=True)
    diverging = {"name": "sgd", "learning_rate": 1e9}
    cygd.run(LINE | {"name": "far", "optimizer": diverging, "train": {"epochs": 99}}, out=folder / "far")
    return folder


@pytest.mark.parametrize("names", [["moons"], ["line"], ["folds"], ["far"], ["moons", "line"], ["."]])
def test_page_has_no_faults(names, runs, browser, tmp_path):
    file = tmp_path / "page.html"
    assert main(["report", *(str(runs / name) for name in names), "-o", str(file)]) == 0
    assert faults(browser, file) == []


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<script>console.log('hello')</script>", "console: hello"),
        ("<script>nothing()</script>", "error: "),
        ('<img alt="" src="http://127.0.0.1:{port}/a.png">', "request: http://127.0.0.1"),
        ('<div style="width: 2000px">x</div>', "the page is 20"),
        ('<img src="data:,">', "image-alt, critical"),
    ],
)
def test_faults_are_found(markup, expected, browser, tmp_path):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        body = markup.replace("{port}", str(server.server_port))
        file = tmp_path / "page.html"
        file.write_text(
            f'<!doctype html><html lang="en"><title>t</title><main><h1>t</h1>{body}</main></html>'
        )
        found = list(check(browser, file, 400, "light", None))
        server.shutdown()
    assert any(fault.startswith(expected) for fault in found), found
    assert asked == []  # the network is blocked
