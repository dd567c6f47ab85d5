"""A page for every command, from its argparse parser and the examples of its help."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from cygd.cli.commands import ALIASES, COMMANDS
from cygd.cli.help_examples import EXAMPLES
from cygd.cli.parser import build_parser
from cygd_site.pages import Pages, code, table, toctree


def write(pages: Pages, root: Path) -> None:
    """Write a page for each command."""
    guide = (root / "docs" / "cli.md").read_text(encoding="utf-8")
    rows = []
    for name in COMMANDS:
        parser = build_parser(name)
        description = parser.description or ""
        rows.append(f"- [`cygd {name}`](/reference/commands/{name}.md): {plain(description)}")
        pages.write(f"reference/commands/{name}.md", page(name, parser, f"## cygd {name}\n" in guide))
    pages.write(
        "reference/commands/index.md",
        "# Commands\n\n[](/cli.md) explains them, the run folder and the exit codes.\n\n"
        + "\n".join(rows)
        + "\n\n"
        + toctree(COMMANDS, hidden=True),
    )


def page(name: str, parser: argparse.ArgumentParser, in_guide: bool) -> str:
    """Return the page of one command."""
    others = [f"`cygd {alias}`" for alias, command in ALIASES.items() if command == name]
    usage = parser.format_usage().removeprefix("usage: ").strip()
    formatter = parser._get_formatter()  # fills in defaults
    actions = [
        (invocation(action), plain(formatter._expand_help(action) if action.help else ""))
        for action in parser._actions
    ]
    examples = [f"# {purpose}\n$ {example}" for example, purpose in EXAMPLES.get(name, ())]
    return "\n".join(
        [
            f"# cygd {name}\n",
            plain(parser.description or "") + "\n",
            f"The same as {', '.join(others)}.\n" if others else "",
            code(re.sub(r"\s+", " ", usage), "text"),
            "## Arguments and options\n",
            table(("argument", "meaning"), actions),
            "## Examples\n\n" + code("\n".join(examples), "console") if examples else "",
            f"[The guide to the command line](/cli.md#cygd-{name}) says more." if in_guide else "",
        ]
    )


def invocation(action: argparse.Action) -> str:
    """Return an argument as it is written on the command line."""
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    value = " ".join(value) if isinstance(value, tuple) else str(value)
    if action.choices is not None and action.metavar is None:
        value = "|".join(str(choice) for choice in action.choices)
    if not action.option_strings:
        return f"`{value}`"
    forms = [f"{option} {value}" if action.nargs != 0 else option for option in action.option_strings]
    return ", ".join(f"`{form}`" for form in forms)


def plain(text: str) -> str:
    """Return help as Markdown: what would be markup is escaped."""
    return re.sub(r"([*_<>\[\]])", r"\\\1", text)
