"""The benchmarks at several CPU levels: the environment of a level, its check, and results side by side."""

import importlib
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from cygd.core import dispatch

needs_v3 = pytest.mark.skipif("v3" not in dispatch.levels(), reason="this CPU has no AVX2")


@pytest.mark.parametrize(
    ("available", "requested", "quick", "expected"),
    [
        (["base", "v3", "v4"], [], False, ["v3", "v4"]),
        (["base", "v3", "v4"], [], True, ["v4"]),
        (["base", "v3", "v4"], ["v4", "base"], False, ["base", "v4"]),
        (["base", "v3"], [], False, ["v3"]),
        (["base", "v3"], ["v3"], True, ["v3"]),
        (["base"], [], False, ["base"]),
    ],
)
def test_levels_to_measure(available, requested, quick, expected, benchmarks):
    assert benchmarks.levels.levels_to_measure(available, requested, quick) == expected


def test_level_that_the_machine_lacks_is_an_error(benchmarks):
    with pytest.raises(ValueError, match=r"expected a level of this machine \(base, v3\), got 'v4'"):
        benchmarks.levels.levels_to_measure(["base", "v3"], ["v4"], False)


def test_environment_of_v3_holds_the_peers_and_keeps_other_variables(benchmarks):
    given = {"PATH": "/bin", "XLA_FLAGS": "--xla_dump_to=d", "CYGD_CPU": "base"}
    found = benchmarks.levels.environment("v3", given)
    assert (found["PATH"], found["CYGD_CPU"], found["OPENBLAS_CORETYPE"]) == ("/bin", "v3", "Haswell")
    assert found["XLA_FLAGS"].startswith("--xla_dump_to=d --xla_cpu_max_isa=AVX2 ")
    assert found["ATEN_CPU_CAPABILITY"] == "avx2"
    assert given["CYGD_CPU"] == "base"
    assert benchmarks.levels.environment("v4", given) == given | {"CYGD_CPU": "v4"}


@needs_v3
def test_numpy_and_cygd_obey_v3(benchmarks, monkeypatch):
    for name, value in benchmarks.levels.environment("v3").items():
        monkeypatch.setenv(name, value)
    held = benchmarks.instructions.observe("cygd", 0.1)
    assert held.says == "CPU level v3"
    assert not held.avx512
    held = benchmarks.instructions.observe("NumPy, functions", 0.1)
    assert "512" not in held.says
    assert "V4" not in held.says
    assert not held.avx512


def test_library_that_fails_is_reported(benchmarks):
    held = benchmarks.instructions.observe("no such library", 0.1)
    assert held.says == "failed: KeyError: 'no such library'"
    assert held.avx512 is None


def test_every_library_of_the_check_has_work(benchmarks):
    works = importlib.import_module("benchmarks.peers.instructions").WORKS
    assert list(works) == list(benchmarks.instructions.PACKAGES)


def test_load_of_other_processes(benchmarks):
    if not os.path.exists("/proc/stat"):  # noqa: PTH110
        pytest.skip("needs /proc/stat")
    with benchmarks.load.OtherProcesses() as others:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
    assert 0 <= others.share <= 1


def test_own_work_is_not_the_load_of_others(benchmarks, monkeypatch):
    load = benchmarks.load.OtherProcesses
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    samples = iter([(10.0, 100.0, 1.0), (20.0, 112.0, 8.0)])  # 10 s: 12 s of two cores busy, 7 s of them own
    monkeypatch.setattr(load, "_now", staticmethod(lambda: next(samples)))
    with load() as others:
        pass
    assert others.share == pytest.approx(5 / 20)


# side by side -----------------------------------------------------------------------------------------------


def section(benchmarks, level, text="text", rows=(("a", "1"), ("b", "2")), head=("case", "us")):
    report = benchmarks.report
    table = report.Table("times", list(head), [list(row) for row in rows], f"note of {level}")
    chart = benchmarks.charts.DrawnChart("chart", "caption", f"<svg>{level}</svg>")
    return report.Section("name", "Title", text, [table], [chart], [level], {level: 0.25})


