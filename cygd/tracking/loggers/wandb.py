"""The logger for Weights & Biases, online or offline; the runs of a sweep are one group.

A resumed run continues the run with the same id. Weights & Biases accepts a step only once and in rising
order, so that rows which it already has are not doubled.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cygd.tracking.loggers.background import BackgroundLogger, RunEnd
from cygd.tracking.tracked_runs import TrackedRun

if TYPE_CHECKING:
    from cygd.tracking.results import Run

MODES = ("", "online", "offline", "disabled")
FILES = ("config.yaml", "result.json", "preprocessing.json", "weights.npz")


class WandbLogger(BackgroundLogger):
    """Writes a run to Weights & Biases.

    Parameters
    ----------
    project : str
        The project; by default the name of the experiment.
    entity : str
        The user or team; by default that of wandb.
    mode : str
        online, offline or disabled; by default the environment variable WANDB_MODE, or online.
    directory : str
        The folder for the files of wandb, relative to the current folder; by default the run folder.
    model : bool
        Whether the result and the weights are stored as files of the run.
    rows : int
        About how many rows of a run are logged, evenly spread; 0 logs all.
    wait : float
        The seconds that the end of a run waits until everything is stored.
    """

    name: ClassVar[str] = "wandb"
    connect_seconds: ClassVar[float] = 10.0

    def __init__(
        self,
        project: str = "",
        entity: str = "",
        mode: str = "",
        directory: str = "",
        model: bool = True,
        rows: int = 1000,
        wait: float = 30.0,
    ) -> None:
        super().__init__(wait, rows)
        self.check_option("mode", mode, mode in MODES, "online, offline or disabled")
        self.require("wandb")
        self.project, self.entity, self.mode = project, entity, mode
        self.directory = str(Path(directory).expanduser().absolute()) if directory else ""
        self.model = model
        self._wandb: Any = None
        self._session: Any = None
        self._last = -1  # the last step that the stopped run logged

    def prepare(self, run: Run) -> None:
        """Import wandb, and check that it need not ask for a key, for which it would wait."""
        import wandb

        self._wandb = wandb
        mode = self.mode or os.environ.get("WANDB_MODE", "online")
        if mode == "online" and not wandb.api.api_key:
            raise RuntimeError("no API key is configured: run `wandb login`, or set mode: offline")

    def connect(self, run: TrackedRun) -> None:
        """Start the run, or continue the one of trackers.json."""
        wandb = self._wandb
        self.release()
        if "run" not in run.record:
            run.record["run"] = os.urandom(4).hex()
            self._save()
        folder = Path(self.directory) if self.directory else run.directory
        folder.mkdir(parents=True, exist_ok=True)
        self._session = wandb.init(
            project=self.project or run.name,
            entity=self.entity or None,
            id=run.record["run"],
            name=run.label,
            group=None if run.group is None else f"{run.name}/{run.group.name}",
            config={**run.parameters(), "seed": run.seed},
            mode=self.mode or None,
            dir=str(folder),
            resume="allow",
            reinit="create_new",  # other runs of this process have runs of their own
            settings=wandb.Settings(
                silent=True,
                console="off",  # stdout is for data
                disable_code=True,
                disable_git=True,
                init_timeout=max(1.0, self.wait),
                x_disable_stats=True,
            ),
        )
        self._last = max(self._session.step - 1, run.record.get("last", -1))

    def write(self, run: TrackedRun, rows: Sequence[tuple[int, dict[str, float]]]) -> None:
        """Log rows after the last one that was logged."""
        for epoch, values in rows:
            if epoch > self._last:
                self._session.log(values, step=epoch)
                self._last = epoch

    def finish(self, run: TrackedRun, end: RunEnd) -> None:
        """Write the result into the summary, store files, and finish the run."""
        import shutil

        session = self._session
        session.summary.update({**end.metrics, "status": end.status, "epochs": end.epochs})
        if self.model:
            for name in FILES:
                if (run.directory / name).is_file():  # copied: wandb warns about links
                    copy = shutil.copy(run.directory / name, session.dir)
                    session.save(copy, base_path=session.dir, policy="now")
        session.finish(exit_code=0 if end.status in ("completed", "stopped") else 1)
        self._session = None

    def release(self) -> None:
        """Finish the run in wandb as failed."""
        session, self._session = self._session, None
        if session is not None:
            session.finish(exit_code=1)
