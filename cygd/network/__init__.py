"""Networks: layers over one flat vector of parameters, and their training."""

from cygd.network.early_stopping import EarlyStopping
from cygd.network.fit_options import FitOptions
from cygd.network.history import History
from cygd.network.layers import Layer
from cygd.network.many_networks import fit_many
from cygd.network.network import Network
from cygd.network.training_state import TrainingState
from cygd.network.updates import Update

__all__ = [
    "EarlyStopping",
    "FitOptions",
    "History",
    "Layer",
    "Network",
    "TrainingState",
    "Update",
    "fit_many",
]
