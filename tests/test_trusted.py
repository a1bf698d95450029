"""What a node says of whom it obeys is checked like what a stranger says."""

from __future__ import annotations

from typing import Any

import pytest

from host.core.wire import BY_NAME, OrderResult, Reason, Trust
from host.node.identity import Strange
from host.node.trusted import TRUSTED, trusted_of

KEY = bytes(range(32))
HASH = bytes(range(32, 64))


def words(**values: Any) -> list[int]:
    """The block's registers: zeros, but for these."""
    nothing = {row.name: bytes(row.count) if row.kind == "bytes" else 0 for row in TRUSTED.rows}
    return TRUSTED.pack({**nothing, **values})


def bits(*has: Trust) -> int:
    return sum(1 << bit for bit in has)


def test_one_request_reads_it() -> None:
    assert (TRUSTED.address, TRUSTED.count) == (BY_NAME["TRUST"].address, 91)


def test_a_node_without_any() -> None:
    trusted = trusted_of(words())
    assert not any(getattr(trusted, bit.name.lower()) for bit in Trust)
    assert trusted.key == trusted.model_hash == trusted.firmware_hash == b""
    assert trusted.result is OrderResult.NONE


@pytest.mark.parametrize("bit", Trust)
def test_each_bit_by_its_name(bit: Trust) -> None:
    trusted = trusted_of(words(TRUST=bits(bit)))
    assert [has for has in Trust if getattr(trusted, has.name.lower())] == [bit]


def test_all_of_it() -> None:
    said = trusted_of(
        words(
            TRUST=bits(Trust.KEYED, Trust.CRYPTO),
            RELEASE_FLOOR=3,
            FIRMWARE_FLOOR=1,
            KEY=KEY,
            ORDER_COUNTER=2**32 - 1,
            ORDER_RESULT=OrderResult.REFUSED,
            ORDER_REASON=Reason.COUNTER,
            TRIAL_LEFT=60,
            MODEL_RELEASE=4,
            MODEL_HASH=HASH,
        )
    ).as_dict()
    assert said == {
        **dict.fromkeys(("present", "locked", "guarded"), False),
        **dict.fromkeys(("staged_hash", "previous_hash", "firmware_hash"), ""),
        "keyed": True,
        "crypto": True,
        "release_floor": 3,
        "firmware_floor": 1,
        "key": KEY.hex(),
        "counter": 2**32 - 1,
        "result": "REFUSED",
        "reason": "COUNTER",
        "trial_left": 60,
        "release": 4,
        "model_hash": HASH.hex(),
    }


@pytest.mark.parametrize(
    "values",
    [
        {"TRUST": 1 << len(Trust)},
        {"TRUST": 0xFFFF},
        {"ORDER_RESULT": len(OrderResult)},
        {"ORDER_REASON": 0xFFFF},
        {"KEY": KEY},
        {"KEY": KEY, "TRUST": bits(Trust.KEYED)},
        {"KEY": KEY, "TRUST": bits(Trust.CRYPTO)},
    ],
)
def test_what_no_node_can_say(values: dict[str, Any]) -> None:
    with pytest.raises(Strange):
        trusted_of(words(**values))
