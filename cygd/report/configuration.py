"""The configuration of a run, and what in it differs from the defaults."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cygd import config
from cygd.display.html import Table
from cygd.errors import CygdError
from cygd.plugins.manager import Plugins
from cygd.report.page import Details, Facts, Part, Preformatted
from cygd.report.run_record import RunRecord
from cygd.runner.assembly import read

MAX_VALUE = 300  # characters
HIDDEN = ("plugins",)
ROWS = ("x", "y")  # keys of inline data


def configuration_parts(record: RunRecord) -> list[Part]:
    """Return the parts of the section on the configuration."""
    file = record.folder / "config.yaml"
    rows = [[key, format_value(value)] for key, value in differing_leaves(record)]
    parts: list[Part] = []
    if rows:
        parts.append(Table(["key", "value"], rows, "what differs from the defaults"))
    text = file.read_text(encoding="utf-8", errors="replace")
    return [*parts, Details("config.yaml, which repeats the run bit for bit", [Preformatted(text)])]


def differing_leaves(record: RunRecord) -> list[tuple[str, Any]]:
    """Return the keys without which the configuration would be another one, with their values."""
    content = {key: value for key, value in record.config.items() if key not in HIDDEN}
    if isinstance(content.get("data"), Mapping):  # many rows would be validated again with every key
        content["data"] = {
            key: value[:1] if key in ROWS and isinstance(value, list) else value
            for key, value in content["data"].items()
        }
    try:
        plugins = read(record.folder / "config.yaml").plugins
        essential = minimal_configuration(content, plugins)
    except CygdError:  # such as a missing plugin: its components have unknown defaults
        essential = content
    return list(_chosen(record.config, essential))


def _chosen(given: Any, essential: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of `given` at the places of `essential`, whose empty sections are leaves, too."""
    if isinstance(essential, Mapping) and essential:
        pairs = [(key, child, essential[key]) for key, child in given.items() if key in essential]
    elif isinstance(essential, list) and any(isinstance(item, Mapping) for item in essential):
        pairs = [(i, *both) for i, both in enumerate(zip(given, essential, strict=True))]
    else:
        yield path, given
        return
    for key, child, part in pairs:
        yield from _chosen(child, part, f"{path}.{key}" if path else str(key))


def minimal_configuration(content: Mapping[str, Any], plugins: Plugins) -> dict[str, Any]:
    """Return a configuration without the keys that it does not need to mean the same.

    Layers come before the rest of their section, so that what all of them share stays there once.

    Raises
    ------
    ConfigError
        If the configuration is invalid.
    """
    smaller = copy.deepcopy(dict(content))

    def resolve() -> dict[str, Any]:
        return config.validate(config.read(smaller, []), plugins).resolved()

    meaning = resolve()

    def is_same() -> bool:
        try:
            return resolve() == meaning
        except CygdError:
            return False

    def shrink(node: Any) -> bool:
        """Remove what a mapping, or the mappings of a list, do not need; return whether anything was."""
        if isinstance(node, list):
            return any(shrink(item) for item in node if isinstance(item, Mapping))
        changed = False
        for key, value in sorted(node.items(), key=lambda pair: not isinstance(pair[1], list)):
            del node[key]
            if is_same():
                changed = True
                continue
            node[key] = value
            if isinstance(value, Mapping | list):
                changed |= shrink(value)
        return changed

    with _without_warnings():
        while shrink(smaller):  # a key may become superfluous without another one
            pass
    return smaller


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep warnings about configurations that are only tried from the log."""

    def is_error(entry: logging.LogRecord) -> bool:
        return entry.levelno > logging.WARNING

    logger = logging.getLogger("cygd")
    logger.addFilter(is_error)
    try:
        yield
    finally:
        logger.removeFilter(is_error)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of each leaf of nested mappings; of lists, those of mappings.

    Examples
    --------
    >>> dict(leaves({"train": {"epochs": 5}, "layers": [{"units": 3}], "x": [1, 2]}))
    {'train.epochs': 5, 'layers.0.units': 3, 'x': [1, 2]}
    """
    if isinstance(value, Mapping) and value:
        for key, child in value.items():
            yield from leaves(child, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, child in enumerate(value):
            yield from leaves(child, f"{path}.{index}")
    else:
        yield path, value


def format_value(value: Any) -> str:
    """Return a value of the configuration in one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 3]}..."


def environment_facts(record: RunRecord) -> Facts:
    """Return the machine, the versions and the inputs of the run."""
    environment = record.environment
    pairs = [("folder", str(record.folder.absolute()))]
    versions = environment.get("versions")
    if isinstance(versions, Mapping):
        pairs.append(("versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    cpu, host = environment.get("cpu"), environment.get("host")
    if isinstance(cpu, Mapping):
        pairs.append(("CPU", ", ".join(f"{name} {value}" for name, value in cpu.items())))
    if isinstance(host, Mapping):
        pairs.append(("host", ", ".join(str(value) for value in host.values())))
    for key in ("threads", "git_commit", "config_sha256"):
        if environment.get(key) is not None:
            pairs.append((key.replace("_", " "), str(environment[key])))
    hashes = environment.get("sha256")
    for kind, files in hashes.items() if isinstance(hashes, Mapping) else ():
        for file, digest in files.items() if isinstance(files, Mapping) else ():
            pairs.append((f"sha256 of {kind}", f"{file}: {digest}"))
    return Facts(pairs)
