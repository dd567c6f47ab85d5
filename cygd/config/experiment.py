"""A valid experiment: its sections with every default filled in, and back to plain values for config.yaml."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cygd.config.component_spec import Components
from cygd.config.cross_checks import check_together
from cygd.config.document import Document
from cygd.config.section import InvalidDefaultError
from cygd.config.sections import ExperimentSection
from cygd.config.validation import Diagnostics
from cygd.config.validators import Context, safe_name
from cygd.config.yaml.nodes import Node, parse_key, show_key
from cygd.errors import ConfigError, Problem

FILE_OPTIONS = ("path", "file", "x", "y")  # options of a data source that name a file if they are text
STDIN = "/dev/stdin"  # also named "-"


class Experiment(ExperimentSection):
    """A valid experiment; the attributes are the keys of the YAML file."""

    document: Document  # where every value was written
    name: str

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.document.folder

    def where(self, key: str) -> str:
        """Return the place of a value, `file:line:column`, or of the nearest one around it."""
        return self.document.where(parse_key(key))

    def problem(self, key: str, message: str, hint: str | None = None) -> Problem:
        """Return a problem with a value that is found after validation."""
        return Problem(self.where(key), show_key(parse_key(key)), message, hint)

    def data_files(self) -> list[Path]:
        """Return the files that the options of the data source name."""
        data = self.data
        options = [self._absolute_files(part) for part in (data.options, data.validation, data.test)]
        named = [value for part in options for value in part.values() if isinstance(value, str)]
        paths = [Path(path) for value in dict.fromkeys(named) for path in _matching_paths(value)]
        # a pipe that a plugin reads is not read a second time
        may_be_pipe = data.component.tier == "built-in"
        return [
            path
            for path in paths
            if path.is_absolute()
            and (path.is_file() or (may_be_pipe and (str(path) == STDIN or path.is_fifo())))
        ]

    def resolved(self) -> dict[str, Any]:
        """Return the experiment as plain values that do not depend on defaults or on the folder.

        Read back, they are the same experiment.
        """
        plugins = [self._plugin(name) for name in self.plugins]
        content = self.resolved_with(plugins=plugins, data=self.resolved_data(), sweep=None)
        del content["sweep"]  # a run is one experiment of it
        return content

    def resolved_data(self) -> dict[str, Any]:
        """Return the data section of `resolved`."""
        data = self.data.resolved()
        for part in ("validation", "test"):
            if part in data:
                data[part] = self._absolute_files(data[part])
        options = self._absolute_files(self.data.options)
        return {
            "source": data.pop("source"),
            **options,
            **{k: v for k, v in data.items() if k not in options},
        }

    def _plugin(self, name: str) -> str:
        """Return the absolute path of a plugin's file, or the name of a module."""
        is_file = name.endswith(".py") and not name.startswith("no:")
        return _absolute(self.folder, name) if is_file else name

    def _absolute_files(self, options: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return options with absolute paths in place of file names.

        A plugin's source does not declare which of its texts are files, so there every text that names an
        existing file is one.
        """
        folder, is_plugin = self.folder, self.data.component.tier != "built-in"

        def absolute(key: str, value: Any) -> Any:
            if not isinstance(value, str) or not value or "\0" in value:
                return value
            is_named = key in FILE_OPTIONS or key.endswith(("_path", "_file"))
            if is_named and glob.has_magic(value) and not (folder / value).exists():
                return _absolute(Path(glob.escape(str(folder))), value)  # only the value is a pattern
            is_file = is_named or (is_plugin and (folder / value).is_file())
            return _absolute(folder, value) if is_file else value

        return {key: absolute(key, value) for key, value in (options or {}).items()}


class ValidSections:
    """The valid values of the last document, for another one that shares some of its nodes.

    The runs of a sweep differ in one or two keys, and most of the validation would read the others again. A
    value is known if the node is the same object, the components are the same, and no option of it may be
    dropped. Values at the top level do not depend on each other: `check_together` compares them, for every
    document.
    """

    def __init__(self) -> None:
        self._components: Components | None = None
        self._nodes: Mapping[str, Node] = {}
        self._values: Mapping[str, Any] = {}

    def of(self, document: Document, components: Components) -> dict[str, Any]:
        """Return the values that need not be read again, by key."""
        if components is not self._components:
            return {}
        nodes, open_keys = document.root.value, {path[0] for path in document.kept}
        return {
            key: value
            for key, value in self._values.items()
            if key not in open_keys and nodes.get(key) is self._nodes.get(key)
        }

    def store(self, document: Document, components: Components, sections: ExperimentSection) -> None:
        """Keep the values of a valid document."""
        open_keys = {path[0] for path in document.kept}
        self._components, self._nodes = components, document.root.value
        self._values = {key: value for key, value in vars(sections).items() if key not in open_keys}


def validate(
    document: Document, components: Components, valid_sections: ValidSections | None = None
) -> Experiment:
    """Validate a document; raise ConfigError with all problems at once."""
    diagnostics = Diagnostics(document)
    known = {} if valid_sections is None else valid_sections.of(document, components)
    plain = {key: node.plain() for key, node in document.root.value.items() if key not in known}
    context = Context(components, [], root=ExperimentSection, droppable=document.kept, known=known)
    sections: ExperimentSection | None = None
    with suppress(InvalidDefaultError):
        sections = ExperimentSection.validate(plain, context)
    for error in context.errors:
        diagnostics.add(error)
    if sections is not None:
        check_together(sections, diagnostics)
    if sections is None or diagnostics.problems:
        raise ConfigError(diagnostics.problems)
    if valid_sections is not None:
        valid_sections.store(document, components, sections)
    stop = sections.stop
    if stop is not None and not stop.monitor:
        stop = stop.replace(monitor="validation_loss" if sections.data.has_validation else "loss")
    name = sections.name or safe_name(document.stem)
    return Experiment(**{**vars(sections), "document": document, "name": name, "stop": stop})


def _matching_paths(value: str) -> list[str]:
    """Return the path that a text names, or the paths that it matches as a pattern."""
    is_pattern = glob.has_magic(value) and "\0" not in value and not os.path.exists(value)  # noqa: PTH110
    return sorted(glob.glob(value, recursive=True)) if is_pattern else [value]  # noqa: PTH207


def _absolute(folder: Path, path: str) -> str:
    return STDIN if path == "-" else os.path.abspath(folder / path)  # noqa: PTH100 (resolve() would follow links)