def test_merged_tables_have_the_rows_of_a_case_together(benchmarks):
    merged = benchmarks.side_by_side.merge(
        {
            "v3": section(benchmarks, "v3", "text\n\nSkipped: x.", rows=(("a", "3"), ("b", "4"))),
            "v4": section(benchmarks, "v4"),
        }
    )
    [table] = merged.tables
    assert table.head == ["level", "case", "us"]
    assert table.rows == [["v3", "a", "3"], ["v4", "a", "1"], ["v3", "b", "4"], ["v4", "b", "2"]]
    assert table.note == "note of v4"
    assert merged.text == "text\n\nSkipped: x."
    assert [(c.name, c.caption) for c in merged.charts] == [
        ("chart", "caption, CPU level v4"),
        ("chart-v3", "caption, CPU level v3"),
    ]
    text = "\n".join(merged.lines())
    assert "CPU levels v3 and v4, cygd " in text
    assert "other processes used 25 % and 25 % (v3 and v4) of its cores meanwhile." in text


def test_tables_that_differ_stay_apart(benchmarks):
    merge = benchmarks.side_by_side.merge
    merged = merge({"v3": section(benchmarks, "v3", rows=[("a", "3")]), "v4": section(benchmarks, "v4")})
    assert [row[:2] for row in merged.tables[0].rows] == [["v3", "a"], ["v4", "a"], ["v4", "b"]]
    merged = merge({"v3": section(benchmarks, "v3", head=("case", "ns")), "v4": section(benchmarks, "v4")})
    assert [table.head[2] for table in merged.tables] == ["ns", "us"]


def test_one_level_needs_no_column(benchmarks):
    # beside the chart of another machine
    assert benchmarks.side_by_side.merge({"v3": section(benchmarks, "v3")}).charts[0].name == "chart-v3"
    merged = benchmarks.side_by_side.merge({"v4": replace(section(benchmarks, "v4"), load={"v4": 0.01})})
    assert merged.tables[0].head == ["case", "us"]
    assert merged.charts[0].name == "chart"
    text = "\n".join(merged.lines())
    assert "CPU level v4, cygd " in text
    assert "busy" not in text


def test_results_of_v3_alone_do_not_replace_those_of_another_machine(benchmarks, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks.report, "drawable", lambda: False)
    document = tmp_path / "benchmarks.md"
    merge, write = benchmarks.side_by_side.merge, benchmarks.report.write
    one = {level: section(benchmarks, level, f"text of {level}") for level in ("v3", "v4")}
    write(merge({"v4": one["v4"]}), document)
    write(benchmarks.report.Section("last", "Last", "text", levels=["v4"]), document)
    for _ in range(2):
        write(merge({"v3": one["v3"]}), document)
    lines = document.read_text().splitlines()
    assert [line for line in lines if line.startswith("##") and "times" not in line] == [
        "## Title",
        "## Title, CPU level v3",
        "## Last",
    ]
    assert lines.count("text of v4") == lines.count("text of v3") == 1
    write(merge(one), document)
    text = document.read_text()
    assert text.count("<!-- begin name") == 1
    assert "CPU level v3\n" not in text
    assert text.index("text of v4") < text.index("text of v3") < text.index("## Last")


def test_level_runs_in_a_process_of_its_own(benchmarks):
    level = dispatch.levels()[0]
    found = benchmarks.side_by_side.run("products", [level], True)
    assert (found.name, found.levels, list(found.load)) == ("products", [level], [level])
    assert found.tables[0].rows[0][:2] == ["float32", "64"]
    with pytest.raises(benchmarks.side_by_side.LevelError, match=f"nothing at CPU level {level} ended with"):
        benchmarks.side_by_side.run("nothing", [level], True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "unknown benchmark 'nothing'; known: instructions, experiments"),
        (["networks", "--level", "v9"], "expected a level of this machine (base"),
    ],
)
def test_command_line_errors(arguments, message, benchmarks):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=benchmarks.CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
