"""From YAML to a valid Experiment, with file:line:column of every value.

`read` parses the file and applies overrides, `validate` reports everything that is wrong at once, `dump`
writes a resolved experiment as YAML. README.md in this folder shows the way from a YAML value to a component.
"""

from cygd.config.component_spec import ComponentSpec
from cygd.config.document import Document, read
from cygd.config.experiment import Experiment, ValidSections, validate
from cygd.config.sections import DataSection
from cygd.config.yaml.writer import dump

__all__ = [
    "ComponentSpec",
    "DataSection",
    "Document",
    "Experiment",
    "ValidSections",
    "dump",
    "read",
    "validate",
]
