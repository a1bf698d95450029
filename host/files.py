"""Files that are whole or not there."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from host.errors import NeuronError

SPECIAL: dict[Callable[[int], bool], str] = {
    stat.S_ISDIR: "a folder",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
}
"""What a name may stand for that is never replaced by a file."""


def kind_of(mode: int) -> str | None:
    """What stands there instead of a regular file; None: it is one."""
    return next((what for test, what in SPECIAL.items() if test(mode)), None)


@contextmanager
def _writing(path: str | Path) -> Iterator[None]:
    """What the system refuses is one line about `path`."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise NeuronError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None


def _target(path: str | Path) -> tuple[Path, int | None]:
    """The file behind the links of `path`, and its permissions where it is there; it may be replaced."""
    ends_as_folder = str(path).endswith(("/", os.sep)) or not str(path)
    target = Path(os.path.realpath(path))
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if ends_as_folder:
            raise NeuronError(f"cannot write {path}: it names no file") from None
        if not target.parent.exists():
            raise NeuronError(f"cannot write {path}: there is no folder {target.parent}") from None
        return target, None
    what = kind_of(mode)
    if what:
        raise NeuronError(f"cannot write {path}: it is {what}, and only files are replaced")
    if not os.access(target, os.W_OK):
        raise NeuronError(f"cannot write {path}: it is write-protected")
    return target, stat.S_IMODE(mode)


def _part_of(target: Path) -> Path:
    return target.with_name(f".{os.getpid()}.part")


def require_writable(path: str | Path, beside: Mapping[str, str | None] | None = None) -> None:
    """For before long work: NeuronError where `replace_file` cannot write `path`, or where it is one of the files
    `beside` it, which go by the options that name them."""
    with _writing(path):
        target, _ = _target(path)
        for option, other in (beside or {}).items():
            if other is not None and _same(target, other):
                raise NeuronError(f"cannot write {path}: it is the file of {option}; choose another name")
        part = _part_of(target)
        part.unlink(missing_ok=True)
        part.open("xb").close()
        part.unlink()


def _same(target: Path, other: str) -> bool:
    """Whether both are one file, or would be, through links too."""
    if os.path.exists(target) and os.path.exists(other):
        return os.path.samefile(target, other)
    return os.path.realpath(other) == str(target)


@contextmanager
def replacing(path: str | Path) -> Iterator[Callable[[bytes], None]]:
    """A function that writes a file piece by piece. When the context ends well, what was written takes the place of
    `path`, whole; however else it ends, that stays as it was. A link stays: the file that it leads to is replaced.
    Permissions stay too."""
    with _writing(path):
        target, permissions = _target(path)
        part = _part_of(target)
        part.unlink(missing_ok=True)
        file = part.open("xb")

    def write(data: bytes) -> None:
        with _writing(path):
            file.write(data)

    try:
        yield write
        with _writing(path):
            if permissions is not None:
                os.chmod(part, permissions)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            os.replace(part, target)
    finally:
        with suppress(OSError):  # of a disk that is full, which was said
            file.close()
        part.unlink(missing_ok=True)


def replace_file(path: str | Path, data: bytes) -> None:
    """Write a file, whole or not at all, as `replacing` does."""
    with replacing(path) as write:
        write(data)
