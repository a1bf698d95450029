"""A key's file: the public key in clear, the secret one behind a passphrase.

    {"neuron485": "key", "version": 1, "public": 32 bytes, "salt": 16, "nonce": 24, "mac": 16, "secret": 64}

in hexadecimal. The secret is encrypted and authenticated by XChaCha20-Poly1305, the rest of the file along with it, by
a key of Argon2i over the passphrase (in UTF-8, NFC): all of it Monocypher's, as are the signatures (EdDSA over
Curve25519 with BLAKE2b). Signing needs the package pymonocypher; to look into a file does not.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import sys
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.core.wire import KEY_BYTES
from host.errors import NeuronError
from host.files import kind_of

VERSION = 1
"""Says what the passphrase becomes a key by: ARGON_BLOCKS of 1 KiB and ARGON_PASSES."""
ARGON_BLOCKS, ARGON_PASSES = 65536, 3
SIZES = {"public": KEY_BYTES, "salt": 16, "nonce": 24, "mac": 16, "secret": 64}
FILE_MAX = 4096
MODE = 0o600


def monocypher() -> Any:
    """The library, which only those need who sign."""
    try:
        import monocypher  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise NeuronError(
            "keys and signed orders need pymonocypher, which is not installed: "
            f"{sys.executable} -m pip install 'neuron485[trust]'"
        ) from None
    return monocypher


@dataclass(frozen=True)
class Signer:
    """An opened key. path: of its file; public: its 32 bytes."""

    path: str
    public: bytes
    _secret: bytes = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of its signature."""
        return bytes(monocypher().signature_sign(self._secret, message))


@dataclass(frozen=True)
class KeyFile:
    """A key's file as it stands there, still closed. exposed: others may read it, or write it."""

    path: str
    fields: dict[str, bytes] = field(repr=False)
    exposed: bool

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key: the file's word for it, until it is opened."""
        return self.fields["public"]

    def open(self, passphrase: str) -> Signer:
        """NeuronError where the passphrase is wrong."""
        fields, library = self.fields, monocypher()
        secret = library.unlock(
            _locked_by(passphrase, fields["salt"]),
            fields["nonce"],
            fields["mac"],
            fields["secret"],
            _beside(fields),
        )
        if secret is None:
            raise NeuronError(f"{self.path}: wrong passphrase, or the file was changed")
        secret = bytes(secret)
        if library.compute_signing_public_key(secret) != self.public:
            raise NeuronError(f"{self.path} is no good key: its public key is not that of its secret")
        return Signer(self.path, self.public, secret)


def _locked_by(passphrase: str, salt: bytes) -> bytes:
    """The key, 32 bytes, that encrypts the secret."""
    words = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    return bytes(monocypher().argon2i_32(ARGON_BLOCKS, ARGON_PASSES, words, salt))


def _beside(fields: dict[str, bytes]) -> bytes:
    """What is authenticated along with the secret."""
    return b"neuron485 key\0" + bytes([VERSION]) + fields["public"] + fields["salt"]


def read_key(path: str) -> KeyFile:
    """The key's file, checked but for what the passphrase opens; NeuronError where it is none."""
    try:
        status = os.stat(path)
        what = kind_of(status.st_mode)
        if what:
            raise NeuronError(f"{path} is {what}, not a key's file")
        with open(path, "rb") as file:
            data = file.read(FILE_MAX + 1)
    except (OSError, ValueError) as error:
        raise NeuronError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    exposed = os.name != "nt" and bool(status.st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    return KeyFile(path, _fields(path, data), exposed)


def _fields(path: str, data: bytes) -> dict[str, bytes]:
    no_key = NeuronError(f"{path} is no key's file: python -m host.keys new FILE makes one")
    try:
        values = json.loads(data) if len(data) <= FILE_MAX else None
    except (ValueError, RecursionError):
        raise no_key from None
    if not isinstance(values, dict) or values.get("neuron485") != "key":
        raise no_key
    if values.get("version") != VERSION:
        raise NeuronError(f"{path} is a key's file of another version than {VERSION}: update the program")
    fields = {}
    for name, size in SIZES.items():
        with suppress(ValueError):
            fields[name] = bytes.fromhex(str(values.get(name)))
        if len(fields.get(name, b"")) != size:
            raise NeuronError(f"{path} is no good key's file: {name} is not {size} bytes in hexadecimal")
    return fields


def new_key(path: str, passphrase: Callable[[], str]) -> bytes:
    """Make a key and its file, which must not be there yet, readable by its owner only; the public key.

    The passphrase is asked for when all else is known to be well. The file is whole or not there, also after a loss of
    power.
    """
    library = monocypher()
    target = Path(path)
    if os.path.lexists(path):
        raise NeuronError(f"{path} is there already, and a key is never overwritten: choose another name")
    part = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        try:
            with os.fdopen(number, "wb") as file:
                secret, public = library.generate_signing_key_pair()
                file.write(_sealed(bytes(secret), bytes(public), passphrase()))
                file.flush()
                os.fsync(file.fileno())
            _name(part, target)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError:
        raise NeuronError(f"{path} is there by now, and a key is never overwritten") from None
    except (OSError, ValueError) as error:
        raise NeuronError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None
    return bytes(public)


def _name(part: Path, target: Path) -> None:
    """Give a whole file its name, unless that is taken."""
    if os.name == "nt":
        os.rename(part, target)  # which there never replaces anything
        return
    os.link(part, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _sealed(secret: bytes, public: bytes, passphrase: str) -> bytes:
    """The bytes of a key's file."""
    fields = {
        "public": public,
        "salt": secrets.token_bytes(SIZES["salt"]),
        "nonce": secrets.token_bytes(SIZES["nonce"]),
    }
    locked_by = _locked_by(passphrase, fields["salt"])
    mac, sealed = monocypher().lock(locked_by, fields["nonce"], secret, _beside(fields))
    fields |= {"mac": bytes(mac), "secret": bytes(sealed)}
    values = {"neuron485": "key", "version": VERSION} | {name: fields[name].hex() for name in SIZES}
    return (json.dumps(values, indent=2) + "\n").encode()
