"""The proof can fail: by a fault in a source, by what it does not reach, by what it assumes, by no proof at all."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from host.compiler import ROOT
from tools import proof

pytestmark = pytest.mark.skipif(
    shutil.which(proof.PROGRAM) is None,
    reason="no frama-c: install it (Debian: apt-get install frama-c-base)",
)

HARNESSES = {harness.name: harness for harness in proof.plan()[0]}
LINK = HARNESSES["link"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what is proven, to be spoilt."""
    for folder in ("firmware/core", "firmware/app", "firmware/port", proof.FOLDER):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def spoil(path: Path, right: str, wrong: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong), encoding="utf-8")


def few_sizes(root: Path, harness: str, right: str, wrong: str) -> None:
    """A fault that is there at each size is sought at few of them; the proof itself takes all."""
    spoil(root / proof.FOLDER / f"{harness}.c", right, wrong)


def failures(root: Path, harness: proof.Harness = LINK) -> list[str]:
    return proof.analyse(harness, root).failures


def test_the_sources_as_they_are_hold(copy: Path) -> None:
    assert failures(copy) == []


def test_a_byte_too_many_is_found(copy: Path) -> None:
    spoil(copy / "firmware/app/link.c", "size < MODBUS_FRAME_MAX", "size <= MODBUS_FRAME_MAX")
    found = failures(copy)
    assert any(line.startswith("firmware/app/link.c:") and "out of bounds" in line for line in found)


def test_a_word_behind_a_sector_is_found(copy: Path) -> None:
    spoil(copy / "firmware/core/store_boot.c", "offset > size - RECORD_SIZE_MIN", "offset > size")
    assert any("check 'in_the_sector' got status" in line for line in failures(copy, HARNESSES["store"]))


def test_a_part_behind_the_end_of_an_image_is_found(copy: Path) -> None:
    right = "size > (size_t)(reader->end - part)"
    spoil(copy / "firmware/core/reader.c", right, f"{right} + 1")
    few_sizes(copy, "reader", "static uint8_t bytes[WIRE_IMAGE_MAX]", "static uint8_t bytes[256]")
    assert any("check 'refused' got status" in line for line in failures(copy, HARNESSES["reader"]))


def test_arguments_behind_the_end_of_an_order_are_found(copy: Path) -> None:
    spoil(copy / "firmware/core/order.c", "size != ORDER_HEADER", "size > 2 + ORDER_HEADER")
    few_sizes(copy, "order", "any_between(0, sizeof bytes)", "any_between(112, 136)")
    found = failures(copy, HARNESSES["order"])
    assert any("check 'whole' got status" in line for line in found)
    assert any("out of bounds read" in line for line in found)


def test_a_property_of_a_harness_is_checked(copy: Path) -> None:
    spoil(copy / "firmware/app/link.c", "*size = frame->damaged ? 0 : GET(frame->size);", "*size = 257;")
    assert any("check 'a_frame' got status" in line for line in failures(copy))


def test_a_source_that_does_not_parse_is_a_failure(copy: Path) -> None:
    spoil(copy / "firmware/app/link.c", "link->filling ^= 1;", "link->filling ^= ;")
    assert any("did not come to an end" in line for line in failures(copy))


def test_what_is_not_reached_is_a_failure(copy: Path) -> None:
    spoil(copy / LINK.files[0], "while (any_bool())", "while (0)")
    assert any(line.startswith("reached ") for line in failures(copy))
    missed = replace(LINK, functions=LINK.functions + 1)
    assert any(line.startswith("reached ") for line in failures(ROOT, missed))


def test_an_assumption_must_be_allowed(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "//@ admit sure: link->filling <= 1;"
    spoil(copy / "firmware/app/link.c", "    link->filling ^= 1;", f"    {line}\n    link->filling ^= 1;")
    where = proof.assumptions([LINK], copy)
    assert [what for _, what in where] == [line.removeprefix("//@ ")]
    assert proof.prove([LINK], [what for _, what in where], copy) == 0
    assert f"   {where[0][0]}: {where[0][1]}" in capsys.readouterr().out
    assert proof.prove([LINK], [], copy) == 1
    assert "this assumption is not in" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["", "[eva:summary] 0 functions analyzed (out of 0): 100% coverage.\n", "Segmentation fault\n"]
)
@pytest.mark.parametrize("status", [0, 1])
def test_a_report_that_is_missing_is_a_failure(text: str, status: int) -> None:
    assert proof.judge(LINK, status, text, 0.0).failures


def test_an_unknown_harness_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        proof.main(["links"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: there is no harness 'links': the harnesses are crc,")
