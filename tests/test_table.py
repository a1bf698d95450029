"""host/data/table.py and what it stands on: a file's cells are what float() makes of them, and what is wrong with it is
one line that names the row as an editor counts it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from host.core.fixed import VALUE_MAX
from host.data import blocks
from host.data.part import EMPTY, pandas
from host.data.table import Table, Wanted, read_table
from host.errors import NeuronError

SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def all_of(names: Sequence[str]) -> Wanted:
    return Wanted(range(len(names)), if_text="leave it out:")


def texts(*columns: int, drop_missing: bool = False) -> Callable[[Sequence[str]], Wanted]:
    return lambda names: Wanted(range(len(names)), frozenset(columns), frozenset(), drop_missing)


def read(folder: Path, text: str | bytes, choose: Callable[[Sequence[str]], Wanted] = all_of) -> Table:
    return read_table(write(folder, text), choose)


def bits(values: Sequence[float]) -> list[str]:
    return [value.hex() for value in values]


# ---------------------------------------------------------------------------------------------------- its numbers


DIGITS = st.text("0123456789", max_size=25)
DECIMALS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-", "+"]),
    DIGITS,
    st.one_of(st.just(""), st.builds(".{}".format, DIGITS)),
    st.one_of(
        st.just(""), st.builds("{}{}".format, st.sampled_from(["e", "E", "e-", "e+"]), st.integers(0, 330))
    ),
)
PRINTED = st.builds(
    lambda value, form: form.format(value),
    st.floats(-VALUE_MAX, VALUE_MAX),
    st.sampled_from(["{!r}", "{:.18e}", "{:.6f}", "{:.0f}", "{:g}", "{:.25g}"]),
)
ODD = st.text("0123456789.,+-eE_ \t'\"xnaif\u0661\xa0\x0b", max_size=8)


def expected(cell: str) -> float | None:
    """What float() makes of it; None where it is no number that a node holds."""
    try:
        value = float(cell.replace("_", "?"))
    except ValueError:
        return None
    return value if abs(value) <= VALUE_MAX else None


@SETTINGS
@given(cells=st.lists(st.one_of(DECIMALS, PRINTED), min_size=1, max_size=20))
@example(["-0", "0", "+0"])
@example(["-0.0", "1"])
@example(["4.9e-324", "1e-400", "2.2250738585072011e-308", "2.2250738585072014e-308"])
@example(["9007199254740993", "1"])
@example(["9007199254740993.0", "0.1e0"])
@example(["12345678901234567890123456789e-20", "0e99999", "000001", "1." + "0" * 100 + "1"])
@example(["2147418112", "-2147418112", "1" * 9 + "." + "1" * 300])
@example(["18446744073709551616e-19", "1844674407370955161600000e-19"])
def test_numbers_are_those_of_float_bit_for_bit(tmp_path: Path, cells: list[str]) -> None:
    values = [expected(cell) for cell in cells]
    assume(None not in values)
    table = read(tmp_path, "x,y\n" + "".join(f"{cell},1\n" for cell in cells))
    assert bits(table.numbers[:, 0].tolist()) == bits(values)
    comma = "".join(f"{cell.replace('.', ',')};1\n" for cell in cells)
    table = read(tmp_path, "x;y\n" + comma)
    assert bits(table.numbers[:, 0].tolist()) == bits(values)


@SETTINGS
@given(cell=st.one_of(ODD, DECIMALS))
@example("1_0")
@example("0x10")
@example("1e400")
@example("infinity")
@example("--5")
@example("1e")
@example("1.2.3")
@example("1d5")
@example("\u0661")
@example("9" * 400)
@example("true")
def test_a_cell_is_taken_where_float_takes_it_and_nowhere_else(tmp_path: Path, cell: str) -> None:
    assume(cell.strip() not in EMPTY and '"' not in cell and "," not in cell and "\n" not in cell)
    value = expected(cell)
    text = f"x,y\n1,2\n{cell},3\n"
    if value is None:
        with pytest.raises(NeuronError, match=r"row 3, x: .* is (not a|more than)"):
            read(tmp_path, text)
    else:
        assert bits(read(tmp_path, text).numbers[:, 0].tolist()) == bits([1.0, value])


# ------------------------------------------------------------------------------------------------------- its form


@pytest.mark.parametrize(
    ("text", "names", "values", "rows", "notes"),
    [
        (
            "\ufeffa, b ,c\r\n20,1e2,-1\r\n\r\n 30 ,-.5,1\r\n",
            "abc",
            [[20, 100, -1], [30, -0.5, 1]],
            [2, 4],
            [],
        ),
        ("a,b\r1,2\r3,4\r", "ab", [[1, 2], [3, 4]], [2, 3], []),
        ("a,b\r\r\r\n1,2\r3,4", "ab", [[1, 2], [3, 4]], [4, 5], []),
        ("\n \na,b\n\n1,2\n,\n \t\n3,4\n\n\n", "ab", [[1, 2], [3, 4]], [5, 8], []),
        ('"a","b"\n"1","2"\n"3\n", 4\n5,"6"\n', "ab", [[1, 2], [3, 4], [5, 6]], [2, 3, 5], []),
        ("a;b\n1,5;2\n-,5;3\n", "ab", [[1.5, 2], [-0.5, 3]], [2, 3], [";: 1,5 1.5"]),
        ("a;b\n1;2\n", "ab", [[1, 2]], [2], [";"]),
        ("a;b\n1.5;2\n", "ab", [[1.5, 2]], [2], [";"]),
        ("a\tb\n\n1,5\t2\n", "ab", [[1.5, 2]], [3], ["a tab: 1,5 1.5"]),
        ("a\tb\n1.5\t2\n", "ab", [[1.5, 2]], [2], ["a tab"]),
        ('"a\nb";"c;d"\n1;2\n', ["a b", "c;d"], [[1, 2]], [3], [";"]),
        ("a, x;b, y\n1;2\n", ["a, x", "b, y"], [[1, 2]], [2], [";"]),
        ("0,1,y\n5,6,7\n", ["0", "1", "y"], [[5, 6, 7]], [2], []),
        ("\xe9,\u6e29\n1,2\n", ["\xe9", "\u6e29"], [[1, 2]], [2], []),
    ],
)
def test_how_a_file_is_written_is_found_out(
    tmp_path: Path,
    text: str,
    names: Sequence[str],
    values: list[list[float]],
    rows: list[int],
    notes: list[str],
) -> None:
    table = read(tmp_path, text)
    assert table.names == tuple(names)
    assert table.numbers.tolist() == values
    assert list(table.rows) == rows
    said = [
        note.replace("columns are separated by ", "").replace(" and ", ": ").replace(" is read as", "")
        for note in table.notes
    ]
    assert said == notes
    assert table.name == "data"


HEADER = ",".join(f"x{i}" for i in range(5))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("x,y\n", "a header but no data rows"),
        ("1,2\n3,4\n", "row 1: no header: the first row must name the columns"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "row 1: no header"),
        ("1,5;2,5\n2;3\n", "row 1: no header"),
        ("y\n1\n", "row 1: one column only"),
        ("x y\n1 2\n", "row 1: one column only, at least two are needed, separated by commas"),
        ("x,x\n1,2\n", "row 1: two columns are named x"),
        (
            "x,y\n1,2\nwarm,4\n",
            "row 3, x: 'warm' is not a number; leave it out: 'x'",
        ),
        ("x,y\n1,2\ntrue,4\n", "row 3, x: 'true' is not a number"),
        ("x,y\nTrue,2\nFalse,4\n", "row 2, x: 'True' is not a number"),
        ("x,y\n1,\n", "row 2, y: the cell is empty; --missing drop leaves such rows out"),
        ("x,y\n1,2\n\t,4\n", "row 3, x: the cell is empty"),
        ("x,y\n1,2\n\nnan,4\n", "row 4, x: 'nan' is no value; --missing drop"),
        ("x,y\n1,2\nNA,NA\n", "row 3, x: 'NA' is no value"),
        ("x,y\n1,-inf\n", "row 2, y: -inf is not a finite number"),
        ("x,y\n1,2\n1e400,2\n", "row 3, x: 1e400 is not a finite number"),
        ("x,y\n1,3e9\n", "row 2, y: 3e9 is more than a node holds"),
        (
            "x,y\n1,2147418112.0000004\n1,2147418113\n",
            "row 2, y: 2147418112.0000004 is more than a node holds",
        ),
        ("x,y\n1,2\n1,2,3\n", "row 3: 3 cells where the header has 2"),
        ("x,y\n1,2,3\n4,5,6\n", "row 2: 3 cells where the header has 2"),
        ("x,y\n1,2,\n4,5,\n", "row 2: 3 cells where the header has 2"),
        ("x,y\n1\n", "row 2: 1 cell where the header has 2"),
        ("x,y\n1,2\n3\n4,5,6\n", "row 3: 1 cell where the header has 2"),
        ("x,y\n1;2\n", "row 2: 1 cell where the header has 2"),
        (
            "x,y\n1,5,2,5\n",
            "row 2: 4 cells where the header has 2; if commas are the decimal signs, separate columns",
        ),
        ("x;y\n1.5;2\n1;2,5\n", "row 2 has 1.5, row 3 has 2,5: which is the decimal sign?"),
        (
            "x;y\n1,5;2\n1;1.234,5\n",
            "row 3, y: '1.234,5' is not a number: write it with ',' for the decimal sign",
        ),
        ("x\ty\n1\t2\n1,234\t2\n", "row 3: 1,234 may be 1234 or 1.234"),
        (
            "x,y\n1 000,2\n",
            "row 2, x: '1 000' is not a number: write it with '.' for the decimal sign, and nothing",
        ),
        ('x,y\n1,"1,000"\n', "row 2, y: '1,000' is not a number: write it with '.'"),
        ('x,y\n1,5\n"1,2\n', "row 3: a quote opens that is not closed"),
        ('x,y\n1,5\n\n"1,2\n3,4\n"5",6\n', "row 4: a quote opens that is not closed where its cell ends"),
        ('x,y\n1,5\n5" pipe,2\n', "row 3: a quote inside a cell: write it twice"),
        ('x,y\n1,5\n1 "2, 3" 4,2\n', "rows 2 to 3: not CSV: check the quotes there"),
        ("x,y\n1,5\n1,2\0\n", "row 3: not a text file: a zero byte"),
        (b"x,y\n1,2\n\xff\xfe,1\n", "row 3: not a text file in UTF-8; save it as CSV (UTF-8)"),
        (b"gr\xf6\xdfe,y\n1,2\n", "row 1: not a text file in UTF-8"),
        ("x,y\n1,2\n".encode("utf-16"), "in UTF-16; save it as CSV (UTF-8)"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(NeuronError) as error:
        read(tmp_path, text)
    assert says in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "data.csv"))
    assert "\n" not in str(error.value)


def test_only_what_is_wanted_is_looked_at_but_every_row_is_whole(tmp_path: Path) -> None:
    def first_and_last(names: Sequence[str]) -> Wanted:
        return Wanted([0, 2])

    table = read(tmp_path, "x,name,y\n1,Ann,2\n3,,4\n", first_and_last)
    assert table.numbers.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(NeuronError, match="row 3: 2 cells where the header has 3"):
        read(tmp_path, "x,y,name\n1,2,Ann\n3,4\n", lambda names: Wanted([0, 1]))


# -------------------------------------------------------------------------------------------------- text, empty cells


def words(table: Table, column: int) -> list[str]:
    text = table.texts[column]
    return [text.words[code] for code in text.codes.tolist()]


def test_words_are_as_they_stand_there(tmp_path: Path) -> None:
    table = read(tmp_path, 'x,y\n1, red\n2,"light, blue" \n3,red\n4,True\n5,01\n', texts(1))
    assert words(table, 1) == ["red", "light, blue", "red", "True", "01"]
    assert table.texts[1].words == ("red", "light, blue", "True", "01")
    assert table.column(0).tolist() == [1, 2, 3, 4, 5]
    table = read(tmp_path, "x,y\n1,2\n3,4\n", texts(1))
    assert table.texts == {}
    table = read(tmp_path, "x,y\n01,2\n1.0,4\n", lambda names: Wanted([0, 1], text=frozenset([0])))
    assert words(table, 0) == ["01", "1.0"]


def test_rows_with_empty_cells_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    text = "x,y,z\n1,2,a\n,2,a\n3,NA,b\n\n4,5,\n5,?,c\n6,7,b\n"
    table = read(tmp_path, text, texts(2, drop_missing=True))
    assert table.numbers.tolist() == [[1, 2], [6, 7]]
    assert words(table, 2) == ["a", "b"]
    assert table.texts[2].words == ("a", "b")
    assert list(table.rows) == [2, 8]
    assert table.notes == ["4 rows with an empty cell left out, 2 kept"]
    with pytest.raises(NeuronError, match="row 6, z: the cell is empty"):
        read(tmp_path, text.replace(",2,a\n3,NA,b\n", "0,2,a\n3,0,b\n", 1), texts(2))
    with pytest.raises(NeuronError, match="no data rows below it, and 1 row with an empty cell"):
        read(tmp_path, "x,y\n1,\n", texts(drop_missing=True))
    with pytest.raises(NeuronError, match="row 3: 1 cell where the header has 3"):
        read(tmp_path, "x,y,z\n1,2,3\n4\n", texts(drop_missing=True))


# ------------------------------------------------------------------------------------------------------- its blocks


CELL = st.one_of(st.floats(-1e6, 1e6).map(repr), st.integers(-99, 99).map(str), st.just('"7"'), st.just(""))
LINE = st.one_of(
    st.lists(CELL, min_size=2, max_size=2).map(",".join), st.sampled_from(["", " ", ",", "1,red", '"1\n",2'])
)


def outcome(path: Path) -> object:
    try:
        table = read_table(path, texts(1, drop_missing=True))
    except NeuronError as error:
        return str(error)
    answers = words(table, 1) if table.texts else table.numbers[:, 1].tolist()
    return table.numbers[:, 0].tolist(), answers, list(table.rows), table.notes


@SETTINGS
@given(lines=st.lists(LINE, max_size=12), end=st.sampled_from(["\n", "\r\n", "\r"]), size=st.integers(1, 40))
def test_a_file_in_pieces_is_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], end: str, size: int
) -> None:
    path = write(tmp_path, "".join(line.replace("\n", end) + end for line in ["x,y", "1,2", *lines]))
    monkeypatch.setattr(blocks, "BLOCK", 1 << 20)
    whole = outcome(path)
    monkeypatch.setattr(blocks, "BLOCK", size)
    assert outcome(path) == whole


def test_a_word_far_down_makes_its_column_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 50)
    table = read(tmp_path, "x,y\n" + "1,01\n" * 100 + "2,red\n", texts(1))
    assert words(table, 1) == ["01"] * 100 + ["red"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have no names there")
def test_a_pipe_is_read_though_only_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=["x,y\n" + "1,2\n" * 100_000 + "3,red\n"])
    writer.start()
    table = read_table(path, texts(1))
    writer.join()
    assert len(table.rows) == 100_001
    assert table.texts[1].words == ("2", "red")


def test_a_file_without_an_end_is_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "DATA_MAX", 1000)
    assert len(read(tmp_path, "x,y\n" + "1,2\n" * 249).rows) == 249
    with pytest.raises(NeuronError, match="more than 1000 bytes: train with fewer rows"):
        read(tmp_path, "x,y\n" + "1,2\n" * 250)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no file without an end")
def test_a_device_is_no_data() -> None:
    with pytest.raises(NeuronError, match="/dev/zero, row 1: not a text file: a zero byte"):
        read_table("/dev/zero", all_of)


def test_a_line_and_a_quote_have_an_end(tmp_path: Path) -> None:
    with pytest.raises(NeuronError, match="row 3: not CSV: a line of more than 1048576 bytes"):
        read(tmp_path, "x,y\n1,2\n" + "1" * 4_000_000)
    with pytest.raises(
        NeuronError, match="row 3: a quote opens there or below that is not closed within 1048576 b"
    ):
        read(tmp_path, 'x,y\n1,2\n"1,2\n' + "1,2\n" * 1_000_000)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NeuronError, match=r"cannot read .*none\.csv: No such file"):
        read_table(tmp_path / "none.csv", all_of)
    with pytest.raises(NeuronError, match="cannot read"):
        read_table(tmp_path, all_of)


def test_it_is_told_how_far_the_reading_is(tmp_path: Path) -> None:
    path = write(tmp_path, "x,y\n" + "1.25,-3.5\n" * 400_000)
    told: list[tuple[str, int, int]] = []
    assert len(read_table(path, all_of, lambda *step: told.append(step)).rows) == 400_000
    assert {step for step, _, _ in told} == {blocks.READING}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1:] == (3, 3)


# --------------------------------------------------------------------------------------------------------- pandas


def test_without_pandas_or_with_an_old_one_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = f"{sys.executable} -m pip install 'pandas>=3.1'"
    library = pandas()
    pandas.cache_clear()
    try:
        monkeypatch.setattr(library, "__version__", "2.9.9")
        with pytest.raises(NeuronError, match=r"pandas 3\.1 or newer, here is 2\.9\.9: ") as error:
            read(tmp_path, "x,y\n1,2\n")
        assert str(error.value).endswith(pip)
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(NeuronError, match="pandas, which is not installed: ") as error:
            read(tmp_path, "x,y\n1,2\n")
        assert str(error.value).endswith(pip)
    finally:
        pandas.cache_clear()
