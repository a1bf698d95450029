"""The ways to build host/training/fast.c: by each compiler here, for any processor of its kind and for this one's
own vectors and fused multiply-add."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from host.training import fast
from tests.programs import COMPILERS

NATIVE = "-march=native"
assert NATIVE in fast.FLAGS
GENERIC = [flag for flag in fast.FLAGS if flag != NATIVE]
BUILDS = {
    f"{cc} {name}": (cc, flags)
    for cc in COMPILERS
    for name, flags in (("native", fast.FLAGS), ("generic", GENERIC))
}


@contextmanager
def built(cc: str, flags: list[str]) -> Iterator[None]:
    """host.training.fast trains by the library that this compiler makes with these flags, however small the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", cc)
        patch.setattr(fast, "FLAGS", flags)
        patch.setattr(fast, "pays", lambda config, samples: True)
        fast.library.cache_clear()
        try:
            assert fast.library(True) is not None
            yield
        finally:
            fast.library.cache_clear()
