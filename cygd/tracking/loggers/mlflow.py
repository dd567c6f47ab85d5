"""The logger for MLflow: parameters, metrics by epoch, the files of the run folder, and the model.

The runs of a sweep are nested in one parent run, whose id is in the sweep's trackers.json. The model is a
`pyfunc`, which MLflow loads with `cygd.runner.mlflow_model`: it holds the files that prediction needs, and no
pickle.
"""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cygd.tracking.distributions import version
from cygd.tracking.locking import lock
from cygd.tracking.loggers.background import BackgroundLogger, RunEnd
from cygd.tracking.tracked_runs import TrackedRun, shared_record

if TYPE_CHECKING:
    from cygd.tracking.results import Run

LOADER = "cygd.runner.mlflow_model"
FILES = ("config.yaml", "environment.json", "preprocessing.json", "result.json", "metrics.csv")
MODEL_FILES = ("config.yaml", "environment.json", "preprocessing.json", "result.json", "weights.npz")
STATUS = {"completed": "FINISHED", "stopped": "FINISHED", "interrupted": "KILLED"}  # others: FAILED
MAX_METRICS, MAX_PARAMETERS = 1000, 100  # in one request
MAX_NAME = 240  # characters
SQLITE = "sqlite:///"
REFUSED = re.compile(r"[^\w\-. :/]", re.ASCII)  # in names


class MlflowLogger(BackgroundLogger):
    """Writes a run to an MLflow store or server.

    Parameters
    ----------
    uri : str
        The tracking URI, such as http://localhost:5000 or sqlite:///mlflow.db; by default that of MLflow: the
        environment variable MLFLOW_TRACKING_URI, or a store in the current folder.
    experiment : str
        The name of the experiment in MLflow; by default that of the experiment.
    model : bool
        Whether the model and files of the run folder are stored.
    rows : int
        About how many rows of a run are logged, evenly spread; 0 logs all.
    wait : float
        The seconds that the end of a run waits until everything is stored.
    """

    name: ClassVar[str] = "mlflow"
    connect_seconds: ClassVar[float] = 10.0  # a new store creates its tables

    def __init__(
        self, uri: str = "", experiment: str = "", model: bool = True, rows: int = 1000, wait: float = 30.0
    ) -> None:
        super().__init__(wait, rows)
        self.require("mlflow")
        self.uri, self.experiment, self.model = uri, experiment, model
        self._client: Any = None
        self._names: dict[str, str] = {}
        self._known: dict[str, int] = {}  # the last epoch of each metric that the stopped run logged

    @property
    def target(self) -> str:
        """The tracking URI."""
        return self.uri

    def prepare(self, run: Run) -> None:
        """Import mlflow, and everything that storing a model needs."""
        is_first = "mlflow" not in sys.modules
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow
            import mlflow.pyfunc

        if is_first:  # its messages about the tables of a new store are not about the run
            for name in ("mlflow", "alembic"):
                logging.getLogger(name).setLevel(logging.WARNING)
        self.uri = self.uri or mlflow.get_tracking_uri()

    def connect(self, run: TrackedRun) -> None:
        """Create the run, or continue the one of trackers.json."""
        from mlflow.entities import Param

        uri = run.record.get("uri", self.uri)
        self._client = client = _open_client(uri)
        if "run" not in run.record:
            run.record.update(uri=uri, **self._create(client, run))
            # at once: after an error below, the same run is taken
            self._save()
        number = run.record["run"]
        client.update_run(number, status="RUNNING")
        data = client.get_run(number).data
        self._known = {
            name: max((metric.step for metric in client.get_metric_history(number, name)), default=-1)
            for name in data.metrics
        }
        parameters = {**run.parameters(), "seed": run.seed}
        new = [
            Param(self._name(name), str(value))
            for name, value in parameters.items()
            if self._name(name) not in data.params  # MLflow refuses a change, such as that of train.epochs
        ]
        for part in _parts(new, MAX_PARAMETERS):
            client.log_batch(number, params=part)

    def write(self, run: TrackedRun, rows: Sequence[tuple[int, dict[str, float]]]) -> None:
        """Log the metrics that a stopped run has not logged; MLflow ignores equal ones that come again."""
        from mlflow.entities import Metric

        metrics = [
            Metric(self._name(name), value, int(1000 * self.time_of(values)), epoch)
            for epoch, values in rows
            for name, value in values.items()
            if epoch > self._known.get(self._name(name), -1)
        ]
        for part in _parts(metrics, MAX_METRICS):
            self._client.log_batch(run.record["run"], metrics=part)

    def finish(self, run: TrackedRun, end: RunEnd) -> None:
        """Log the result as metrics `final/NAME`, store files and model, and end the run."""
        from mlflow.entities import Metric

        client, number = self._client, run.record["run"]
        now = int(1000 * self.time_of({}))
        final = [Metric(self._name(f"final/{name}"), v, now, end.epochs) for name, v in end.metrics.items()]
        client.log_batch(number, metrics=final)
        client.set_tag(number, "cygd.status", end.status)
        if self.model:
            self._store_files(run)
        client.set_terminated(number, STATUS.get(end.status, "FAILED"))
        if run.record.get("parent"):
            client.set_terminated(run.record["parent"], "FINISHED")

    def _create(self, client: Any, run: TrackedRun) -> dict[str, str]:
        """Create a run, in a sweep below the parent of its group, and return the ids of both."""
        experiment = self._experiment(client, self.experiment or run.name)
        tags = {"cygd.directory": str(run.directory), "cygd.version": version("cygd") or ""}
        ids = {}
        if run.group is not None:
            ids["parent"] = tags["mlflow.parentRunId"] = self._parent(client, run, experiment)
        created = client.create_run(experiment, tags=tags, run_name=run.label)
        return {"run": created.info.run_id, **ids}

    def _parent(self, client: Any, run: TrackedRun, experiment: str) -> str:
        """Return the parent run of a group; the first process that asks for it creates it."""
        assert run.group is not None
        with shared_record(run.group) as content:
            key = f"mlflow {experiment} {self.uri}"
            if key not in content:
                tags = {"cygd.directory": str(run.group)}
                created = client.create_run(experiment, tags=tags, run_name=f"{run.name}/{run.group.name}")
                content[key] = created.info.run_id
            return str(content[key])

    def _experiment(self, client: Any, name: str) -> str:
        """Return the id of an experiment in MLflow, which another process may create at the same time."""
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(client.create_experiment(name))
            except MlflowException:
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _store_files(self, run: TrackedRun) -> None:
        """Store files of the run folder under `run`, and a model under `model` if there are weights."""
        import tempfile

        client, number = self._client, run.record["run"]
        for name in FILES:
            if (run.directory / name).is_file():
                client.log_artifact(number, str(run.directory / name), "run")
        if not (run.directory / "weights.npz").is_file():
            return
        with tempfile.TemporaryDirectory(prefix="cygd-") as folder:
            _write_model(run.directory, Path(folder))
            client.log_artifacts(number, folder, "model")

    def _name(self, name: str) -> str:
        """Return a name that MLflow accepts; names that would become equal get a number."""
        if name not in self._names:
            accepted = base = REFUSED.sub("_", name)[:MAX_NAME] or "_"
            number = 1
            while accepted in self._names.values():
                number += 1
                accepted = f"{base}_{number}"
            self._names[name] = accepted
        return self._names[name]


