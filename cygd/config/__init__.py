"""YAML -> Experiment, remembering file:line:column of every value.

`read` parses the file and applies overrides, `validate` judges everything in one go, `dump` writes a
resolved experiment back as YAML.
"""

from cygd.config.component_spec import ComponentSpec
from cygd.config.document import Document, read
from cygd.config.experiment import Experiment, ModelSpec, validate
from cygd.config.sections import DataSection, LayerSpec
from cygd.config.yaml.writer import dump

__all__ = [
    "ComponentSpec",
    "DataSection",
    "Document",
    "Experiment",
    "LayerSpec",
    "ModelSpec",
    "dump",
    "read",
    "validate",
]
