"""python tools/report_pages.py FILE.html ... [--shots FOLDER]: check pages in headless Chromium.

Each page is opened at 400 and 1400 pixels, light and dark, without a network. A message on the console, a
request, a page wider than the window, or a serious fault of accessibility (axe-core) fails. Needs playwright,
axe-playwright-python and Chromium (CHROMIUM names it, if it is not that of playwright).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WIDTHS = (400, 1400)
SCHEMES = ("light", "dark")


def main() -> int:
    """Check the pages of the command line; return 1 if one has a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.html")
    parser.add_argument("--shots", type=Path, metavar="FOLDER", help="write screenshots")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    faults = 0
    with sync_playwright() as playwright:
        executable = os.environ.get("CHROMIUM")
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for file in options.files:
            for width in WIDTHS:
                for scheme in SCHEMES:
                    for fault in check(browser, file, width, scheme, options.shots):
                        faults += 1
                        print(f"{file}, {width} pixels, {scheme}: {fault}")
        browser.close()
    print(f"{len(options.files)} pages, {faults} faults")
    return 1 if faults else 0


def check(browser: Any, file: Path, width: int, scheme: str, shots: Path | None) -> Iterator[str]:
    """Open a page and yield its faults."""
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, java_script_enabled=True
    )
    page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: messages.append(f"error: {error}"))
    address = file.resolve().as_uri()
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((address, "data:")) else messages.append(f"request: {request.url}")
        ),
    )
    page.goto(address)
    yield from messages
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        yield f"the page is {wide} pixels wide"
    for violation in Axe().run(page).response["violations"]:
        if violation["impact"] in ("serious", "critical"):
            where = violation["nodes"][0]["html"][:200]
            yield f"{violation['id']}, {violation['impact']}: {violation['help']}: {where}"
    if shots is not None:
        shots.mkdir(parents=True, exist_ok=True)
        page.evaluate(
            "document.querySelectorAll('details').forEach((d, i) => {if (i % 3 == 0) d.open = true})"
        )
        page.screenshot(path=shots / f"{file.stem}-{width}-{scheme}.png", full_page=True)
    context.close()


if __name__ == "__main__":
    sys.exit(main())
