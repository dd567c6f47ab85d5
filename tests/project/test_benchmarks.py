"""The benchmarks: all libraries compute the same results, and tables and charts are well formed."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from cygd.network import recording, training


@pytest.fixture
def restore_final_evaluation(monkeypatch):
    """Undo the patches by which `peers.ours` skips the evaluation of the loss at the end of `fit`."""
    monkeypatch.setattr(training.TrainingLoop, "finish", training.TrainingLoop.finish)
    monkeypatch.setattr(recording.Recording, "prepare", recording.Recording.prepare)


def check_section(section, tables):
    """Check the number of tables and that their rows fit their heads; return the section in Markdown."""
    assert len(section.tables) == tables
    for table in section.tables:
        assert table.rows
        assert all(len(row) == len(table.head) for row in table.rows)
        assert all(isinstance(cell, str) and cell and "|" not in cell for row in table.rows for cell in row)
    text = "\n".join(section.lines())
    assert text.startswith(f"<!-- begin {section.block} -->")
    assert text.endswith(f"<!-- end {section.block} -->")
    return text


def small(benchmarks, **options):
    given = {"activation": "tanh", "softmax": False, "optimizer": "sgd", "batch": 8, "steps": 3} | options
    return benchmarks.cases.Case((3, 5, 4, 3), **given)


# peers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True], ids=["batches", "full"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(("activation", "softmax"), [("tanh", False), ("relu", True)])
@pytest.mark.parametrize(
    ("peer", "package"),
    [("numpy_loops", "numpy"), ("sklearn_mlp", "sklearn"), ("jax_scan", "jax"), ("torch_nn", "torch")],
)
def test_peers_reach_the_same_loss(
    peer, package, activation, softmax, optimizer, full, benchmarks, restore_final_evaluation
):
    pytest.importorskip(package)
    case = small(
        benchmarks, activation=activation, softmax=softmax, optimizer=optimizer, full=full, learning_rate=0.05
    )
    sides = [importlib.import_module(f"benchmarks.peers.{name}").build(case, 1) for name in ("ours", peer)]
    for epochs in (0, 1, 3):
        for side in sides:
            if epochs:
                side.epochs(epochs)
        assert sides[1].loss() == pytest.approx(sides[0].loss(), rel=1e-4)
    assert sides[0].network.updates == 4 * case.steps


def test_case_data_are_reproducible(benchmarks):
    case = small(benchmarks, softmax=True)
    for _ in range(2):
        x, y = case.data()
        assert (x.shape, y.shape, x.dtype, y.dtype) == ((24, 3), (24, 3), np.float32, np.float32)
        assert (y.sum(axis=1) == 1).all()
    np.testing.assert_array_equal(x, case.data()[0])
    assert [(w.shape, b.shape) for w, b in case.parameters()] == [
        ((3, 5), (5,)),
        ((5, 4), (4,)),
        ((4, 3), (3,)),
    ]
    # 8 rows; forward and weight gradients 15 + 20 + 12 products each, input gradients of two layers 20 + 12
    assert case.operations == 2 * 8 * (47 + 47 + 32)


def test_worker_times_epochs_and_reports_errors(benchmarks):
    with benchmarks.workers.Worker("numpy_loops") as worker:
        before, after = worker.ask("build", small(benchmarks))
        assert after < before
        worker.ask("calibrate", 0.001)
        assert worker.ask("seconds") > 0
        with pytest.raises(benchmarks.workers.PeerError, match=r"AttributeError: .*nothing"):
            worker.ask("nothing")
        assert worker.ask("seconds") > 0
    with (
        benchmarks.workers.Worker("no_such_module") as worker,
        pytest.raises(benchmarks.workers.PeerError, match="ModuleNotFoundError"),
    ):
        worker.ask("build", small(benchmarks))
    with pytest.raises(benchmarks.workers.PeerError, match="the process ended"):
        worker.send("seconds")


def test_peak_rates_are_positive(benchmarks, monkeypatch):
    monkeypatch.setattr(benchmarks.peaks, "ROUNDS", 1000)
    for dtype in ("float32", "float64"):
        assert benchmarks.peaks.multiply_adds(dtype) > 0
    assert benchmarks.peaks.read_rate(2, 1) > 0


def test_share_above_the_peak_is_marked_as_disturbed(benchmarks):
    share_cell = benchmarks.peaks.share_cell
    assert share_cell(0.856) == ("86 %", True)
    assert share_cell(1.02) == ("102 %", True)
    assert share_cell(1.08) == ("peak disturbed", False)
    assert share_cell(0.5, trusted=False) == ("peak disturbed", False)


def test_disturbed_peak_counts_as_share_0(benchmarks):
    case = small(benchmarks)
    for two, expected in ((1.9, ("90 %", 0.9)), (1.0, ("peak disturbed", 0.0))):
        second = case.operations / 0.9 / two  # seconds with which the share is 0.9 of two cores' peak
        result = benchmarks.networks.Result(case, None, {("cygd", 2): [second]}, peak={1: 1.0, 2: two})
        cell, share = result.share(("cygd", 2), 2)
        assert (cell, share) == (expected[0], pytest.approx(expected[1]))


# sections ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one_core", [False, True], ids=["two cores", "one core"])
def test_networks_list_skipped_peers(one_core, benchmarks, monkeypatch):
    networks = benchmarks.networks
    peers = [networks.Peer("Fast", "fast", "no_such_package"), networks.Peer("NumPy", "numpy_loops", "numpy")]
    peers.append(networks.Peer("Broken", "no_such_module", "numpy"))
    monkeypatch.setattr(networks, "PEERS", peers)
    cores = benchmarks.workers.cores()[:1].copy if one_core else lambda: [0, 0]
    monkeypatch.setattr(networks, "cores", cores)
    section = networks.run(quick=True, chosen=[(small(benchmarks), networks.Target(0.001, 2.0))])
    text = check_section(section, 1 if one_core else 3)
    assert "Fast: not installed" in text
    assert "Broken with 1 threads on 3-5-4-3: ModuleNotFoundError" in text
    [row] = section.tables[0].rows
    assert row[:3] == ["3-5-4-3, 8", "tanh", "sgd"]
    assert section.tables[0].head[5:] == ["NumPy", "target"]
    assert row[-1] == "0.001 x fastest peer, 200 %: missed"


def test_the_target_is_a_speedup_over_the_fastest_peer(benchmarks, monkeypatch):
    networks = benchmarks.networks
    monkeypatch.setattr(networks, "PEERS", [networks.Peer(name, name, name) for name in ("Slow", "Fast")])
    times = {("cygd", 1): [1.0] * 3, ("Slow", 1): [9.0] * 3, ("Fast", 1): [1.2] * 3}
    for factor, expected in ((1.15, "1.15 x fastest peer"), (1.5, "1.5 x fastest peer: missed")):
        result = networks.Result(small(benchmarks), networks.Target(factor), times, peak={1: 1e12})
        [row] = networks._speedup_table([result], ["Slow", "Fast"], 1).rows
        assert row[-1] == expected


def test_networks_require_equal_losses_and_drop_slow_peers(benchmarks, monkeypatch):
    networks = benchmarks.networks

    class Side:
        def __init__(self, loss=0.4, seconds=1.0):
            self.answers = {"build": (1.0, loss), "seconds": seconds, "calibrate": 1}

        def ask(self, method, *arguments):
            return self.answers[method]

    sides = {("cygd", 1): Side(), ("cygd", 2): Side(seconds=9), ("JAX", 1): Side(), ("JAX", 2): Side()}
    assert networks.prepare(sides, {}, small(benchmarks), 0.0, []) == sides
    for loss in (0.5, float("nan"), 1.0):
        with pytest.raises(AssertionError, match="JAX"):
            networks.prepare(sides | {("JAX", 1): Side(loss)}, {}, small(benchmarks), 0.0, [])
    # a peer that a second thread slows down is not timed; cygd always is
    slow = sides | {("JAX", 2): Side(seconds=3)}
    assert list(networks.prepare(slow, {}, small(benchmarks), 0.0, [])) == list(sides)[:3]


def test_products_section(benchmarks):
    section = benchmarks.products.run(quick=True, sizes=(32,))
    check_section(section, 1)
    assert [row[1] for row in section.tables[0].rows] == ["32"] * len(section.tables[0].rows)


@pytest.mark.parametrize("peer", ["ours_many:alone", "jax_vmap"])
def test_many_networks_reach_the_same_loss(peer, benchmarks, restore_final_evaluation):
    if peer.startswith("jax"):
        pytest.importorskip("jax")
    name, _, form = peer.partition(":")
    case, options = small(benchmarks, learning_rate=0.05), {"form": form} if form else {}
    together = importlib.import_module("benchmarks.peers.ours_many").build(case, 1)
    other = importlib.import_module(f"benchmarks.peers.{name}").build(case, 1, **options)
    for epochs in (0, 1, 3):
        for side in (together, other):
            if epochs:
                side.epochs(epochs)
        assert other.loss() == pytest.approx(together.loss(), rel=1e-4)


def test_many_networks_section(benchmarks):
    check_section(benchmarks.many_networks.run(quick=True), 1)


def test_one_row_section(benchmarks):
    text = check_section(benchmarks.one_row.run(quick=True), 1)
    assert "| 2-16-1, float32 |" in text


def test_trackers_section(benchmarks, monkeypatch):
    monkeypatch.setattr(benchmarks.trackers, "present", lambda package: False)
    text = check_section(benchmarks.trackers.run(quick=True), 1)
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ")][1:]
    assert [(row[1].strip(), row[7].strip()) for row in rows] == [
        ("none", "0"),
        ("jsonl", "0"),
        ("sqlite", "0"),
    ]


def test_estimators_section(benchmarks, monkeypatch):
    pytest.importorskip("sklearn")
    estimators = benchmarks.estimators
    monkeypatch.setattr(estimators, "CASES", [estimators.FitCase("digits", 300, (8,), 50, 3, 0.01)])
    section = estimators.run(quick=True)
    check_section(section, 2)
    [row] = section.tables[0].rows
    assert row[:2] == ["digits, 250 x 64, 8-10", "50, 3"]
    blobs = estimators.FitCase("blobs", 60, (8,), 10, 1)
    assert [part.shape for part in blobs.data()] == [(50, 784), (50,), (10, 784), (10,)]
    np.testing.assert_array_equal(blobs.data()[0], blobs.data()[0])


def test_estimators_targets(benchmarks):
    estimators, measure = benchmarks.estimators, benchmarks.measure
    case = estimators.FitCase("digits", 300, (8,), 50, 3)
    comparison = measure.summarize({"cygd": [1.0, 1.0], "MLPClassifier": [2.0, 2.0]})
    row = estimators._row(case, comparison, {"cygd": 0.9, "MLPClassifier": 0.95})
    assert row[-1] == "3: missed, scores within 0.01: missed"
    comparison = measure.summarize({"cygd": [1.0, 1.0], "MLPClassifier": [3.0, 4.0]})
    row = estimators._row(case, comparison, {"cygd": 0.95, "MLPClassifier": 0.95})
    assert row[-1] == "3, scores within 0.01"


def test_epochs_section(benchmarks):
    section = benchmarks.epochs.run(quick=True, runs=2)
    check_section(section, 2)
    assert [row[1] for row in section.tables[1].rows] == ["1", "2"] * 2


def test_scaling_section(benchmarks):
    check_section(benchmarks.scaling.run(quick=True, small=True), 2)


def test_scaling_exponent_is_fitted_to_the_last_half(benchmarks):
    points = [(1, 5.0), (2, 5.0), (4, 5.0), (8, 10.0), (16, 20.0), (32, 40.0)]
    assert benchmarks.scaling.scaling_exponent(points) == pytest.approx(1)
    assert benchmarks.scaling.scaling_exponent([(1, 3.0), (4, 48.0)]) == pytest.approx(2)


def test_jumps_are_sorted_by_size(benchmarks):
    scaling = benchmarks.scaling
    grid = {w: [(b, 1e-3 * scaling.square(w, b).operations) for b in (1, 2, 4)] for w in (8, 16)}
    assert all(ratio == pytest.approx(1) for ratio, _ in scaling.jumps(grid))
    assert len(scaling.jumps(grid)) == 7
    grid[16][1] = (2, 10 * grid[16][1][1])
    ratio, where = scaling.jumps(grid)[0]
    assert ratio == pytest.approx(10)
    assert where in ("8 wide, 2 rows to 16 wide, 2 rows", "16 wide, 1 rows to 16 wide, 2 rows")


def test_ratios_to_a_peer_are_sorted_and_summarized(benchmarks):
    ours, theirs = (
        {8: [(1, 2.0), (2, 4.0)], 16: [(1, 3.0), (2, 5.0)]},
        {8: [(1, 8.0), (2, 2.0)], 16: [(1, 3.0), (2, 10.0)]},
    )
    found = benchmarks.scaling.ratios(ours, theirs)
    assert found == [
        (0.5, "8 wide, 2 rows"),
        (1, "16 wide, 1 rows"),
        (2, "16 wide, 2 rows"),
        (4, "8 wide, 1 rows"),
    ]
    steps = {"cygd, 1 thread": ours, "JAX, 1 thread": theirs}
    (row,) = benchmarks.scaling._peer_table(steps).rows
    assert row == ["JAX, 1 thread", "1.50", "3 of 4", "0.50", "8 wide, 2 rows", "4.00", "8 wide, 1 rows"]


def test_startup_section(benchmarks, monkeypatch):
    startup = benchmarks.startup
    monkeypatch.setattr(startup._CallbackTraining, "EPOCHS", 20)
    tables = [startup._processes(1), startup._callbacks(2)]
    if Path("/proc/self/status").exists():
        tables.append(startup._memory(2))
    check_section(benchmarks.report.Section("startup", "Startup", "", tables), len(tables))
    assert training.TrainingLoop.advance.__name__ == "advance"


# the document -----------------------------------------------------------------------------------------------


def figures(benchmarks):
    charts = benchmarks.charts
    curve = [(1, 0.25), (2, 0.5), (4, 1.0)]
    return [
        lambda: charts.bars({"2-16-1": {"JAX": 3.0, "NumPy": 0.5}, "4-4": {"NumPy": 120.0}}, "bars"),
        lambda: charts.curves(
            {"rows": {"cygd": curve, "JAX": curve}, "units": {"cygd": curve}}, "s", "curves"
        ),
        lambda: charts.curves({"size": {"cygd": curve}}, "share", "one panel", linear=True),
        lambda: charts.panels(
            {name: {8: curve, 16: curve} for name in "abcd"}, "rows", "us", "width", "steps"
        ),
        lambda: charts.roofline(
            {"one": (1.0, 1e9), "two": (300.0, 1e11)}, {1: 2e11, 2: 4e11}, {1: 1e10, 2: 2e10}
        ),
    ]


@pytest.mark.parametrize("number", range(5))
def test_charts_are_reproducible_files(number, benchmarks, tmp_path):
    pytest.importorskip("matplotlib")
    found = []
    for folder in ("one", "two"):
        chart = benchmarks.charts.Chart("chart", "caption", figures(benchmarks)[number])
        path = chart.write(tmp_path / folder)
        assert path == tmp_path / folder / "chart.svg"
        found.append(path.read_text())
    assert found[0] == found[1]
    assert found[0].startswith("<?xml")
    assert "</svg>" in found[0]
    assert not re.search(r"[ \t]\n", found[0])


@pytest.mark.parametrize("drawable", [False, True])
def test_write_replaces_only_its_section(drawable, benchmarks, tmp_path, monkeypatch):
    report = benchmarks.report
    written = []

    class Chart(benchmarks.charts.Chart):
        def write(self, folder):
            written.append(folder / self.name)

    monkeypatch.setattr(report, "drawable", lambda: drawable)
    document = tmp_path / "docs" / "benchmarks.md"
    document.parent.mkdir()
    for name, cell in (("a", "first"), ("b", "second"), ("a", "third")):
        table = report.Table("table", ["head"], [[cell]])
        charts = [Chart(f"chart-{name}", "caption", lambda: None)]
        report.write(report.Section(name, name, "text", [table], charts, ["v4"]), document)
    text = document.read_text()
    assert text.startswith("# Benchmarks\n\n<!-- begin a -->\n")
    assert [word in text for word in ("first", "second", "third")] == [False, True, True]
    assert text.index("third") < text.index("second")
    assert ("![caption](charts/chart-a.svg)" in text) is drawable
    assert written == [tmp_path / "docs" / "charts" / f"chart-{n}" for n in "aba"] * drawable


def test_cells_of_targets_ratios_and_versions(benchmarks):
    report = benchmarks.report
    assert report.verdict("at most 2", True) == "at most 2"
    assert report.verdict("at most 2", False) == "at most 2: missed"
    comparison = benchmarks.measure.summarize({"ours": [1.0, 2.0, 1.0], "theirs": [3.0, 6.0, 300.0]})
    assert report.ratio_cell(comparison, "theirs") == "3.00 [3.00, 300.00]"
    assert report.versions("numpy", "no-such-package") == f"numpy {np.__version__}"
