"""Sample firmwares, built once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .build import build, compiler_lacks

Builder = Callable[..., Path]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """sample("echo", "-DDMA") is the path of the ELF."""
    if lack := compiler_lacks():
        pytest.skip(lack)
    folder = tmp_path_factory.mktemp("samples")
    built: dict[tuple[str, ...], Path] = {}

    def make(name: str, *options: str) -> Path:
        key = (name, *options)
        if key not in built:
            built[key] = build(name, folder / f"{name}{len(built)}.elf", *options)
        return built[key]

    return make
