"""What an export reads of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cygd.data import Preprocessing
from cygd.network import Network


class TrainedModel(Protocol):
    """A network with its preprocessing, such as `cygd.Model`."""

    @property
    def network(self) -> Network:
        """The network, which takes preprocessed arrays."""

    @property
    def preprocessing(self) -> Preprocessing:
        """From raw columns to arrays, and back."""

    @property
    def provenance(self) -> Mapping[str, str]:
        """Where the model comes from: experiment, run, config_sha256; empty if it has no run."""
