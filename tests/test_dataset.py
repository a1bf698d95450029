"""host/data/dataset.py: the built-in sets, CSV files, and one clear line for each thing that can be wrong."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from host.core.fixed import VALUE_MAX
from host.data.dataset import BLANKS_AROUND, BUILT_IN, LINE_MAX, read_csv, with_sign_targets
from host.errors import NeuronError


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_built_in_sets_are_the_articles() -> None:
    wx, land = BUILT_IN["wx"], BUILT_IN["and"]
    assert wx.x.tolist() == [[1], [2], [3]]
    assert wx.y.tolist() == [2, 4, 6]
    assert land.x.tolist() == [[1, 0], [0, 1], [0, 0], [1, 1]]
    assert land.y.tolist() == [-1, -1, -1, 1]


def test_labels_are_the_numbers_of_classes() -> None:
    assert BUILT_IN["and"].labels.tolist() == [0, 0, 0, 1]
    assert BUILT_IN["xor"].labels.tolist() == [0, 1, 1, 0]
    assert [BUILT_IN["and"].part([index]).labels.tolist() for index in (0, 3)] == [[0], [1]]
    one_hot = replace(
        BUILT_IN["wx"], y=np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]), classes=("a", "b", "c")
    )
    assert one_hot.labels.tolist() == [1, 2, 0]
    assert one_hot.outputs_named == ("a", "b", "c")
    assert replace(BUILT_IN["xor"], classes=("no", "yes")).outputs_named == ("y",)


def test_csv_takes_the_last_column_for_the_target(tmp_path: Path) -> None:
    data = read_csv(write(tmp_path, "\ufefftemp, level ,alarm\r\n20,1e2,-1\r\n\r\n 30 ,-.5,1\r\n"))
    assert (data.name, data.inputs, data.target) == ("data", ("temp", "level"), "alarm")
    assert data.x.tolist() == [[20, 100], [30, -0.5]]
    assert data.y.tolist() == [-1, 1]
    assert data.rows == (2, 4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("x,y\n", "no data rows"),
        ("1,2\n3,4\n", "row 1: no header"),
        ("x;y\n1;2\n", "row 1: one column only, at least two are needed: separate columns by commas"),
        ("y\n1\n", "row 1: one column only"),
        ("x,y\n1,2\nwarm,4\n", "row 3, x: 'warm' is not a number"),
        ("x,y\n1,\n", "row 2, y: the cell is empty"),
        ("x,y\n1_0,2\n", "row 2, x: '1_0' is not a number"),
        ("x,y\n1,2\n\nnan,4\n", "row 4, x: nan is not a finite number"),
        ("x,y\n1,-inf\n", "row 2, y: -inf is not a finite number"),
        ("x,y\n1,3e9\n", "row 2, y: 3e+09 is more than a node holds"),
        ("x,y\n1,2\n1,2,3\n", "row 3: 3 cells where the header has 2"),
        ("x,y\n1\n", "row 2: 1 cell where the header has 2"),
        ("x,y\n1,5\n" + '"1,2\n', "not CSV"),
        (b"x,y\n\xff\xfe,1\n", "not a text file in UTF-8"),
        (",".join(f"x{i}" for i in range(65)) + ",y\n", "65 inputs, a node takes at most 64"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(NeuronError) as error:
        read_csv(write(tmp_path, text))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no file without an end")
def test_a_file_without_an_end_is_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NeuronError, match="/dev/zero: not CSV: a line of more than 1048576 characters"):
        read_csv("/dev/zero")
    monkeypatch.setattr("host.data.dataset.DATA_MAX", 1000)
    assert len(read_csv(write(tmp_path, "x,y\n" + "1,2\n" * 249))) == 249
    with pytest.raises(NeuronError, match="more than 1000 characters: train with fewer rows"):
        read_csv(write(tmp_path, "x,y\n" + "1,2\n" * 250))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NeuronError, match=r"cannot read .*: No such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(NeuronError, match="cannot read"):
        read_csv(tmp_path)


def test_the_largest_value_of_a_node_is_taken(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path, "x,y\n2147418112,1\n")).x[0, 0] == VALUE_MAX


def test_targets_0_and_1_become_signs_and_say_so(tmp_path: Path) -> None:
    data = with_sign_targets(read_csv(write(tmp_path, "x,y\n1,0\n2,1\n")))
    assert data.y.tolist() == [-1, 1]
    assert data.note == "target y: 0 is taken as -1"


def test_targets_that_are_signs_stay() -> None:
    assert with_sign_targets(BUILT_IN["and"]) is BUILT_IN["and"]


@pytest.mark.parametrize(
    ("targets", "says"),
    [([-1, 2], "row 3: target y is 2"), ([0, 1, -1], "row 4: target y is -1 beside 0"), ([0.5], "row 2")],
)
def test_other_targets_are_named_by_row(tmp_path: Path, targets: list[float], says: str) -> None:
    data = read_csv(write(tmp_path, "x,y\n" + "".join(f"1,{t}\n" for t in targets)))
    with pytest.raises(NeuronError, match=says):
        with_sign_targets(data)


def test_rows_follow_the_data() -> None:
    for data in BUILT_IN.values():
        assert len(data.rows) == len(data) == len(data.x)
        assert np.isfinite(data.x).all()


def test_a_header_may_have_more_bytes_than_characters(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    names = ["x", *(letter * (LINE_MAX // 9) for letter in "éàüöä"), "y"]
    path.write_text(",".join(names) + "\n" + "1,1,2,3,4,5,6\n" * 3, encoding="utf-8")
    assert path.stat().st_size > LINE_MAX
    data = read_csv(path)
    assert (len(data), data.inputs, data.y.tolist()) == (3, tuple(names[:-1]), [6.0, 6.0, 6.0])


def test_a_long_run_of_blanks_is_read_once() -> None:
    """Looked at from each of its blanks, these would take minutes."""
    text = b"1" + b" " * (1 << 18) + b"x"
    assert re.sub(BLANKS_AROUND, rb"\1", text) == text
    assert re.sub(BLANKS_AROUND, rb"\1", b"1 \t, 2,\t3  \n 4") == b"1,2,3\n4"
