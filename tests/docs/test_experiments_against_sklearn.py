"""On real data the experiments reach the scores of scikit-learn's networks on the same rows.

The head comment of an experiment states both scores. scikit-learn uses the same layers, optimizer, batch size
and number of epochs, but neither dropout nor a learning rate schedule, which it lacks.
"""

import re
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.runner.assembly import assemble

networks = pytest.importorskip("sklearn.neural_network")

FOLDER = Path(__file__).parents[2] / "experiments"
MEASURED = re.compile(
    r"# measured: (test_\w+) (\d\.\d+); scikit-learn's (MLP\w+) reaches (\d\.\d+) on the same rows"
)
ROUNDING = 0.02  # one or two rows of the smallest test set


def measured():
    """Return (file, metric, cygd's score, estimator, its score) of every comment that states them."""
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        match = MEASURED.search(path.read_text(encoding="utf-8"))
        if match:
            metric, ours, estimator, theirs = match.groups()
            case = (path, metric, float(ours), estimator, float(theirs))
            found.append(pytest.param(*case, id=path.stem))
    return found


def arrays(part):
    """Return x, and y as scikit-learn expects it: one dimension, class numbers instead of one-hot."""
    x, y = (part.x, part.y) if part.rows is None else (part.x[part.rows], part.y[part.rows])
    return x, y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)


def peer(estimator, experiment, epochs, seed):
    """Return scikit-learn's network for an experiment."""
    *hidden, _ = experiment.model.layers
    optimizer, batch = experiment.optimizer.component, experiment.train.batch_size
    # its squared error has a factor 1/2, so the learning rate is doubled; its penalty alpha / (2 batch) times
    # the squares is added to half the error, so alpha = l2 batch / 2
    halved = estimator == "MLPRegressor"
    return getattr(networks, estimator)(
        hidden_layer_sizes=[layer.units for layer in hidden],
        activation=experiment.model.activation.name,
        solver=optimizer.name,
        learning_rate_init=optimizer.learning_rate * (2 if halved else 1),
        momentum=0.9,
        nesterovs_momentum=False,
        alpha=hidden[0].l2 * batch / 2,
        batch_size=batch,
        max_iter=epochs,
        tol=0,
        n_iter_no_change=epochs + 1,
        random_state=seed,
    )


def test_every_experiment_with_real_data_states_scores():
    real = {path.stem for path in FOLDER.glob("*.yaml") if "source: csv" in path.read_text(encoding="utf-8")}
    assert real == {param.id for param in measured()}
    assert len(real) == 4


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer:UserWarning")
@pytest.mark.parametrize(("path", "metric", "ours", "estimator", "theirs"), measured())
def test_both_scores_are_those_of_the_comment(path, metric, ours, estimator, theirs, tmp_path):
    result = cygd.run(path, out=tmp_path / "run")
    assembly = assemble(path)
    scores = [
        peer(estimator, assembly.experiment, result.best_epoch or result.epochs, seed)
        .fit(*arrays(assembly.data.train))
        .score(*arrays(assembly.data.test))
        for seed in range(3)
    ]
    assert result.metrics[metric] == pytest.approx(ours, abs=ROUNDING)
    assert np.mean(scores) == pytest.approx(theirs, abs=ROUNDING)
    assert result.metrics[metric] >= np.mean(scores) - ROUNDING
