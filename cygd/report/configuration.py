"""The configuration of a run, and what in it differs from the defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cygd.display.html import Table
from cygd.errors import CygdError
from cygd.report.page import Details, Facts, Part, Preformatted
from cygd.report.run_record import RunRecord
from cygd.runner.assembly import read

MAX_VALUE = 300  # characters
HIDDEN = ("plugins",)


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
    """Return the keys of the configuration whose values are not those that they have if left out."""
    given = dict(leaves(record.config))
    defaults = dict(leaves(_defaults(record.config, record.folder)))
    return [
        (key, value)
        for key, value in given.items()
        if not key.startswith(HIDDEN) and (key not in defaults or defaults[key] != value)
    ]


def _defaults(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the resolved experiment without whatever has a default; components keep their names."""
    layers = [{"units": layer["units"]} for layer in content["model"]["layers"] if isinstance(layer, Mapping)]
    smallest = {
        "data": {"source": "inline", "x": [[0.0]], "y": [[0.0]]},
        "model": {"layers": layers or [{"units": 1}]},
        "optimizer": _name_of(content.get("optimizer")),
    }
    try:
        return read(
            {key: value for key, value in smallest.items() if value is not None}
        ).experiment.resolved()
    except CygdError:  # a component of a plugin that is not loaded
        del smallest["optimizer"]
        return read(smallest).experiment.resolved()


def _name_of(spec: Any) -> str | None:
    """Return the name of a component as an experiment gives it; None for a formula."""
    if isinstance(spec, Mapping):
        name = spec.get("name")
        return name if isinstance(name, str) else None
    return spec if isinstance(spec, str) else None


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
