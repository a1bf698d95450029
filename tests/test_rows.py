"""host/data/rows.py and lookup.py: a table's rows as they come, and what a model's inputs are in them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from host.data.later import read_for
from host.data.lookup import Lookup
from host.data.rows import LINE_MAX, Incoming, Row, opened, writer
from host.errors import NeuronError


class Pieces:
    """A pipe whose other end has written these pieces, one after the other. asked: how many were taken."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces, self.asked = list(pieces), 0

    def read1(self, size: int, /) -> bytes:
        self.asked += 1
        return self.pieces.pop(0) if self.pieces else b""


def no_values(row: Row) -> list[float]:
    return []


def batches(table: Incoming, most: int = 100) -> list[list[tuple[int, list[str]]]]:
    return [[(row.number, row.cells) for row, _ in batch] for batch in table.batches(no_values, most)]


def rows_of(*pieces: bytes) -> list[tuple[int, list[str]]]:
    return [row for batch in batches(Incoming(Pieces(*pieces), "it")) for row in batch]


# -------------------------------------------------------------------------------------------------------------- rows


def test_a_row_is_there_as_soon_as_its_line_has_come() -> None:
    pipe = Pieces(b"a,b\n1,", b"2\n3,4\n5", b",6\n7,8")
    table = Incoming(pipe, "it")
    found = table.batches(no_values, 100)
    assert pipe.asked == 1
    assert [row.cells for row, _ in next(found)] == [["1", "2"], ["3", "4"]]
    assert pipe.asked == 2
    assert [row.cells for row, _ in next(found)] == [["5", "6"]]
    assert pipe.asked == 3
    assert [row.cells for row, _ in next(found)] == [["7", "8"]]
    assert list(found) == []


def test_no_more_at_once_than_wanted() -> None:
    table = Incoming(Pieces(b"a\n" + b"1\n" * 5), "it")
    assert [len(batch) for batch in batches(table, 2)] == [2, 2, 1]


@pytest.mark.parametrize("separator", [b",", b";", b"\t"])
def test_columns_are_separated_by_what_the_header_has_most_of(separator: bytes) -> None:
    data = b'"a,;\tz",b,x\n1,2,"3,;\t4"\n'.replace(b",b,x", separator + b"b" + separator + b"x")
    data = data.replace(b"1,2,", b"1" + separator + b"2" + separator)
    table = Incoming(Pieces(data), "it")
    assert (table.header, table.delimiter.encode()) == (["a,;\tz", "b", "x"], separator)
    assert batches(table) == [[(2, ["1", "2", "3,;\t4"])]]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_ends_of_lines_and_rows_of_several_lines(end: bytes) -> None:
    data = b'\xef\xbb\xbf\n\na , b\n\n1,"x\ny"\n , \n2,\xc3\xa4\n'.replace(b"\n", end)
    whole = [(6, ["1", "x\ny"]), (8, ["2", "ä"])]
    assert rows_of(data) == whole
    assert rows_of(*(data[i : i + 1] for i in range(len(data)))) == whole


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is empty: it needs a header row"),
        (b"\n \n", "it is empty: it needs a header row"),
        (b"a,b\n1,2\n\n1\n", "it, row 4: 1 cell where the header has 2"),
        (b'a,b\n1,2\n1,"x"y\n', "it, row 3: not CSV"),
        (b'a,b\n1,2\n1,"x\n', "it, row 3: not CSV"),
        (b"a\n\xff\n", "it: not a text in UTF-8"),
        (b"a\n" + b"1" * (LINE_MAX + 1), "it: not CSV: a line of more than"),
    ],
)
def test_what_is_no_table(data: bytes, says: str) -> None:
    with pytest.raises(NeuronError, match=says):
        rows_of(data)


def test_what_comes_before_a_row_that_is_wrong_is_handed_out() -> None:
    table = Incoming(Pieces(b"a,b\n1,2\n3,4\n5\n6,7\n"), "it")
    found = table.batches(no_values, 100)
    assert [row.number for row, _ in next(found)] == [2, 3]
    with pytest.raises(NeuronError, match="row 4"):
        next(found)


def test_a_file_knows_its_lines_and_a_pipe_does_not(tmp_path: Path) -> None:
    file = tmp_path / "it.csv"
    file.write_text("a\n1\n2\n")
    with opened(str(file)) as table:
        assert table.lines == 3
        assert batches(table) == [[(2, ["1"]), (3, ["2"])]]
    with (
        pytest.raises(NeuronError, match=r"cannot read .*none\.csv: No such file"),
        opened(f"{tmp_path}/none.csv"),
    ):
        pass
    with pytest.raises(NeuronError, match=r"cannot read .*: Is a directory"), opened(str(tmp_path)):
        pass
    reading, writing = os.pipe()
    os.write(writing, b"a\n1\n")
    os.close(writing)
    with opened(f"/dev/fd/{reading}") as table:
        assert table.lines == 0
        assert batches(table) == [[(2, ["1"])]]
    os.close(reading)


def test_cells_are_written_as_they_are_read() -> None:
    written: list[bytes] = []
    cells = [["a", "b;c", 'd"e', "f\ng", ""]]
    writer(written.append, ";")(cells)
    table = Incoming(Pieces(b"1;2;3;4;5\n", *written), "it")
    assert batches(table) == [[(3, cells[0])]]


# ------------------------------------------------------------------------------------------------------------ inputs


def values(
    inputs: Sequence[str], header: str, *rows: str, count: int = 0, comma: bool = False
) -> list[list[float]]:
    separator = ";" if comma else ","
    found = Lookup(inputs, count or len(inputs), header.split(separator), "it", separator)
    return [found.values(Row(i, row.split(separator))) for i, row in enumerate(rows, 2)]


