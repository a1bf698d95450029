"""host/cli/training.py and host/training/plan.py: options that are wrong, or do nothing, are refused in one line."""

from __future__ import annotations

import pytest

from tests.training import assert_one_line


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--lr", "0"], "'0' is not above 0"),
        (["--lr", "-0.1"], "'-0.1' is not above 0"),
        (["--lr", "nan"], "'nan' is not a finite number"),
        (["--lr", "fast"], "'fast' is not a finite number"),
        (["--epochs", "0"], "'0' is not a whole number"),
        (["--epochs", "1.5"], "'1.5' is not a whole number"),
        (["--epochs", "9" * 5000], "is not a whole number"),
        (["--seed", "-1"], "'-1' is not a whole number"),
        (
            ["--model", "wx", "--init", "1,2"],
            "--init has 2 numbers, this model has 1 weight and no bias: give 1",
        ),
        (["--model", "and", "--init", "1,2"], "this model has 2 weights and a bias: give 3"),
        (["--model", "and", "--init", "1,2,"], "'' is not a finite number"),
        (["--model", "and", "--init", "1,2,1e300"], "--init has a number beyond"),
        (["--init", "1"], "--init needs --model"),
        (["--data", "x.csv"], "--data needs --model"),
        (["--model", "wx", "--data", "/no-such-folder/x.csv"], "cannot read"),
        (["--model", "xor"], "invalid choice"),
        (["--algorithm", "newton"], "invalid choice"),
        (["--layers", "2-4-1"], "--layers needs --model"),
        (["--model", "wx", "--data", ""], "argument --data: an empty name"),
        (["--model", "wx", "--target", "y"], "--target needs a file: give --data FILE.csv"),
        (["--model", "wx", "--missing", "drop"], "--missing needs a file"),
        (["--model", "wx", "--data", "a", "--target", "y,,z"], "'y,,z' has an empty name"),
        (["--model", "wx", "--data", "a", "--drop", "x, x"], "'x, x' names x twice"),
        (
            ["--model", "wx", "--data", "a", "--target", "y", "--columns", "x,y"],
            "--columns y is in --target or --drop",
        ),
        (
            ["--model", "wx", "--data", "a", "--drop", "y", "--categorical", "x,y"],
            "--drop y is in --target or --categ",
        ),
        (["--save", ""], "argument --save: an empty name"),
        (["--plot", ""], "argument --plot: an empty name"),
        (["--address", "2"], "--address needs a node: give --deploy PORT"),
        (["--baud", "9600"], "--baud needs a node"),
        (["--parity", "N"], "--parity needs a node"),
        (["--stop-bits", "2"], "--stop-bits needs a node"),
        (["--timeout", "2"], "--timeout needs a node"),
        (["--trace"], "--trace needs a node"),
        (["--on-board"], "--on-board needs a node"),
        (["--no-prove"], "--no-prove needs a node"),
        (["--shuffle"], "--shuffle goes with --algorithm sgd"),  # AND would, but not w.x before it
        *(
            (
                ["--model", "wxb", "--algorithm", "grid", *option],
                f"{option[0]} does not go with --algorithm grid",
            )
            for option in (
                ["--lr", "0.1"],
                ["--epochs", "9"],
                ["--tolerance", "1e-9"],
                ["--patience", "3", "--split", "80,20"],
                ["--init", "1,2"],
                ["--dtype", "float32"],
                ["--batch-size", "2"],
                ["--shuffle"],
                ["--l2", "0.1"],
                ["--class-weight", "balanced"],
            )
        ),
        (["--model", "wxb", "--algorithm", "grid", "--seed", "3"], "--seed does nothing here"),
        (["--model", "wxb", "--init", "1,2", "--seed", "3"], "--seed does nothing here"),
        (["--model", "mlp", "--layers", "2"], "'2' is no network like 2-4-1"),
        (["--model", "mlp", "--layers", "2-65-1"], "each of 1..64 units"),
        (["--model", "mlp", "--layers", "3-4-1"], "no built-in set of 3 inputs and 1 output, "),
        (["--model", "wxb", "--layers", "1-1"], "--layers goes with --model mlp"),
        (["--model", "mlp", "--init", "1,2"], "this model has 157 parameters: give 157"),
        (["--model", "wxb", "--batch-size", "2"], "--batch-size goes with --algorithm minibatch or adam"),
        (["--model", "wxb", "--shuffle"], "--shuffle goes with --algorithm sgd"),
        (["--model", "wxb", "--loss", "cross-entropy"], "--loss cross-entropy is for classes"),
        (["--model", "wxb", "--patience", "3"], "--patience needs a validation part"),
        (["--model", "wxb", "--split", "100"], "'100' is no split like 80,20"),
        (["--model", "wxb", "--split", "90,5,5"], "5 rows are too few for --split 90,5,5"),
        (["--model", "and", "--loss", "cross-entropy"], "--loss cross-entropy is for classes"),
        (["--model", "wxb", "--class-weight", "balanced"], "--class-weight is for classes"),
        (["--model", "wxb", "--l2", "-1"], "'-1' is below 0"),
        (["--model", "wxb", "--grid", "0,4,0.1"], "--grid goes with --algorithm grid"),
        (["--model", "wxb", "--algorithm", "grid", "--grid", "0,4"], "--grid has 2 numbers"),
        (["--model", "wxb", "--algorithm", "grid", "--grid", "0,4,-1"], "has no points"),
        (["--model", "wxb", "--algorithm", "grid", "--grid", "0,4,1e-6"], "take a larger step"),
        (["--model", "mlp", "--algorithm", "grid"], "--algorithm grid is for a single neuron"),
        (
            ["--model", "wxb", "--loss", "mse", "--lr", "0.1"],
            "the largest stable rate for this data is 0.0845241",
        ),
        (["--model", "mlp", "--lr", "0.1"], "training diverges with --lr 0.1: the loss is no longer finite"),
        (["--mod", "wx"], "unrecognized arguments"),
        (["--address", "0"], "not a whole number of 1..247"),
        (["--baud", "300"], "not a whole number of 1200..1000000"),
        (["--deploy", "sim", "--parity", "O", "--stop-bits", "2"], "8O2 is no Modbus format"),
        (["--model", "wx", "--range", "0,1,2"], "--range has 3 numbers"),
        (["--model", "wx", "--range", "0,1"], "beyond the declared range 0..1"),
        (["--model", "wx", "--led-threshold", "1e9"], "LED threshold"),
        (["--led", "y"], "--led needs --model"),
        (["--model", "wx", "--led", "x"], "--led x: the data have no such target; they have y"),
        (["--allow-changed", "1%"], "--allow-changed needs a node"),
        (["--deploy", "sim", "--allow-changed", "2"], "'2' is no share like 0.01 or 1%"),
        (["--deploy", "sim", "--allow-changed", "101%"], "'101%' is no share"),
        (["--save", "/no-such-folder/and.img"], "cannot write /no-such-folder/and.img: there is no folder"),
        (["--model", "wx", "--lr", "0.3"], "the largest stable rate for this data is 0.214286"),
        (["--model", "wx", "--lr", "1e300"], "the largest stable rate for this data is 0.214286"),
        (["--model", "and", "--lr", "2"], "the largest stable rate for this data is 0.333333"),
    ],
)
def test_bad_values_are_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], argv: list[str], says: str
) -> None:
    assert_one_line(capsys, [*argv, "--json"], says)
