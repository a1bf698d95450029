"""Monocypher's source: fetched once, whole or not at all; without it the node is built without hashes."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from host.boards import monocypher, simulated
from host.compiler import ROOT, compile_c
from host.errors import NeuronError

NAME = monocypher.PACKAGE.replace("==", "-")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source distribution, which counts as the published one; nobody has fetched it yet."""
    path = tmp_path / "published.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for name in (*monocypher.FILES, "setup.py"):
            member = tarfile.TarInfo(f"{NAME}/{name}")
            member.size = len(name)
            file.addfile(member, io.BytesIO(name.encode()))
    monkeypatch.setattr(monocypher, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(monocypher, "_folder", lambda: tmp_path / "kept" / NAME)
    return path


def python(archive: Path, script: str) -> str:
    """A Python whose pip does this; $dest is where to."""
    path = archive.with_name("python")
    path.write_text(f'#!/bin/sh\nfor dest; do :; done\necho "$*" >> "{archive}.asked"\n{script}\n')
    path.chmod(0o755)
    return str(path)


def test_it_is_fetched_once(archive: Path) -> None:
    assert monocypher.source() is None
    working = python(archive, f'cp "{archive}" "$dest/{NAME}.tar.gz"')
    folder = monocypher.fetch(working)
    assert folder == monocypher.fetch(working) == monocypher.source()
    kept = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert {name: path.read_text() for name, path in kept.items()} == {
        name: name for name in monocypher.FILES
    }
    (asked,) = Path(f"{archive}.asked").read_text().splitlines()
    assert asked.startswith("-m pip download ")
    assert monocypher.PACKAGE in asked.split()
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo ERROR: no route >&2; exit 1", "when the network is back, run this again: ERROR: no route"),
        ("exit 1", "it said nothing"),
        ("true", "pip could not download"),
        (f'echo other > "$dest/{NAME}.tar.gz"', "is not what PyPI published"),
    ],
)
def test_what_fails_is_one_line_and_leaves_nothing(archive: Path, script: str, said: str) -> None:
    with pytest.raises(NeuronError, match=said) as failure:
        monocypher.fetch(python(archive, script))
    assert "\n" not in str(failure.value)
    assert monocypher.source() is None
    assert list((archive.parent / "kept").iterdir()) == []


def test_another_may_be_faster(archive: Path) -> None:
    folder = archive.parent / "kept" / NAME
    script = f'cp "{archive}" "$dest/{NAME}.tar.gz"; mkdir "{folder}"; touch "{folder}/there"'
    assert monocypher.fetch(python(archive, script)) == folder
    assert [path.name for path in folder.iterdir()] == ["there"]


def test_a_folder_that_cannot_be_is_one_line(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monocypher, "_folder", lambda: archive / NAME)
    with pytest.raises(NeuronError, match=f"{NAME} cannot be made: "):
        monocypher.fetch(python(archive, "true"))


def test_the_node_is_built_with_it_or_without(
    monkeypatch: pytest.MonkeyPatch, archive: Path, tmp_path: Path
) -> None:
    """Without it quickly, for nobody runs that one."""
    monkeypatch.setattr(simulated, "build_folder", lambda: tmp_path)
    monkeypatch.setattr(
        simulated, "compile_c", lambda target, files, flags, cc: compile_c(target, files, [*flags, "-O0"], cc)
    )
    without = simulated.build()
    monkeypatch.undo()
    with_it = simulated.build()
    assert without != with_it
    for program, there in ((without, False), (with_it, True)):
        names = subprocess.run(["nm", str(program)], capture_output=True, text=True, check=True).stdout
        assert ("crypto_eddsa_check" in names) is there


def test_it_is_not_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    texts = [ROOT / name for name in listed.splitlines() if name.endswith((".c", ".h"))]
    assert texts
    assert not [path for path in texts if path.is_file() and b"crypto_eddsa_reduce" in path.read_bytes()]
