"""docs/first-experiment.md: every block runs, in order."""

from pathlib import Path

from tests.helpers.console_blocks import Shell, blocks_of

PAGE = (Path(__file__).parents[2] / "docs" / "first-experiment.md").read_text()


def test_blocks_run_in_order(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    shell = Shell(here, tmp_path / "programs")
    [make_data, predict] = blocks_of(PAGE, "python")
    (here / "make_data.py").write_text(make_data)
    consoles = blocks_of(PAGE, "console")
    assert len(consoles) == 7
    assert PAGE.count("```") == 2 * (2 + 7)
    for block in consoles:
        shell.run_block(block)
    (here / "predict.py").write_text(predict)
    printed = float(shell.run("python predict.py").strip("[] \n"))
    from_file = float((here / "predicted.csv").read_text().splitlines()[1])
    assert abs(printed - from_file) < 0.01 * abs(from_file)
