"""firmware/core/store*.c under cuts of power and rotten bits, and proof that the programs notice a broken store.

tests/faults/store_cuts.c cuts, tests/faults/store_rot.c turns bits over.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

import pytest

from host.compiler import ROOT
from tests.patience import PATIENCE
from tests.programs import COMPILERS, CORE, SANITIZE, program

FAULTS = ["tests/faults/nor.c", "tests/faults/world.c", f"{CORE}/crc.c"]
DRIVER = [*FAULTS, "tests/faults/store_cuts.c"]
ROT = [*FAULTS, "tests/faults/store_rot.c"]
STORE = [f"{CORE}/store_boot.c", f"{CORE}/store.c"]
RECORDS = f"{CORE}/store_records.h"

STARTS = {
    "blank",
    "blank, prepared",
    "garbage",
    "one model",
    "several in a sector",
    "full: into the spare",
    "spare in use: its tail",
    "spare holds the previous",
    "one fills a sector",
    "rollback",
    "rollback over sectors",
    "looks like records",
    "refused",
    "refused, in the way",
    "settings, hundreds",
    "largest models",
    "largest, like records",
}


def run(
    store: Sequence[str], *, cc: str, flags: list[str], thinning: int, anew: bool = False
) -> tuple[int, str]:
    """Cut the power of that store. A second cut follows 1 of `thinning` first ones; `anew`: see store_cuts.c."""
    made = program("store_cuts", [*DRIVER, *store], folders=(), flags=flags, cc=cc)
    command = [made, str(thinning), *(["anew"] if anew else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout + done.stderr


def check(status: int, output: str, *, first_each: int, second: int, third: int) -> None:
    """All starts, all cuts, nothing broken: at least `first_each` in each start, `second` and `third` in all."""
    assert status == 0, output
    counts = re.findall(
        r"^(.+): (\d+) first, (\d+) second, (\d+) third cuts; (\d+) old, (\d+) new$", output, re.MULTILINE
    )
    assert {name for name, *_ in counts} == STARTS
    for name, first, *_, old, new in counts:
        assert int(first) > first_each, name
        assert min(int(old), int(new)) > first_each // 10, name
    assert sum(int(row[1]) for row in counts) > 20 * first_each
    assert sum(int(row[2]) for row in counts) > second
    assert sum(int(row[3]) for row in counts) > third
    assert int(re.search(r"^a long life: (\d+) cuts$", output, re.MULTILINE)[1]) > 10_000  # type: ignore[index]
    for number in (r"half erased: (\d+) boots", r"low supply: (\d+) verdicts made late"):
        assert int(re.search(rf"^{number}$", output, re.MULTILINE)[1]) > 1000  # type: ignore[index]
    assert re.search(r"^worn: 12800 commits, \d+ failures$", output, re.MULTILINE)


@pytest.mark.parametrize(
    "anew", [False, True], ids=["weak bits drawn at start", "weak bits drawn at every read"]
)
def test_every_cut(anew: bool) -> None:
    """Every operation, every landing; then a second cut at every operation of what follows, and third ones. Where a
    weak bit stays what it was drawn, which is the milder flash, second ones follow one first cut in four."""
    thinning = 1 if anew else 4
    # A record of 8 bytes is 8 words and 3 of its verdict, each cut in dozens of ways; 24 bytes and an erase: more.
    result = run(STORE, cc=COMPILERS[0], flags=["-O2"], thinning=thinning, anew=anew)
    check(*result, first_each=700, second=640_000 // thinning, third=380_000 // thinning)


@pytest.mark.parametrize("cc", COMPILERS)
def test_cuts_under_sanitizers(cc: str) -> None:
    result = run(STORE, cc=cc, flags=SANITIZE, thinning=20, anew=True)
    check(*result, first_each=200, second=5_000, third=3_000)


def rot(store: Sequence[str], *, cc: str, flags: list[str], stride: int, thin: int = 1) -> tuple[int, str]:
    """Let the bits of that store's flash rot: 1 of `stride`, and 1 of `thin` sets of them."""
    made = program("store_rot", [*ROT, *store], folders=(), flags=flags, cc=cc)
    done = subprocess.run([made, str(stride), str(thin)], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout + done.stderr


ROTTEN = re.compile(
    r"^(.+): (\d+) bits, (\d+) sets; " + ", ".join([r"(\d+) [a-z ]+"] * 5) + "$", re.MULTILINE
)


def check_rot(status: int, output: str, *, stride: int, sets: int) -> None:
    """All starts; 1 of `stride` single bits in those whose sector is full; no promise broken."""
    assert status == 0, output
    rows = ROTTEN.findall(output)
    assert len(rows) == 8, output
    assert all(int(count) == 0 for row in rows for count in row[3:]), output
    assert all(int(row[2]) >= sets for row in rows), output
    # of the payloads of the largest, one bit in seven
    for name, bits in (
        ("settings fill a sector", 8 * 16384),
        ("models fill a sector", 8 * 16384),
        ("largest models", 18724),
    ):
        assert next(int(row[1]) for row in rows if row[0] == name) > bits // stride, output


def test_every_bit() -> None:
    """Every bit of a sector full of settings and of one full of models turned over; of other payloads of models one in
    seven, as their CRC-32 is all that reads them; and thousands of sets of bits."""
    check_rot(*rot(STORE, cc=COMPILERS[0], flags=["-O2"], stride=1), stride=1, sets=3000)


@pytest.mark.parametrize("cc", COMPILERS)
def test_rot_under_sanitizers(cc: str) -> None:
    check_rot(*rot(STORE, cc=cc, flags=SANITIZE, stride=511, thin=9), stride=511, sets=333)


# ---------------------------------------------------------------------------- the programs notice a broken store

MUTANTS = {
    "commit words before the record": (
        "            next_step(store, STORE_STEP_RECORD);",
        "            next_step(store, STORE_STEP_RECORD);\n"
        "            for (uint32_t at = store->end[store->target] + HEADER_SIZE + store->pending.length, n = 0;\n"
        "                 n < VERDICT_WORDS; n++, at += 4)\n"
        "                program(store, store->target, at, COMMITTED);",
    ),
    "verdict not settled": ("program(store, sector, from + 4 * i, word);", ""),
    "header not settled": ("    if (!verdict->committed)\n", "    if (false)\n"),
    "mark not settled": ("program(store, store->target, 4, prepared_mark[1]);", "(void)0;"),
    "append without a prepared mark": ("bool closed = mark != MARK_PREPARED,", "bool closed = false,"),
    "mark not overwritten": (
        "next_step(store, STORE_STEP_UNMARK);",
        "next_step(store, STORE_STEP_ERASE);",
    ),
    "erase not awaited": ("if (store->flash.busy(store->flash.context))", "if (false)"),
    "wear not remembered": (
        "next_step(store, store->worn ? STORE_STEP_IDLE : STORE_STEP_MARK);",
        "next_step(store, store->worn ? STORE_STEP_IDLE : STORE_STEP_MARK), store->worn = false;",
    ),
    "record not checked": ("&& !kept(store, offset, &header)", "&& !kept(store, offset, &header) && false"),
    "active sector erased": ("start_erase(store, spare(store));", "start_erase(store, 1 - spare(store));"),
    "one word of a verdict counts": ("commits > judgement->refusals", "commits > 0"),
    "refusal overwrites the commit words": (
        "verdict->offset + (verdict->committed ? 0 : VERDICT_SIZE);",
        "verdict->offset;",
    ),
    "half-erased records are judged": ("if (mark == MARK_NONE) {", "if (false) {"),
    "half-erased records are used": ("if (use)", "if (use || true)"),
    "every damage is told": ("used - end > HEADER_SIZE && zeros > FLAWS_MAX", "zeros > FLAWS_MAX"),
    "low supply not heeded": ("    if (!ready(store))\n        return false;\n    if", "    if"),
    "low supply not heeded at the start": (
        "    if (!ready(store))\n        return false;\n    /*",
        "    /*",
    ),
    "verdict never made late": (
        "            store->unsettled = true;",
        "            store->unsettled |= false;",
    ),
    "what is being erased is told": ("    if (mark >= MARK_FLAWED)\n", "    if (true)\n"),
}


ROT_MUTANTS = {
    "header not bound to its offset": ("place[] = {sector, offset};", "place[] = {sector, 0 * offset};"),
    "header not bound to its sector": ("place[] = {sector, offset};", "place[] = {0 * sector, offset};"),
    "no search behind a bad header": ("            offset += 4;\n", "            offset = size;\n"),
    "the first commit word decides": (
        "found.commits += commit[i] == COMMITTED;",
        "found.commits += commit[0] == COMMITTED;",
    ),
    "damage not told": ("store->rotten = loss.hidden > 0 ||", "store->rotten ="),
    "a bad payload not told": ("loss.sequence > store->active.sequence;", "false;"),
    "damaged verdict not told": ("found.damaged |= i > 0 && commit[i] != BLANK;", ""),
    "damaged verdict refused": ("if (found.unfinished && !damaged) {", "if (found.unfinished) {"),
    "flawed mark not told": ("flaws <= FLAWS_MAX ? MARK_FLAWED :", "false ? MARK_FLAWED :"),
    "a number used again": ("store->sequence += loss.hidden;", ""),
    "evidence erased": ("!store->worn && !store->rotten &&", "!store->worn &&"),
    "told for ever": ("result == STORE_OK && store->rotten ?", "false ?"),
    "told again at the next start": ("    program(store, spare(store), 0, UNMARKED);\n", ""),
}


def mutant(name: str, old: str, new: str) -> list[str]:
    """The store with that change, as one file."""
    source = "".join((ROOT / path).read_text() for path in (RECORDS, *STORE))
    source = source.replace('#include "core/store_records.h"\n', "")
    assert old in source, "the store has changed: change this mutation with it"
    path = ROOT / "build" / "tests" / "mutants" / f"{name.replace(' ', '_')}.c"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source.replace(old, new))
    return [str(path.relative_to(ROOT))]


@pytest.mark.parametrize("name", MUTANTS)
def test_cuts_notice(name: str) -> None:
    store = mutant(name, *MUTANTS[name])
    status, output = run(store, cc=COMPILERS[0], flags=["-O2"], thinning=4, anew=True)
    assert status == 1, output
    assert output.splitlines()[-1].startswith("FAILED: start "), output


@pytest.mark.parametrize("name", ROT_MUTANTS)
def test_rot_notices(name: str) -> None:
    store = mutant(name, *ROT_MUTANTS[name])
    status, output = rot(store, cc=COMPILERS[0], flags=["-O2"], stride=61)
    assert status == 1, output  # after the first start in which it was seen
    assert output.startswith("FAILED: start ") or ROTTEN.search(output), output
