"""A recording's file: what is read of it, and every way in which it may be wrong, by the line."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.core.channels import NAMES, mask_of, names_of
from host.data.recording import VERSION, beside, read_recording
from host.errors import NeuronError

HEADER = "sample,time,a0,d1,label\n"
ROWS = "100,0.100000,0,1,off\n101,0.101000,4095,0,on\n105,0.105000,17,0,\n106,0.106000,18,0,on\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.csv"
    path.write_text(HEADER + ROWS)
    return path


def noted(path: Path, **changed: Any) -> None:
    """A JSON file beside it."""
    known: dict[str, Any] = {"version": VERSION, "rate": 1000, "channels": ["a0", "d1"], "scale": {}}
    known |= {"samples": 4, "gaps": [[102, 3]], "sessions": [], "events": []}
    beside(path).write_text(json.dumps(known | changed))


def refusal(path: Path) -> str:
    with pytest.raises(NeuronError) as error:
        read_recording(path)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(path.parent) + "/", "")


def test_channels_have_the_numbers_of_the_wire() -> None:
    assert NAMES == ("a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "d0", "d1", "d2", "d3")
    assert mask_of(["d1", "a0", "a7", "a0"]) == 1 | 1 << 7 | 1 << 9
    assert names_of(1 | 1 << 7 | 1 << 9 | 1 << 12) == ("a0", "a7", "d1")


@pytest.mark.parametrize("with_notes", [False, True])
def test_every_scan_is_there(file: Path, with_notes: bool) -> None:
    if with_notes:
        noted(file, scale={"a0": [0.0805, -20, "mA"]})
    found = read_recording(file)
    assert (found.name, found.rate, found.channels) == ("run", 1000, ("a0", "d1"))
    assert found.samples.tolist() == [100, 101, 105, 106]
    assert found.raw.tolist() == [[0, 1], [4095, 0], [17, 0], [18, 0]]
    assert found.labels == ("off", "on", "", "on")
    assert found.runs() == [slice(0, 2), slice(2, 4)]
    assert found.scale == ({"a0": (0.0805, -20, "mA")} if with_notes else {})


def test_a_file_of_many_blocks_is_read_as_one(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    samples = np.cumsum(generator.integers(1, 3, 60_000)) + (1 << 40)
    raw = generator.integers(0, 4096, (len(samples), 8))
    lines = [
        f"{n},{n / 600:.6f},{','.join(map(str, row))}\n"
        for n, row in zip(samples.tolist(), raw.tolist(), strict=True)
    ]
    path = tmp_path / "long.csv"
    path.write_text(f"sample,time,{','.join(NAMES[:8])}\n" + "".join(lines))
    assert path.stat().st_size > 2 << 20
    found = read_recording(path)
    assert (found.samples == samples).all()
    assert (found.raw == raw).all()
    assert (found.rate, found.labels) == (600, None)
    runs = found.runs()
    assert len(runs) == 1 + np.count_nonzero(np.diff(samples) != 1)
    assert [run.start for run in runs[1:]] == [run.stop for run in runs[:-1]]
    lines[50_000] = lines[50_000].replace(",", ";", 1)
    path.write_text(f"sample,time,{','.join(NAMES[:8])}\n" + "".join(lines))
    assert refusal(path) == "long.csv, line 50002: 9 cells where the header has 10"


def test_windows_line_ends_and_other_libraries_are_understood(file: Path) -> None:
    file.write_bytes(
        "\ufeff".encode() + (HEADER + ROWS.replace("000,", ",")).encode().replace(b"\n", b"\r\n")
    )
    assert read_recording(file).samples.tolist() == [100, 101, 105, 106]


HEADERS = [
    "sample,time\n",
    "time,sample,a0\n",
    "sample,time,label\n",
    "sample,time,a0,b1\n",
    "sample,time,label,a0\n",
    "x1,x2,y\n",
    "\n",
    "0,0.0,5\n",
]


@pytest.mark.parametrize("header", HEADERS)
def test_what_is_no_recording_is_said(file: Path, header: str) -> None:
    file.write_text(header + "1,0.001,2,3\n")
    assert refusal(file).startswith("run.csv, line 1: not the header of a recording, which is sample,time,")


ROWS_WRONG = {
    "101,0.101,1,0": "4 cells where the header has 5",
    "101,0.101,1,0,on,on": "6 cells where the header has 5",
    "": "1 cell where the header has 5",
    "x,0.101,1,0,on": "sample is x, which is not a whole number",
    "-1,0.101,1,0,on": "sample is -1, which is not a whole number",
    ",0.101,1,0,on": "sample is empty, which is not a whole number",
    "101.0,0.101,1,0,on": "sample is 101.0, which is not a whole number",
    "1111111111111111111,0.1,1,0,on": "sample is 1111111111111111111, which is not a whole number",
    "101,0.1.1,1,0,on": "time is 0.1.1, which is not a number of seconds",
    "101,.1,1,0,on": "time is .1, which is not a number of seconds",
    "101,nan,1,0,on": "time is nan, which is not a number of seconds",
    "101,,1,0,on": "time is empty, which is not a number of seconds",
    "101,0.101,4096,0,on": "a0 is 4096, which is not 0..4095",
    "101,0.101,1,2,on": "d1 is 2, which is not 0..1",
    "101,0.101, 1,0,on": "a0 is  1, which is not a whole number",
    "101,0.101,\u0661,0,on": "a0 is \u0661, which is not a whole number",
    "101,0.101,\x07,0,on": r"a0 is '\x07', which is not a whole number",
    '101,0.101,1,0,"on"': "a quote: nothing in a recording is quoted",
    "101,0.101,1,0, on": "' on' is no label",
    "101,0.101,1,0,\x1b[2J": r"'\x1b[2J' is no label",
    "100,0.100,1,0,on": "sample 100 behind 100: the numbers must rise",
    "99,0.099,1,0,on": "sample 99 behind 100: the numbers must rise",
}


@pytest.mark.parametrize("row", ROWS_WRONG)
@pytest.mark.parametrize("with_notes", [False, True])
def test_a_row_that_is_wrong_is_named(file: Path, row: str, with_notes: bool) -> None:
    first, _, *rest = ROWS.splitlines()
    file.write_text("\n".join([HEADER.strip(), first, row, *rest, ""]), newline="")
    if with_notes:
        noted(file)
    assert refusal(file) == f"run.csv, line 3: {ROWS_WRONG[row]}"


def test_bytes_that_are_no_text_are_named(file: Path) -> None:
    file.write_bytes((HEADER + ROWS).encode().replace(b"105,0.105000,17,0,", b"105,0.105000,17,0,\xff"))
    assert refusal(file).startswith("run.csv, line 4: ")
    file.write_bytes((HEADER + ROWS).encode().replace(b"105", b"1\x005"))
    assert refusal(file) == "run.csv, row 4: not a text file: a zero byte"


def test_a_time_that_is_anothers_is_named(file: Path) -> None:
    file.write_text((HEADER + ROWS).replace("0.105000", "0.105600"))
    assert refusal(file) == (
        "run.csv, line 4: time 0.1056 s, but sample 105 is at 0.105 s, by the rate of the rest, 1000 a second"
    )
    noted(file, rate=500)
    assert refusal(file) == (
        "run.csv, line 2: time 0.1 s, but sample 100 is at 0.2 s, by the rate of run.json, 500 a second"
    )


def test_times_that_tell_no_rate_need_the_json(file: Path) -> None:
    file.write_text(HEADER + "100,0.100000,0,1,off\n")
    assert refusal(file) == (
        "run.csv: its times do not tell a rate of 1..10000 scans/s, and there is no run.json that does"
    )
    noted(file)
    assert read_recording(file).rate == 1000
    beside(file).unlink()
    file.write_text("sample,time,a0\n0,0.0,0\n1,0.00001,0\n")
    assert "do not tell a rate" in refusal(file)


def test_a_line_that_was_cut_is_not_taken_for_a_smaller_number(file: Path) -> None:
    file.write_text("sample,time,a0\n0,0.000000,4095\n1,0.001000,409")
    assert refusal(file) == "run.csv: the last line has no end, it may be cut: delete it, or end it"


def test_what_has_no_scans_is_said(file: Path) -> None:
    file.write_text("")
    assert refusal(file) == "run.csv is empty: it is no recording yet"
    file.write_text(HEADER)
    assert refusal(file) == "run.csv has a header but no scans: it is no recording yet"
    file.write_text("sample,time,a0,a0\n1,0.001,2,3\n")
    assert refusal(file) == "run.csv, line 1: two columns are named a0"
    file.unlink()
    assert refusal(file) == "cannot read run.csv: No such file or directory"
    assert refusal(file.parent).startswith("cannot read ")


SCALES_WRONG = [
    {"d1": [1, 0, "V"]},
    *(
        {"a0": scale}
        for scale in (
            [0, 0, "V"],
            [10**400, 0, "V"],
            [1, -(10**400), "V"],
            [1e300, 0, "V"],
            [1e-300, 0, "V"],
            [True, 0, "V"],
            [1, 0, "\ud800"],
            [1, 0, "m\nA"],
        )
    ),
]
NOTES_WRONG = {
    "version": ("1", 2, True),
    "rate": (0, 10_001, "1000", None, 1.5, True),
    "channels": ("a0", ["a9"], None, 3),
    "scale": (
        [],
        {"a0": [1, 2]},
        {"a0": [1, "2", "mA"]},
        {"a0": [1, 2, 3]},
        {"x": [1, 2, "mA"]},
        None,
        *SCALES_WRONG,
    ),
    "samples": ("4", None),
    "gaps": (3, [1], [[1]], [["1", 2]]),
    "sessions": (None, [3]),
    "events": ({}, ["x"]),
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key in NOTES_WRONG for value in NOTES_WRONG[key]]
)
def test_notes_that_are_wrong_are_named(file: Path, key: str, value: Any) -> None:
    noted(file, **{key: value})
    assert re.match(rf"run\.json: .*\b{key}\b", refusal(file))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"rate": NaN}', "[" * 100_000])
def test_notes_that_are_no_notes_are_said(file: Path, text: str) -> None:
    beside(file).write_text(text)
    assert refusal(file).startswith("run.json: not ")


def test_notes_of_another_recording_are_said(file: Path) -> None:
    noted(file, channels=["a0", "d2"])
    assert refusal(file) == "run.json says channels a0,d2, run.csv has a0,d1: they belong to two recordings"


def test_no_library_for_tables_is_needed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert len(read_recording(file).samples) == 4
