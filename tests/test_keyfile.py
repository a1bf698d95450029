"""A key's file: made once, private, opened by its passphrase alone, and never a traceback whatever stands in it."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import monocypher
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.errors import NeuronError
from host.node import keyfile
from host.node.keyfile import FILE_MAX, SIZES, new_key, read_key

PASSPHRASE = "correct horse"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2i is made to be slow; tests/e2e/test_keys.py has it as it is."""
    monkeypatch.setattr(keyfile, "ARGON_BLOCKS", 8)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    new_key(str(path), lambda: PASSPHRASE)
    return path


def changed(path: Path, **values: object) -> str:
    """The file with other values in it."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return str(path)


def test_a_new_key_signs(tmp_path: Path) -> None:
    path = str(tmp_path / "key.json")
    public = new_key(path, lambda: PASSPHRASE)
    signer = read_key(path).open(PASSPHRASE)
    assert signer.public == read_key(path).public == public
    assert monocypher.signature_check(signer.sign(b"message"), public, b"message")
    assert os.listdir(tmp_path) == ["key.json"]


def test_no_two_keys_are_alike(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one", "two")]
    for file in files:
        new_key(str(file), lambda: PASSPHRASE)
    one, two = (json.loads(file.read_text()) for file in files)
    assert all(one[name] != two[name] for name in SIZES)


def test_only_its_owner_reads_it(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert not read_key(str(made)).exposed
    for mode in (0o640, 0o604, 0o620, 0o602):
        made.chmod(mode)
        assert read_key(str(made)).exposed


def test_it_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        new_key(str(tmp_path / "key.json"), lambda: PASSPHRASE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("link", [False, True])
def test_nothing_is_overwritten(tmp_path: Path, link: bool) -> None:
    path = tmp_path / "key.json"
    if link:
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.write_text("mine")
    with pytest.raises(NeuronError, match="never overwritten"):
        new_key(str(path), lambda: pytest.fail("asked in vain"))
    assert os.listdir(tmp_path) == ["key.json"]
    assert link or path.read_text() == "mine"


def test_who_comes_first_keeps_the_name(tmp_path: Path) -> None:
    path = tmp_path / "key.json"

    def passphrase() -> str:
        path.write_text("another's")
        return PASSPHRASE

    with pytest.raises(NeuronError, match="never overwritten"):
        new_key(str(path), passphrase)
    assert path.read_text() == "another's"
    assert os.listdir(tmp_path) == ["key.json"]


def test_a_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    def passphrase() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        new_key(str(tmp_path / "key.json"), passphrase)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["no/folder/key", "nul\0"])
def test_where_none_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NeuronError, match="cannot write"):
        new_key(name, lambda: PASSPHRASE)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("passphrase", ["", "correct horse ", "Correct horse"])
def test_a_wrong_passphrase(made: Path, passphrase: str) -> None:
    with pytest.raises(NeuronError, match=r"key\.json: wrong passphrase, or the file was changed"):
        read_key(str(made)).open(passphrase)


def test_a_passphrase_is_the_same_in_both_ways_of_unicode(tmp_path: Path) -> None:
    path = str(tmp_path / "key.json")
    new_key(path, lambda: "Schl\u00fcssel \udcff")
    read_key(path).open("Schlu\u0308ssel \udcff")


@pytest.mark.parametrize("name", SIZES)
def test_every_field_is_authenticated(made: Path, name: str) -> None:
    value = bytearray.fromhex(json.loads(made.read_text())[name])
    value[len(value) // 2] ^= 1
    with pytest.raises(NeuronError, match="wrong passphrase, or the file was changed"):
        read_key(changed(made, **{name: value.hex()})).open(PASSPHRASE)


def test_a_secret_under_another_public_key(tmp_path: Path) -> None:
    secret, _ = monocypher.generate_signing_key_pair()
    _, public = monocypher.generate_signing_key_pair()
    path = tmp_path / "key.json"
    path.write_bytes(keyfile._sealed(secret, public, PASSPHRASE))
    with pytest.raises(NeuronError, match="its public key is not that of its secret"):
        read_key(str(path)).open(PASSPHRASE)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [None, 7, "", "zz", "00", "00" * 65, ["00"], {}, True])
def test_fields_that_are_none(made: Path, name: str, value: object) -> None:
    with pytest.raises(NeuronError, match=f"{name} is not"):
        read_key(changed(made, **{name: value}))


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version(made: Path, version: object) -> None:
    with pytest.raises(NeuronError, match="another version than 1: update the program"):
        read_key(changed(made, version=version))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b"[" * 4000,
        b'{"neuron485": "model"}',
        b" " * FILE_MAX + b"{}",
    ],
)
def test_files_that_are_no_keys(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(NeuronError, match="is no key's file"):
        read_key(str(path))


@given(st.binary(max_size=300))
def test_whatever_stands_in_it(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    with pytest.raises(NeuronError):
        read_key(str(path))


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("", "folder"), ("pipe", "pipe"), ("none", "cannot be read")):
        with pytest.raises(NeuronError, match=said):
            read_key(str(tmp_path / name))


def test_a_secret_is_never_shown(made: Path) -> None:
    file = read_key(str(made))
    signer = file.open(PASSPHRASE)
    shown = repr(file) + repr(signer) + str(signer)
    assert file.fields["secret"].hex() not in shown
    assert repr(file.fields["secret"]) not in shown
    assert repr(signer._secret) not in shown


def test_without_the_library_one_line_says_so(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "monocypher", None)
    file = read_key(str(made))  # to look into it needs no library
    with pytest.raises(NeuronError, match=r"pip install 'neuron485\[trust\]'$"):
        file.open(PASSPHRASE)
    with pytest.raises(NeuronError, match="not installed"):
        new_key(str(made.with_name("other")), lambda: PASSPHRASE)
