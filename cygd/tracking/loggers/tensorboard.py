"""The logger for TensorBoard: scalars, histograms of the weights, and the row of the HPARAMS tab.

The runs of a sweep are sub-folders of one log folder. A resumed run adds an event file, which tells
TensorBoard to discard the events of the stopped run from its first epoch on.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cygd.network.epoch_rows import EpochRows
from cygd.network.serialization import parameter_arrays
from cygd.tracking.loggers.background import BackgroundLogger, RunEnd
from cygd.tracking.loggers.logged_rows import Weights
from cygd.tracking.tracked_runs import TrackedRun

if TYPE_CHECKING:
    from cygd.tracking.results import Run

SUCCESS, FAILURE = 1, 2  # of the HPARAMS tab; Status in TensorBoard's api.proto
BINS = 30
START = 1  # SessionLog.START in TensorFlow's event.proto


class TensorboardLogger(BackgroundLogger):
    """Writes event files with tensorboardX.

    Parameters
    ----------
    directory : str
        The log folder, relative to the current folder, with a sub-folder for each run; by default
        `tensorboard` in the run folder, or in that of the sweep.
    histograms : int
        How many times the weights are shown as histograms; 0 for never.
    rows : int
        About how many rows of a run are logged, evenly spread; 0 logs all.
    wait : float
        The seconds that the end of a run waits until all rows are written.
    """

    name: ClassVar[str] = "tensorboard"

    def __init__(
        self, directory: str = "", histograms: int = 10, rows: int = 1000, wait: float = 10.0
    ) -> None:
        super().__init__(wait, rows)
        self.check_option("histograms", histograms, histograms >= 0, "a number of histograms, or 0")
        self.require("tensorboardX")
        self.directory = os.path.abspath(Path(directory).expanduser()) if directory else ""  # noqa: PTH100
        self.histograms = int(histograms)
        self._next_histogram = 0
        self._writer: Any = None

    @property
    def target(self) -> str:
        """The log folder."""
        return self.directory

    def prepare(self, run: Run) -> None:
        """Import tensorboardX."""
        import tensorboardX.event_file_writer
        import tensorboardX.summary  # noqa: F401

    def cygd_run_start(self, run: Run) -> None:
        """Start the thread, and queue a copy of the initial weights."""
        super().cygd_run_start(run)
        self._copy_weights(run, self._run.first)

    def cygd_epochs_end(self, run: Run, rows: EpochRows) -> None:
        """Queue rows, and a copy of the weights where a histogram is due."""
        super().cygd_epochs_end(run, rows)
        self._copy_weights(run, rows.last)

    def _copy_weights(self, run: Run, epoch: int) -> None:
        if self.histograms and epoch >= self._next_histogram:
            distance = max(1, self._run.epochs // self.histograms)
            self._next_histogram = (epoch // distance + 1) * distance
            arrays = {name: array.copy() for name, array in parameter_arrays(run.network).items()}
            self._put(Weights(epoch, arrays))

    def connect(self, run: TrackedRun) -> None:
        """Begin an event file, and discard earlier events that this run writes again."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        self.release()
        folder = Path(run.record["directory"]) if "directory" in run.record else self._folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder sorted by name; those of one second differ in the number
        number = len(list(folder.glob("events.out.tfevents.*")))
        self._writer = EventsWriter(str(folder / "events"), filename_suffix=f".{number:04d}")
        if number:
            restart = event_pb2.Event(step=run.first, session_log=event_pb2.SessionLog(status=START))
            self._writer.write_event(restart)
        self._write_summary(self._session_start(run), 0)
        self._writer.flush()
        run.record["directory"] = str(folder)

    def write(self, run: TrackedRun, rows: Sequence[tuple[int, dict[str, float]]]) -> None:
        """Write an event with all scalars for each row."""
        for epoch, values in rows:
            self._write_scalars(values, epoch, self.time_of(values))
        self._writer.flush()

    def write_weights(self, run: TrackedRun, weights: Weights) -> None:
        """Write a histogram of each finite array."""
        from tensorboardX.proto.summary_pb2 import HistogramProto, Summary

        values = []
        for name, array in weights.arrays.items():
            flat = array.ravel().astype(np.float64)
            if not flat.size or not np.isfinite(flat).all():
                continue
            low, high = float(flat.min()), float(flat.max())
            if not math.isfinite(high - low):
                continue
            counts, edges = np.histogram(flat, bins=BINS if high > low else 1)
            histogram = HistogramProto(
                min=low,
                max=high,
                num=flat.size,
                sum=float(flat.sum()),
                sum_squares=float((flat * flat).sum()),
                bucket_limit=[float(edges[0]), *edges[1:].tolist()],
                bucket=[0.0, *counts.tolist()],
            )
            values.append(Summary.Value(tag=f"weights/{name}", histo=histogram))
        self._write_summary(Summary(value=values), weights.epoch)
        self._writer.flush()

    def finish(self, run: TrackedRun, end: RunEnd) -> None:
        """Write the result as scalars `final/NAME`, and the end of the session for the HPARAMS tab."""
        from tensorboardX.proto.plugin_hparams_pb2 import SessionEndInfo

        self._write_scalars({f"final/{name}": value for name, value in end.metrics.items()}, end.epochs)
        status = SUCCESS if end.status in ("completed", "stopped") else FAILURE
        self._write_summary(_hparams("session_end_info", SessionEndInfo(status=status)), 0)
        self._writer.close()
        self._writer = None

    def release(self) -> None:
        """Close the event file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _folder(self, run: TrackedRun) -> Path:
        """Return the folder of the events of a run."""
        if run.group is None:
            return Path(self.directory, run.label) if self.directory else run.directory / "tensorboard"
        shared = Path(self.directory, run.group.name) if self.directory else run.group / "tensorboard"
        return shared / run.label

    def _session_start(self, run: TrackedRun) -> Any:
        """Return the summary with the parameters of a run."""
        # without a summary of the experiment, TensorBoard collects parameters and metrics of all runs
        from tensorboardX.proto.plugin_hparams_pb2 import SessionStartInfo

        info = SessionStartInfo(group_name=run.label)
        for name, value in {**run.parameters(), "seed": run.seed}.items():
            if isinstance(value, bool):
                info.hparams[name].bool_value = value
            elif isinstance(value, str):
                info.hparams[name].string_value = value
            else:
                info.hparams[name].number_value = float(value)
        return _hparams("session_start_info", info)

    def _write_scalars(self, values: Mapping[str, float], epoch: int, seconds: float | None = None) -> None:
        from tensorboardX.proto.summary_pb2 import Summary

        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write_summary(Summary(value=scalars), epoch, seconds)

    def _write_summary(self, summary: Any, epoch: int, seconds: float | None = None) -> None:
        from tensorboardX.proto.event_pb2 import Event

        wall_time = time.time() if seconds is None else seconds
        self._writer.write_event(Event(wall_time=wall_time, step=epoch, summary=summary))


def _hparams(kind: str, info: Any) -> Any:
    """Return a summary for the HPARAMS tab: session_start_info or session_end_info."""
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata

    content = HParamsPluginData(version=0, **{kind: info}).SerializeToString()
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    value = Summary.Value(tag=f"_hparams_/{kind}", metadata=SummaryMetadata(plugin_data=plugin))
    return Summary(value=[value])
