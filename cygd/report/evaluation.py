"""The outputs of a run's network on the rows that it was not trained on, in the units of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.components.classification import Targets
from cygd.data import PreparedData, Table
from cygd.data.held_out import held_out_rows
from cygd.errors import CygdError
from cygd.network import Network
from cygd.report.run_record import RunRecord
from cygd.runner.assembly import assemble
from cygd.tracking import checkpoints
from cygd.tracking.model import read_weights, set_weights

Array = NDArray[Any]
MAX_ROWS = 200_000  # of a part, beyond which the first rows are taken


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network with its kept weights, and its outputs on one part of the data.

    Attributes
    ----------
    network : Network
    data : PreparedData
    part : str
        "test", "validation" or "training": the first of these that the run has.
    x : ndarray of shape (n_rows, n_inputs)
        The rows as the network reads them.
    y, y_hat : ndarray of shape (n_rows, n_outputs)
        Targets and outputs in the units of the data.
    kind : str
        The kind of the targets: "binary", "classes", "multilabel", "numbers" or "continuous".
    threshold : float
        The output above which a row of "binary" or "multilabel" is positive.
    table : Table or None
        The rows as their source has them, if it can be read again.
    checkpoint : int or None
        The epoch of the checkpoint that has the weights, if the run has not ended.
    """

    network: Network
    data: PreparedData
    part: str
    x: Array
    y: Array
    y_hat: Array
    kind: str
    threshold: float
    table: Table | None
    checkpoint: int | None = None

    @property
    def labels(self) -> list[str]:
        """The names of the classes, of two for a single column."""
        if self.data.classes:
            return [str(label) for label in self.data.classes]
        if self.kind == "binary":
            return ["-1" if self.threshold == 0 else "0", "1"]
        if self.kind == "classes":
            return list(self.data.targets)
        return []

    @property
    def true_classes(self) -> Array:
        """The class number of each row, for "binary" and "classes"."""
        return (self.y[:, 0] > self.threshold).astype(int) if self.kind == "binary" else self.y.argmax(axis=1)

    @property
    def predicted_classes(self) -> Array:
        """The predicted class number of each row."""
        if self.kind == "binary":
            return (self.y_hat[:, 0] > self.threshold).astype(int)
        return np.asarray(self.y_hat.argmax(axis=1))


def evaluate(record: RunRecord) -> Evaluation:
    """Assemble the experiment of a run, load its kept weights, or those of its last checkpoint, and predict.

    Raises
    ------
    CygdError
        If the data or a plugin is missing, the weights are damaged, or there are none.
    """
    file = record.folder / "weights.npz"
    # a run that was interrupted and resumed has the weights of the interruption until it ends
    use_file = file.exists() and not record.is_going_on
    checkpoint = None if use_file else checkpoints.latest(record.folder)
    if checkpoint is None and not file.exists():
        raise CygdError("the run has kept no weights yet")
    assembly = assemble(record.folder / "config.yaml")
    network, data = assembly.network, assembly.data
    if checkpoint is None:
        set_weights(network, read_weights(file), file)
    else:
        checkpoint.state.load_weights_into(network)
    parts = {"test": data.test, "validation": data.validation, "training": data.train}
    name, part = next((name, part) for name, part in parts.items() if part is not None and len(part))
    x, y, _ = part.take()
    x, y = x[:MAX_ROWS], y[:MAX_ROWS]
    y_hat = network.predict(x)
    training = data.train.take()[1]
    targets = Targets.of(data.preprocessing.inverse_targets(training), network.loss_function)
    return Evaluation(
        network=network,
        data=data,
        part=name,
        x=x,
        y=np.asarray(data.preprocessing.inverse_targets(y)),
        y_hat=np.asarray(data.preprocessing.inverse_targets(y_hat)),
        kind=targets.kind,
        threshold=targets.threshold,
        table=_raw_rows(assembly, name, len(x)),
        checkpoint=None if checkpoint is None else checkpoint.state.epoch,
    )


def _raw_rows(assembly: Any, name: str, count: int) -> Table | None:
    """Return the rows of the source, or None if they are not those of the part."""
    try:
        part, table = held_out_rows(assembly.experiment, assembly.plugins)
    except CygdError:
        return None
    return table if part == name and len(table) >= count else None
