"""The board's own firmware obeys a key that whoever is at it has installed, by the commands that people type."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host import deploy, keys
from host.boards import monocypher
from host.cli.key import VARIABLE
from host.core.image import encode
from host.core.wire import REASON_TEXT, Reason
from host.errors import EXIT_FAILURE
from host.node import keyfile
from tests.e2e.scenario import AND, crc_of
from tests.elf.firmware import firmware_elf
from tests.elf.process import elf_node
from tests.patience import ANSWER

PATIENT = ("--timeout", str(ANSWER))


@pytest.mark.skipif(monocypher.source() is None, reason="Monocypher's source is missing")
def test_the_board_obeys_the_key_that_was_installed_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(keyfile, "ARGON_BLOCKS", 8)
    monkeypatch.setenv(VARIABLE, "correct horse")
    key, image = str(tmp_path / "site.key"), tmp_path / "and.img"
    assert keys.main(["new", key]) == 0
    image.write_bytes(encode(AND))
    with elf_node(firmware_elf(), present=True) as node:
        assert keys.main(["install", node.port, "--key", key, *PATIENT]) == 0
        capsys.readouterr()
        assert deploy.main([node.port, str(image), *PATIENT]) == EXIT_FAILURE
        assert capsys.readouterr().err == f"error: {REASON_TEXT[Reason.UNSIGNED]}\n"
        assert deploy.main([node.port, str(image), "--key", key, "--json", *PATIENT]) == 0
        said = json.loads(capsys.readouterr().out)
    assert (said["crc32"], said["trust"]["keyed"]) == (crc_of(AND), True)
