"""host/data/decimals.py, its twin decimals.c, and the ways through a CSV file: many numbers at once, by either of them,
and cell by cell, give the same bits, the same rows and the same words."""

from __future__ import annotations

import ctypes
import functools
import math
import random
import struct
import subprocess
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host import compiler
from host.compiler import DIALECT, ROOT
from host.data import dataset, decimals
from host.data.dataset import read_csv
from host.errors import NeuronError
from tests.programs import COMPILERS, program

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


def beside_the_middle() -> list[str]:
    """2**53 + 1 and its like, the middle between two float64: a hair more or less decides."""
    cells = []
    for exponent in range(53, 63):
        middle = 2**exponent + 2 ** (exponent - 53)
        for number in (middle - 1, middle, middle + 1, middle + 2 ** (exponent - 52)):
            cells += [f"{str(number)[:k]}.{str(number)[k:]}" for k in range(1, len(str(number)))]
            cells += [f"{number}e-{k}" for k in range(61)]
    return cells


def test_numbers_next_to_the_middle_between_two() -> None:
    cells = beside_the_middle()
    table = decimals.table((",".join(cells) + "\n").encode(), len(cells))
    assert table is not None
    assert bits(table[0]) == bits(map(float, cells))


OTHER = """1 1,2,3 1,2,3,4 1,x 1,nan 1,inf 1,1_0 1,"2" 1, , -,1 1,. 1,-. 1,--2 1,2- 1,1.2.3 1,1e 1,e1 1,1e1e1 1,1e1.0
1,1e+ 1,0x1 1,\xb2 1,\uff11 1,1e00001"""
NOT_PLAIN = ["", *OTHER.split(), "1, 2", "1,2 ", "1,1\r", "1,1\0", "1,2\n1", "1,2\n\n3,4", "1," + "7" * 101]


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_anything_else_is_left_to_others(text: str) -> None:
    assert decimals.table((text + "\n").encode(), 2) is None


# ------------------------------------------------------------------------------------------------- the twin in C


@functools.cache
def twin(cc: str) -> ctypes.CDLL:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", cc)
        made = decimals.library.__wrapped__(True)
    assert made is not None
    return made


def one(cc: str, cell: str) -> list[float] | None:
    values = decimals.usual(twin(cc), f"{cell}\n".encode(), 1)
    return None if values is None else values[0].tolist()


def is_middle(cell: str) -> bool:
    exact, near = Fraction(cell), float(cell)
    beside = (math.nextafter(near, end) for end in (-math.inf, math.inf))
    return any(2 * exact == Fraction(near) + Fraction(other) for other in beside)


def is_usual(cell: str) -> bool:
    """As decimals.h has it."""
    mantissa, _, exponent = cell.lower().lstrip("+-").partition("e")
    whole, _, behind = mantissa.partition(".")
    m, p = int(whole + behind), len(behind) - int(exponent or 0)
    if len(whole + behind) > 24 or len(str(m)) > 19 or len(exponent.lstrip("+-")) > 4:
        return False
    if m <= 2**53 and abs(p) <= 22:
        return True
    return m > 0 and 1 <= p <= decimals.POWER_MAX and not is_middle(cell)


EDGES = [f"{zeros}1" for zeros in ("0." + "0" * 22, "0." + "0" * 23, "0" * 23, "0" * 24)]
EDGES += [
    f"{m}e{p}" for m in (0, 1, 2**53, 2**53 + 1, 10**19 - 1) for p in (-61, -60, -23, -22, -1, 0, 22, 23)
]
EDGES += ["-0", "0.0e-30", "10000000000000000000e-9", "1e-0001", "1e-00001"]


@pytest.mark.parametrize("cc", COMPILERS)
class TestTwin:
    @given(cell=numbers)
    def test_usual_numbers_are_those_of_float_and_others_are_left(self, cc: str, cell: str) -> None:
        values = one(cc, cell)
        assert (values is not None) == is_usual(cell)
        assert values is None or bits(values) == bits([float(cell)])

    @given(m=st.integers(2**53, 10**19 - 1), p=st.integers(1, decimals.POWER_MAX))
    def test_long_numbers(self, cc: str, m: int, p: int) -> None:
        cell = f"{m}e-{p}"
        values = one(cc, cell)
        assert (values is None) == is_middle(cell)
        assert values is None or bits(values) == bits([float(cell)])

    def test_at_the_edge_of_what_is_usual(self, cc: str) -> None:
        left = 0
        for cell in (*EDGES, *beside_the_middle()):
            values = one(cc, cell)
            assert (values is None) == (not is_usual(cell)), cell
            assert values is None or bits(values) == bits([float(cell)]), cell
            left += values is None
        assert left < len(beside_the_middle()) / 10

    def test_a_million_digits(self, cc: str) -> None:
        """Of all lengths, in lines of several numbers."""
        random_ = random.Random(3)
        cells = [
            kind.format(random_.gauss(0, 10 ** random_.uniform(-9, 8)))
            for kind in ("{!r}", "{:.6f}", "{:.18e}", "{:.0f}", "{:g}", "{:+.3f}", "{:.12E}")
            for _ in range(10_000)
        ]
        random_.shuffle(cells)
        lines = "".join(",".join(cells[k : k + 7]) + "\n" for k in range(0, len(cells), 7))
        values = decimals.usual(twin(cc), lines.encode(), 7)
        assert values is not None
        assert values.shape == (10_000, 7)
        assert bits(values.ravel()) == bits(map(float, cells))

    @pytest.mark.parametrize("text", NOT_PLAIN)
    def test_anything_else_is_left_to_others(self, cc: str, text: str) -> None:
        assert decimals.usual(twin(cc), (text + "\n").encode(), 2) is None

    def test_nothing_beyond_the_text_is_read(self, cc: str) -> None:
        """By the sanitizers, and with the bits of the twin in Python where both read it."""
        random_ = random.Random(4)
        texts = [(text.encode(), columns) for text in (*NOT_PLAIN, "1", "1,") for columns in (1, 2)]
        for _ in range(3000):
            columns = random_.randrange(1, 4)
            rows = range(random_.randrange(1, 4))
            lines = [[random_.choice(SOME).format(random_.gauss(0, 9)) for _ in range(columns)] for _ in rows]
            text = bytearray("".join(",".join(line) + "\n" for line in lines).encode())
            if random_.random() < 0.5:
                text[random_.randrange(len(text))] = random_.choice(b"0123456789+-.eE,\n\r \0\xff/:")
            texts.append((bytes(text[: random_.choice([None, None, random_.randrange(len(text))])]), columns))
        read = 0
        for (text, columns), values in zip(texts, sanitized(cc, texts), strict=True):
            expected = decimals.table(text, columns) if text.endswith(b"\n") else None
            if len(values):
                assert expected is not None, text
                assert bits(values) == bits(expected.ravel()), text
            read += len(values) > 0
        assert len(texts) / 4 < read < len(texts)


