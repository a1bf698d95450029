"""firmware/core/store.c under cuts of power: tests/faults/store_cuts.c, and proof that it notices a broken store."""

from __future__ import annotations

import re
import subprocess

import pytest

from host.boards.compiler import ROOT
from tests.patience import PATIENCE
from tests.programs import COMPILERS, CORE, SANITIZE, program

DRIVER = ["tests/faults/nor.c", "tests/faults/world.c", "tests/faults/store_cuts.c", f"{CORE}/crc.c"]
STORE = f"{CORE}/store.c"

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


def run(store: str, *, cc: str, flags: list[str], thinning: int) -> tuple[int, str]:
    """Cut the power of that store. A second cut follows 1 of `thinning` first ones."""
    made = program("store_cuts", [*DRIVER, store], folders=(), flags=flags, cc=cc)
    done = subprocess.run([made, str(thinning)], capture_output=True, text=True, timeout=PATIENCE)
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
    assert re.search(r"^worn: 12800 commits, \d+ failures$", output, re.MULTILINE)


def test_every_cut() -> None:
    """Every operation, every landing; then a second cut at every operation of what follows, and third ones."""
    # A record of 8 bytes is 8 words and 3 of its verdict, each cut in dozens of ways; 24 bytes and an erase: more.
    result = run(STORE, cc=COMPILERS[0], flags=["-O2"], thinning=1)
    check(*result, first_each=700, second=600_000, third=350_000)


@pytest.mark.parametrize("cc", COMPILERS)
def test_cuts_under_sanitizers(cc: str) -> None:
    check(*run(STORE, cc=cc, flags=SANITIZE, thinning=20), first_each=200, second=5_000, third=3_000)


# ------------------------------------------------------------------------------ the driver notices a broken store

MUTANTS = {
    "commit words before the record": (
        "            next_step(store, STORE_STEP_RECORD);",
        "            next_step(store, STORE_STEP_RECORD);\n"
        "            for (uint32_t at = store->end[store->target] + HEADER_SIZE + store->pending.length, n = 0;\n"
        "                 n < VERDICT_WORDS; n++, at += 4)\n"
        "                program(store, store->target, at, COMMITTED);",
    ),
    "verdict not settled": (
        "program(store, sector, from + 4 * i, committed ? COMMITTED : REFUSED);",
        "(void)from;",
    ),
    "append without a prepared mark": ("bool closed = !prepared(store, sector);", "bool closed = false;"),
    "append behind a refused record": ("            closed = true;", "            closed |= false;"),
    "mark not overwritten": (
        "next_step(store, STORE_STEP_UNMARK);",
        "next_step(store, STORE_STEP_ERASE);",
    ),
    "erase not awaited": ("if (!store->flash.busy(store->flash.context))", "if (true)"),
    "erase not checked": ("store->worn = !good;", ""),
    "record not checked": ("&& !kept(store, offset, &header)", "&& !kept(store, offset, &header) && false"),
    "active sector erased": ("start_erase(store, spare(store));", "start_erase(store, 1 - spare(store));"),
    "one word of a verdict counts": ("while (count < VERDICT_WORDS &&", "while (count < 1 &&"),
    "refusal overwrites the commit words": (
        "program(store, sector, from + 4 * i, committed ? COMMITTED : REFUSED);",
        "program(store, sector, offset + 4 * i + 0 * from, committed ? COMMITTED : 0);",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_driver_notices(name: str) -> None:
    old, new = MUTANTS[name]
    source = (ROOT / STORE).read_text()
    assert old in source, "core/store.c has changed: change this mutation with it"
    mutant = ROOT / "build" / "tests" / "mutants" / f"{name.replace(' ', '_')}.c"
    mutant.parent.mkdir(parents=True, exist_ok=True)
    mutant.write_text(source.replace(old, new))
    status, output = run(str(mutant.relative_to(ROOT)), cc=COMPILERS[0], flags=["-O2"], thinning=4)
    assert status == 1, output
    assert output.splitlines()[-1].startswith("FAILED: start "), output
