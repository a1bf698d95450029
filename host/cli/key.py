"""The key that signs orders, for every command that changes a node: its file, and its passphrase, which never stands on
a command line, where others could read it."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from typing import TYPE_CHECKING

from host.cli.parser import file_name
from host.errors import NeuronError
from host.show.terminal import warn

if TYPE_CHECKING:
    from host.node.keyfile import KeyFile, Signer

VARIABLE = "NEURON485_PASSPHRASE"
PASSPHRASE_MAX = 4096


def add_key_options(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """For commands that change nodes."""
    group = parser.add_argument_group("trust")
    group.add_argument(
        "--key",
        type=file_name,
        metavar="FILE",
        required=required,
        help="sign what changes a node that obeys this key (python -m host.keys)",
    )
    add_passphrase_option(group)


def add_passphrase_option(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--passphrase-file",
        type=file_name,
        metavar="FILE",
        help=f"its first line is the key's passphrase (default: {VARIABLE}, or it is asked for)",
    )


def key_of(args: argparse.Namespace) -> Key | None:
    """The key that the options name, its file read; None where they name none."""
    path = getattr(args, "key", None)
    if path is None:
        if getattr(args, "passphrase_file", None) is not None:
            raise NeuronError("--passphrase-file goes with --key FILE")
        return None
    return Key(path, args.passphrase_file)


class Key:
    """A key's file, opened when it is first needed, and only once. passphrase_file: None where there is none."""

    def __init__(self, path: str, passphrase_file: str | None) -> None:
        from host.node.keyfile import read_key

        self.file: KeyFile = read_key(path)
        self._passphrase_file = passphrase_file
        self._signer: Signer | None = None

    def open(self) -> Signer:
        """NeuronError where there is no passphrase, or a wrong one."""
        if self._signer is None:
            path = self.file.path
            if self.file.exposed:
                warn([f"{path} can be read or changed by others: chmod 600 {path}"])
            self._signer = self.file.open(passphrase_of(path, self._passphrase_file))
        return self._signer


def passphrase_of(path: str, file: str | None, twice: bool = False) -> str:
    """The passphrase of a key's file: the first line of a file, or the variable's, or somebody is asked for it; twice:
    where it is a new one."""
    if file is not None:
        return first_line(file, "passphrase")
    given = os.environ.get(VARIABLE)
    if given is not None:
        return given
    if not _somebody_is_there():
        raise NeuronError(
            f"nobody is there to be asked for the passphrase of {path}: give --passphrase-file FILE, or set {VARIABLE}"
        )
    passphrase = ask(f"Passphrase of {path}: ")
    if twice and ask("The same again: ") != passphrase:
        raise NeuronError("these are two passphrases: nothing was made, try again")
    return passphrase


def _somebody_is_there() -> bool:
    """Standard input may be data."""
    return any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def ask(prompt: str) -> str:
    """Have somebody type what nobody shall see."""
    import getpass

    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise NeuronError("no passphrase was given") from None


def first_line(path: str, what: str) -> str:
    """Of a file that is to be its owner's alone; what: stands there."""
    try:
        with open(path, "rb") as file:
            exposed = os.name != "nt" and os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            line = file.readline(PASSPHRASE_MAX)
    except (OSError, ValueError) as error:
        raise NeuronError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if exposed:
        warn([f"{path}, a {what}, can be read or changed by others: chmod 600 {path}"])
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise NeuronError(f"{path} is no text in UTF-8: its first line shall be the {what}") from None
