"""Power is cut on the real ELF at random instructions while a key or a counter goes into the flash: afterwards it is
the old one or the new, no counter that was used comes again, and the next order is obeyed.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from host.core.order import NO_KEY, coils_arguments, key_arguments
from host.core.registers import bytes_registers
from host.core.wire import BY_NAME, ORDER_AHEAD, Command, Format, Gap, OrderResult
from tests.elf import Machine
from tests.elf.firmware import START_MS, firmware_elf, ready
from tests.elf.master import Master, Refused
from tests.owner import FIRST, Owner
from tests.test_elf_cuts import BAUD, ERASE, Case, Trial, cut_times, patient
from tests.test_elf_present import HELD, LOOK_MS, PIN

CUTS = 10
"""In each case."""
OWNER, OTHER = Owner(), Owner(2)
NOTHING = coils_arguments(1, 1, 0)


def give(master: Master, order: bytes) -> None:
    """An order, which is carried out."""
    master.write(BY_NAME["ORDER"].address, bytes_registers(order))
    master.wait_idle()
    assert master.value("ORDER_RESULT") == OrderResult.DONE


def order(
    owner: Owner, master: Master, command: Command, arguments: bytes, counter: int | None = None
) -> bytes:
    """One for this chip, with the next counter."""
    number = master.value("ORDER_COUNTER") + 1 if counter is None else counter
    return owner.order(command, arguments, target=master.bytes_of("UID"), counter=number)


def started(machine: Machine) -> Master:
    """The node after a power-on that lasted, heard at its own rate."""
    machine.boot()
    machine.run(milliseconds=START_MS + LOOK_MS)
    master = patient(machine)
    master.follow(BAUD, Format.F8E1)
    master.wait_idle()
    return master


# ------------------------------------------------------------------------------------------------------ what is cut


def install(master: Master) -> None:
    master.machine.run(milliseconds=LOOK_MS)  # it has been looking at the pin
    give(master, order(OWNER, master, Command.KEY, key_arguments(OWNER.key), FIRST))


def rotate(master: Master) -> None:
    give(master, order(OWNER, master, Command.KEY, key_arguments(OTHER.key, guarded=True)))


def count(master: Master) -> None:
    give(master, order(OWNER, master, Command.COILS, NOTHING))


def key(master: Master) -> int:
    return int.from_bytes(master.bytes_of("KEY"), "little")


def counter(master: Master) -> int:
    return master.value("ORDER_COUNTER")


def number(key: bytes) -> int:
    return int.from_bytes(key, "little")


ONCE = FIRST + ORDER_AHEAD
"""What is kept with the first key."""
CASES = {
    "first key": Case("ready", install, key, number(NO_KEY), number(OWNER.key)),
    "another key": Case("owned", rotate, key, number(OWNER.key), number(OTHER.key)),
    "counter": Case("owned", count, counter, ONCE, ONCE + 1 + ORDER_AHEAD),
}


@pytest.fixture(scope="module")
def elf() -> Path:
    return firmware_elf()


@pytest.fixture(scope="module")
def flashes(elf: Path) -> dict[str, bytes]:
    master = ready(elf)
    master.set_line(BAUD, Format.F8E1, Gap.TRUE_CHARACTERS)
    master.wait_idle()
    found = {"ready": master.machine.flash_image}
    master.machine.pins[PIN] = HELD
    started(master.machine)
    install(master)
    master.wait_idle()
    return {**found, "owned": master.machine.flash_image}


@pytest.mark.parametrize("name", CASES)
def test_a_cut_leaves_the_old_or_the_new(elf: Path, flashes: dict[str, bytes], name: str) -> None:
    case = CASES[name]
    rng = random.Random(f"485 trust {name}")
    machine = Machine(elf, flash=flashes[case.before])
    machine.chip.flash.slowness = ERASE
    if case.before == "ready":
        machine.pins[PIN] = HELD
    machine.run(milliseconds=START_MS)
    trial = Trial(machine, flashes[case.before], case)
    cuts = list(cut_times(trial, rng))[:CUTS]
    seen = {case.old: 0, case.new: 0}
    torn = 0
    for cut, us in enumerate(cuts):
        powered_on = machine.us
        trial.until(trial.start(), powered_on + us)
        torn += machine.cut_power(seed=cut) is not None
        if cut % 5 == 0:  # and once more, at some instant of the recovery
            machine.boot()
            machine.run(microseconds=rng.uniform(2300, 60_000))
            machine.cut_power(seed=cut + 1)
        after = started(machine)
        found = case.state(after)
        assert found in seen, f"cut {cut} at {us:.3f} us: {found:#x}"
        seen[found] += 1
        used = counter(after)
        assert used in (0, ONCE, ONCE + 1 + ORDER_AHEAD)
        assert (used > 0) == (key(after) != 0)
        assert not after.value("FAULTS")
        if used and cut % 3 == 0:
            owner = OWNER if key(after) == number(OWNER.key) else OTHER
            with pytest.raises(Refused):
                give(after, order(owner, after, Command.COILS, NOTHING, used))
            give(after, order(owner, after, Command.COILS, NOTHING))
    assert min(seen.values()) > 0
    assert torn > CUTS // 4
