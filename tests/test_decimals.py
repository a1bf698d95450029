"""host/data/decimals.py, and the two ways through a CSV file: many numbers at once, and cell by cell, give the same
bits, the same rows and the same words."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.data import dataset, decimals
from host.data.dataset import read_csv
from host.errors import NeuronError

signs = st.sampled_from(["", "-", "+"])
digits = st.text("0123456789", max_size=26)
powers = st.one_of(st.just(""), st.from_regex(r"\A[eE][+-]?[0-9]{1,3}\Z"))
written = st.builds("{}{}{}{}{}".format, signs, digits, st.sampled_from(["", "."]), digits, powers)
numbers = st.one_of(
    written.filter(lambda text: any(c.isdigit() for c in text.lower().partition("e")[0])),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e9, 1e9).map("{:.18e}".format),
    st.integers(-(2**64), 2**64).map(str),
)


def bits(values: Any) -> bytes:
    return b"".join(struct.pack("<d", value) for value in values)


@given(st.lists(numbers, min_size=1, max_size=40))
def test_numbers_are_those_of_float(cells: list[str]) -> None:
    table = decimals.table((",".join(cells) + "\n").encode(), len(cells))
    assert table is not None
    assert bits(table[0]) == bits(map(float, cells))


def test_numbers_next_to_the_middle_between_two() -> None:
    """Of 2**53 + 1 and its like: a hair more or less decides."""
    cells = []
    for exponent in range(53, 63):
        middle = 2**exponent + 2 ** (exponent - 53)
        for number in (middle - 1, middle, middle + 1, middle + 2 ** (exponent - 52)):
            cells += [f"{str(number)[:k]}.{str(number)[k:]}" for k in range(1, len(str(number)))]
            cells += [f"{number}e-{k}" for k in range(61)]
    table = decimals.table((",".join(cells) + "\n").encode(), len(cells))
    assert table is not None
    assert bits(table[0]) == bits(map(float, cells))


OTHER = """1 1,2,3 1,2,3,4 1,x 1,nan 1,inf 1,1_0 1,"2" 1, , -,1 1,. 1,-. 1,--2 1,2- 1,1.2.3 1,1e 1,e1 1,1e1e1 1,1e1.0
1,1e+ 1,0x1 1,\xb2 1,\uff11 1,1e00001"""


@pytest.mark.parametrize(
    "text", ["", *OTHER.split(), "1, 2", "1,2 ", "1,1\r", "1,1\0", "1,2\n1", "1,2\n\n3,4", "1," + "7" * 101]
)
def test_anything_else_is_left_to_others(text: str) -> None:
    assert decimals.table((text + "\n").encode(), 2) is None


# ------------------------------------------------------------------------------------------------- whole files

CELLS = [
    "0",
    "-0",
    "-0.0",
    "+5",
    "1e5",
    "1E-3",
    ".5",
    "5.",
    "2147418112",
    "1e-400",
    "4.9e-324",
    "00012",
    "1e-05",
]
CELLS += [
    "0.00012345678901234567",
    "9007199254740993",
    "12345678901234567890123456789e-20",
    "0e99999",
    "1" * 300,
]
WRONG = [
    "",
    "x",
    "1_0",
    "nan",
    "-inf",
    "1e400",
    "3e9",
    "--5",
    "1e",
    "1.2.3",
    "1 2",
    "0x10",
    '"1"',
    '" 2 "',
    '"',
    '1"',
]
WRONG += ["\u0661", "\xa01", "+", ".", "\x0b1", "1\0", "7" * 101, "\ud800"]
HEADERS = [
    "a,b,c",
    '"a","b","c"',
    "a , b,c",
    "\ufeffa,b,c",
    ",b,",
    "\n\na,b,c",
    "a;b",
    "1,2,3",
    "\xe9,b,c",
    '"a\nb",c,d',
    "a,b",
]
LINE_ENDS = ["\n", "\r\n", "\n\n", "\r", "\n \n", "\n,,\n", "\r\n\r\n", "\n\t\n"]


def a_file(random_: random.Random) -> bytes:
    """A CSV file: often a good one, with now and then something odd."""
    end, odd = random_.choice(["\n", "\r\n"]), random_.choice([0, 0, 0.01, 0.1])

    def some(usual: Any, others: list[str], share: float) -> str:
        return random_.choice(others) if random_.random() < share else usual

    def cell() -> str:
        number = random_.gauss(0, 10 ** random_.uniform(-9, 8))
        kind = random_.choice(["{!r}", "{:.6f}", "{:.18e}", "{:.0f}", "{:g}"])
        usual = some(kind.format(number), CELLS, 0.1)
        space = "" if odd < 0.1 else random_.choice(["", "", " ", "\t"])
        return space + some(usual, WRONG, odd / 10) + space

    text = some("a,b,c", HEADERS, 10 * odd) + some(end, LINE_ENDS, odd)
    for _ in range(random_.choice([0, 1, 5, 40])):
        cells = [cell() for _ in range(3 if random_.random() > odd / 20 else random_.randrange(1, 5))]
        text += ",".join(cells) + some(end, LINE_ENDS, odd)
    if random_.random() < 0.3:
        text = text.rstrip("\r\n")
    return text.encode("utf-8", "surrogatepass")


def outcome(path: Path) -> tuple[Any, ...]:
    try:
        data = read_csv(path)
    except NeuronError as error:
        return ("error", str(error))
    return (
        data.name,
        data.inputs,
        data.target,
        data.x.shape,
        data.x.tobytes(),
        data.y.tobytes(),
        tuple(data.rows),
    )


@pytest.mark.parametrize("seed", range(8))
def test_both_ways_through_a_file_end_the_same(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_ = random.Random(seed)
    path = tmp_path / "data.csv"
    plain, ends = dataset._plain, {"error": 0, "data": 0}
    for _ in range(60):
        path.write_bytes(a_file(random_))
        monkeypatch.setattr(dataset, "PIECE", random_.choice([1, 60, 400, 1 << 18]))
        monkeypatch.setattr(dataset, "BLOCK", dataset.PIECE * random_.choice([1, 3]))
        monkeypatch.setattr(dataset, "_plain", plain)
        at_once = outcome(path)
        monkeypatch.setattr(dataset, "_plain", lambda *_: None)
        assert at_once == outcome(path), path.read_bytes()
        ends["error" if at_once[0] == "error" else "data"] += 1
    assert min(ends.values()) > 5


def test_plain_numbers_are_not_looked_at_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    number = dataset._number
    monkeypatch.setattr(dataset, "_number", lambda text, where: looked.append(where) or number(text, where))
    monkeypatch.setattr(dataset, "PIECE", 100)
    path = tmp_path / "data.csv"
    path.write_text("\ufeffx, y\n" + "".join(f"{k / 7!r}, {k}\r\n\n" for k in range(100)) + "1e-3,-2")
    data = read_csv(path)
    assert looked == []
    assert data.x[:, 0].tolist() == [*(k / 7 for k in range(100)), 1e-3]
    assert list(data.rows) == [*range(2, 202, 2), 202]
    path.write_text(path.read_text() + "\n1,two\n")
    with pytest.raises(NeuronError, match="row 203, y: 'two' is not a number"):
        read_csv(path)
    assert len(looked) < 20


def test_it_is_told_how_far_the_reading_is(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + "1.25,-3.5\n" * 400_000)
    told: list[tuple[str, int, int]] = []
    assert len(read_csv(path, progress=lambda *step: told.append(step))) == 400_000
    assert {step for step, _, _ in told} == {dataset.READING}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[0][1] == 0
    assert told[-1][1:] == (3, 3)