SOME = ["{!r}", "{:.6f}", "{:.18e}", "{:.0f}", "{:.17f}", "{:g}", "-{:.2E}"]


def sanitized(cc: str, texts: Sequence[tuple[bytes, int]]) -> Iterator[tuple[float, ...]]:
    """The values that tests/parity/decimals.c reads in each of these texts of so many columns."""
    sources = ["tests/parity/decimals.c", "host/data/decimals.c"]
    binary = program("decimals", sources, folders=(), cc=cc)
    given = b"".join(struct.pack("<II", len(text), columns) + text for text, columns in texts)
    done = subprocess.run([str(binary)], input=decimals.INVERSES.tobytes() + given, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    at = 0
    for _, columns in texts:
        (lines,) = struct.unpack_from("<I", done.stdout, at)
        yield struct.unpack_from(f"<{lines * columns}d", done.stdout, at + 4)
        at += 4 + 8 * lines * columns
    assert at == len(done.stdout)


@pytest.mark.parametrize("cc", COMPILERS)
def test_the_twin_is_told_by_all_that_it_is_made_of(cc: str) -> None:
    """Else a library of an older state would be taken for it."""
    command = [cc, *DIALECT, "-MM", *map(str, decimals.SOURCES)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = {word for word in said.replace("\\\n", " ").split() if not word.endswith(":")}
    assert {(ROOT / name).resolve() for name in names} == {*decimals.SOURCES, *decimals.HEADERS}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where libraries are built: an empty one. No library is known."""
    monkeypatch.setattr(compiler, "build_folder", lambda: tmp_path)
    decimals.library.cache_clear()
    yield tmp_path
    decimals.library.cache_clear()


LARGE = decimals.WORTH_BUILDING + 1


def test_the_twin_is_built_for_large_files_and_kept(folder: Path) -> None:
    assert decimals.reader(LARGE - 1) is decimals.table
    assert not list(folder.rglob("*.so"))
    read = decimals.reader(LARGE)
    assert read is not decimals.table
    assert len(list(folder.rglob("decimals.so"))) == 1
    decimals.library.cache_clear()
    assert decimals.reader(1) is not decimals.table
    for text in (b"1,2\n", b"1,12345678901234567890123456789\n"):
        assert bits(np.ravel(read(text, 2))) == bits(map(float, text.split(b",")))
    assert read(b"1,x\n", 2) is None


@pytest.mark.usefixtures("folder")
def test_without_a_compiler_python_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert decimals.reader(LARGE) is decimals.table


def test_a_compiler_that_cannot_build_it_leaves_it_to_python(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "false")
    assert decimals.reader(LARGE) is decimals.table
    assert not list(folder.rglob("*.so"))


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


@pytest.mark.parametrize("cc", ["", *COMPILERS])
@pytest.mark.parametrize("seed", range(8))
def test_all_ways_through_a_file_end_the_same(
    seed: int, cc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_ = random.Random(seed)
    path = tmp_path / "data.csv"
    monkeypatch.setattr(decimals, "library", lambda build: twin(cc) if cc else None)
    plain, ends = dataset._plain, {"error": 0, "data": 0}
    for _ in range(60):
        path.write_bytes(a_file(random_))
        monkeypatch.setattr(dataset, "PIECE", random_.choice([1, 60, 400, 1 << 18]))
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


def test_the_reader_is_chosen_by_the_size_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(decimals, "reader", lambda size: sizes.append(size) or decimals.table)
    path = tmp_path / "data.csv"
    path.write_text("x,y\n1,2\n3,4\n")
    assert read_csv(path).x.tolist() == [[1], [3]]
    assert sizes == [12]


def test_it_is_told_how_far_the_reading_is(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + "1.25,-3.5\n" * 400_000)
    told: list[tuple[str, int, int]] = []
    assert len(read_csv(path, progress=lambda *step: told.append(step))) == 400_000
    assert {step for step, _, _ in told} == {dataset.READING}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[0][1] == 0
    assert told[-1][1:] == (3, 3)