def test_inputs_are_found_by_their_names() -> None:
    assert values(["a", "b"], "b,y,a", "1,z,2", " 3 ,z,4e-1") == [[2.0, 1.0], [0.4, 3.0]]
    assert Lookup(["a"], 1, ["b", "a", "c"], "it").unused == ["b", "c"]


def test_inputs_without_names_are_the_first_columns() -> None:
    assert values([], "b,a,y", "1,2,z", count=2) == [[1.0, 2.0]]
    assert Lookup([], 2, ["b", "a", "y"], "it").unused == ["y"]


def test_an_input_of_a_word_is_found_in_its_column() -> None:
    inputs = ["x", "colour=red", "colour=a=b"]
    assert values(inputs, "colour,x", "red,1", " a=b ,2") == [[1.0, 1.0, 0.0], [2.0, 0.0, 1.0]]
    assert values(inputs, "x,colour=a=b,colour=red", "1,0.5,0") == [[1.0, 0.0, 0.5]]


def test_decimal_commas_are_read_where_columns_are_not_separated_by_commas() -> None:
    assert values(["a", "b"], "a;b", "1,5;-,5e1", "2;3,", comma=True) == [[1.5, -5.0], [2.0, 3.0]]
    assert values(["a", "b"], "a;b", "1.5;2", comma=True) == [[1.5, 2.0]]
    found = Lookup(["a"], 1, ["a"], "it", ";")
    assert found.written(0.5) == "0.5"
    found.values(Row(2, ["1,5"]))
    assert (found.written(0.5), found.written(2.0), found.written(2**-20)) == (
        "0,5",
        "2",
        "9,5367431640625e-07",
    )


@pytest.mark.parametrize(
    ("inputs", "header", "row", "says"),
    [
        (["a", "b", "c"], "c,d", "1,2", "it: nothing for 2 inputs of the model, a, b; there is c, d"),
        (["w=x", "w=y"], "c", "1", "it: nothing for 1 input of the model, w; there is c"),
        (["a"], "a,a", "1,2", "it: column a is there twice"),
        (["a", "b"], "b,a", "1,z", "it, row 2, a: 'z' is not a number"),
        (["a"], "a", " ", "it, row 2, a: the cell is empty"),
        (["a"], "a", "1_0", "it, row 2, a: '1_0' is not a number"),
        (["a"], "a", "nan", "it, row 2, a: nan is not a finite number"),
        (["a"], "a", "1e999", "it, row 2, a: 1e999 is not a finite number"),
        (["w=x", "w=y"], "w", "z", "it, row 2, w: 'z' is none of x, y"),
        (["w=x", "w=y"], "w", "", "it, row 2, w: the cell is empty: that is none of x, y"),
    ],
)
def test_what_is_no_input(inputs: list[str], header: str, row: str, says: str) -> None:
    with pytest.raises(NeuronError) as error:
        values(inputs, header, row)
    assert str(error.value).startswith(says)


CELLS = [
    "1",
    " 1 ",
    "+1",
    "1E5",
    "1_0",
    "0x10",
    "nan",
    "NA",
    "?",
    "",
    "inf",
    "-0",
    "1e40",
    "1e999",
    "1.",
    ".5",
]
CELLS += [
    "1 000",
    "\u0663",
    "1e-400",
    "0.30000000000000004",
    "\u22121",
    "1\u00a0",
    "1,5",
    "1.5",
    "1.234,5",
    "true",
]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_number_is_what_a_training_takes_it_for(tmp_path: Path, separator: str, cell: str) -> None:
    cell = f'"{cell}"' if separator in cell else cell
    assert_read_alike(tmp_path, f"z{separator}a\n0{separator}{cell}\n", ["a"])


@pytest.mark.parametrize(
    "word", ["red", "dark red", " dark  red", "dark\u00a0red", "RED", "NA", "", "a=b", "True", "1.0"]
)
def test_a_word_is_what_a_training_takes_it_for(tmp_path: Path, word: str) -> None:
    inputs = ["the hue=red", "the hue=dark red", "the hue=a=b", "the hue=1"]
    assert_read_alike(tmp_path, f"z,the  hue\n0,{word}\n", inputs)


def assert_read_alike(folder: Path, text: str, inputs: Sequence[str]) -> None:
    """Row by row and as a whole: the same values, or refused for the same cell."""
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")

    def streamed() -> list[list[float]]:
        with opened(str(path)) as table:
            found = Lookup(inputs, len(inputs), table.header, table.name, table.delimiter)
            return [values for batch in table.batches(found.values, 9) for _, values in batch]

    said = []
    for read in (streamed, lambda: read_for(path, inputs).x.tolist()):
        try:
            said.append(repr(read()))  # which tells -0.0 from 0.0
        except NeuronError as error:
            said.append(str(error).split(": ")[0])
    assert said[0] == said[1]


def test_a_comma_that_may_part_thousands_is_not_guessed_at() -> None:
    with pytest.raises(
        NeuronError, match=r"it, row 2, a: 1,234 may be 1234 or 1\.234: write numbers without commas"
    ):
        Lookup(["a"], 1, ["a"], "it", "\t").values(Row(2, ["1,234"]))
    found = Lookup(["a"], 1, ["a"], "it", "\t")
    assert [found.values(Row(2, [cell])) for cell in ("0,5", "1,234")] == [[0.5], [1.234]]


def test_too_few_columns_and_two_decimal_signs() -> None:
    with pytest.raises(NeuronError, match="it: the model takes 3 inputs, not 2"):
        values([], "a,b", count=3)
    with pytest.raises(
        NeuronError, match=r"it, row 3, a: 1\.5 has another decimal sign than the numbers before"
    ):
        values(["a"], "a", "1,5", "1.5", comma=True)
