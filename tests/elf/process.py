"""The ELF in a process of its own, on a pty, for tests that use the ordinary tools of host/."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.patience import PATIENCE

from .firmware import prepared

ROOT = Path(__file__).parents[2]
SOON = PATIENCE


class ElfNode:
    """`port` is the pty; `shows()` tells of the lamp; a violation of the firmware ends the process."""

    def __init__(self, elf: Path, folder: Path, present: bool) -> None:
        link, flash = folder / "node", folder / "flash.bin"
        flash.write_bytes(prepared(elf))
        command = [sys.executable, "-m", "tests.elf", str(elf), "--link", str(link)]
        command += ["--follow", "--flash", str(flash), *["--present"] * present]
        self.port = str(link)
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._lit = False
        self._changed = threading.Condition()
        assert self._process.stdout is not None
        assert "the node is at" in self._process.stdout.readline()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lit = "LED on" in line
                self._changed.notify_all()

    def shows(self, lit: bool) -> bool:
        """The lamp is so, or soon becomes so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._lit == lit, SOON)

    def stop(self) -> None:
        self._process.terminate()
        status = self._process.wait(SOON)
        self._reader.join(SOON)
        assert self._process.stderr is not None
        assert self._process.stdout is not None
        said = self._process.stderr.read()
        self._process.stderr.close()
        self._process.stdout.close()
        assert status == 0, said


@contextmanager
def elf_node(elf: Path, *, present: bool = False) -> Iterator[ElfNode]:
    """present: somebody is at the board."""
    with tempfile.TemporaryDirectory() as folder:
        node = ElfNode(elf, Path(folder), present)
        try:
            yield node
        finally:
            node.stop()
