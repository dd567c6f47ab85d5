"""Networks: layers over one flat parameter vector, and their training."""

from cygd.network.early_stopping import EarlyStopping
from cygd.network.history import History
from cygd.network.layers import Layer
from cygd.network.network import Network
from cygd.network.training_state import TrainingState

__all__ = ["EarlyStopping", "History", "Layer", "Network", "TrainingState"]
