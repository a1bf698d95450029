"""A text file as blocks of whole lines. What has no end, or is no text, is found here, and so is a stray quote."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from host.errors import NeuronError
from host.progress import Progress

LINE_MAX = 1 << 20
DATA_MAX = 1 << 28
"""Bytes of a row, and of all: what is longer is no data, and may have no end."""
BLOCK = 1 << 21
"""Bytes that are read at once."""
READING = "read the data, MB"
STDIN = "standard input"
LF, QUOTE = b'\n"'


@dataclass(frozen=True)
class Block:
    """text: whole rows in UTF-8, each ends in LF; line: how many lines of the file stand before."""

    text: bytes
    line: int

    def line_at(self, offset: int) -> int:
        """The line, as an editor counts it, on which that byte stands."""
        return self.line + self.text.count(b"\n", 0, offset) + 1


class Source:
    """A file that can be read again and again: what cannot (a pipe, standard input as `-`) is held."""

    def __init__(self, path: str | Path, progress: Progress) -> None:
        self.path = STDIN if str(path) == "-" else str(path)
        self._progress = progress
        self._held: list[Block] | None = None
        with self._opened() as file:
            status = os.fstat(file.fileno())
            self._size = status.st_size
            if self.path == STDIN or not stat.S_ISREG(status.st_mode):
                self._held = list(self._read(file))

    @property
    def name(self) -> str:
        return Path(self.path).stem

    def blocks(self) -> Iterator[Block]:
        """From the first on."""
        if self._held is not None:
            yield from self._held
            return
        with self._opened() as file:
            yield from self._read(file)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            if self.path == STDIN:
                yield sys.stdin.buffer
            else:
                with open(self.path, "rb") as file:
                    yield file
        except OSError as error:
            raise NeuronError(f"cannot read {self.path}: {error.strerror or error}") from None

    def _read(self, file: BinaryIO) -> Iterator[Block]:
        rest, size, line, half = b"", 0, 0, b""
        while piece := file.read(BLOCK):
            size += len(piece)
            if size > DATA_MAX:
                raise NeuronError(f"{self.path}: more than {DATA_MAX} bytes: train with fewer rows")
            self._progress(READING, size >> 20, self._size >> 20)
            if size == len(piece) and piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise NeuronError(f"{self.path}: in UTF-16; save it as CSV (UTF-8)")
            if b"\0" in piece:
                row = line + (rest + piece).split(b"\0")[0].count(b"\n") + 1
                raise NeuronError(f"{self.path}, row {row}: not a text file: a zero byte")
            if size == len(piece):
                piece = piece.removeprefix(codecs.BOM_UTF8)
            piece = half + piece
            half = b"\r" if piece.endswith(b"\r") else b""  # of a CR LF, perhaps
            if b"\r" in piece:
                piece = piece.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            text = rest + piece
            end = _end_of_rows(text)
            rest = text[end:]
            if end:
                yield Block(text[:end], line)
                line += int(np.count_nonzero(np.frombuffer(text, np.uint8, end) == LF))
            if len(rest) > LINE_MAX:
                raise NeuronError(f"{self.path}, row {line + 1}: {_endless(rest)}")
        if rest or half:
            yield Block(rest + b"\n", line)


def _end_of_rows(text: bytes) -> int:
    """Behind the last LF that stands in no quotes."""
    if b'"' not in text:
        return text.rfind(b"\n") + 1
    data = np.frombuffer(text, np.uint8)
    marks = np.flatnonzero((data == QUOTE) | (data == LF))
    is_quote = data[marks] == QUOTE
    ends = marks[~is_quote & (np.cumsum(is_quote) % 2 == 0)]
    return int(ends[-1]) + 1 if len(ends) else 0


def _endless(rest: bytes) -> str:
    if b'"' in rest:
        return f"a quote opens there or below that is not closed within {LINE_MAX} bytes"
    return f"not CSV: a line of more than {LINE_MAX} bytes"


@dataclass(frozen=True)
class Rows:
    """What stands where in a block, a row each. starts: offsets of its first byte; lines: as an editor counts them;
    cells: how many."""

    starts: NDArray[np.int64]
    lines: NDArray[np.int64]
    cells: NDArray[np.int64]


def rows_of(block: Block, separator: str, path: str) -> Rows:
    """NeuronError that names the row where a quote opens that is not closed, or stands inside a cell."""
    data = np.frombuffer(block.text, np.uint8)
    marks = np.flatnonzero((data == ord(separator)) | (data == LF) | (data == QUOTE))
    kinds = data[marks]
    quotes = np.cumsum(kinds == QUOTE)
    _require_quotes(block, marks[kinds == QUOTE], separator, path)
    outside = (kinds != QUOTE) & (quotes % 2 == 0)
    ends = marks[outside & (kinds == LF)]
    starts = np.concatenate([[0], ends[:-1] + 1])
    breaks = np.flatnonzero(data == LF)
    cells = np.diff(np.searchsorted(marks[outside], ends, "right"), prepend=0)
    return Rows(starts, np.searchsorted(breaks, starts) + block.line + 1, cells)


def _require_quotes(block: Block, quotes: NDArray[np.int64], separator: str, path: str) -> None:
    """Quotes open where a cell begins and close where it ends; inside they are doubled."""
    beside = f' \t\n"{separator}'.encode()
    for number, offset in enumerate(quotes.tolist()):
        opens = number % 2 == 0
        if opens and offset and block.text[offset - 1] not in beside:
            raise NeuronError(
                f"{path}, row {block.line_at(offset)}: a quote inside a cell: write it twice and put the cell in quotes"
            )
        if not opens and block.text[offset + 1] not in beside:
            opened = block.line_at(int(quotes[number - 1]))
            raise NeuronError(f"{path}, row {opened}: a quote opens that is not closed where its cell ends")
    if len(quotes) % 2:
        raise NeuronError(f"{path}, row {block.line_at(int(quotes[-1]))}: a quote opens that is not closed")