def _open_client(uri: str) -> Any:
    """Return a client of a store; one process at a time creates the tables of an SQLite database."""
    from mlflow import MlflowClient

    if not uri.startswith(SQLITE):
        return MlflowClient(uri)
    path = Path(uri.removeprefix(SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    # a file of its own: to close the database itself would release the locks of its other connections
    with path.with_name(f".{path.name}.lock").open("a") as file:
        lock(file, wait=True)
        return MlflowClient(uri)


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Yield the items in parts."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _write_model(run: Path, folder: Path) -> None:
    """Write the files of a model of the flavor pyfunc, without the slow search for requirements."""
    import platform
    import shutil

    import mlflow.pyfunc
    from mlflow.models import Model

    data = folder / "data"
    data.mkdir()
    for name in MODEL_FILES:
        if (run / name).is_file():
            shutil.copy(run / name, data / name)
    if (run / "plugins").is_dir():
        shutil.copytree(run / "plugins", data / "plugins")
    (folder / "requirements.txt").write_text(f"cygd[mlflow]=={version('cygd')}\n")
    (folder / "python_env.yaml").write_text(
        f"python: {platform.python_version()}\n"
        "build_dependencies: [pip]\n"
        "dependencies: [-r requirements.txt]\n"
    )
    model = Model()
    mlflow.pyfunc.add_to_model(model, loader_module=LOADER, data="data", python_env="python_env.yaml")
    model.save(folder / "MLmodel")
