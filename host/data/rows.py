"""The rows of a CSV file as they come: of a file, or of a pipe that somebody still writes into."""

from __future__ import annotations

import codecs
import csv
import io
import os
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from host.data.blocks import Block
from host.data.dialect import separator_of
from host.errors import NeuronError, counted

BLOCK = 1 << 16
"""Bytes that are read at once, where so many are there."""
LINE_MAX = 1 << 20
"""Characters of a line: what is longer is no data, and may have no end."""


@dataclass(frozen=True)
class Row:
    """number: of its line, as an editor counts; cells: as they stand there."""

    number: int
    cells: list[str]


Values = Callable[[Row], list[float]]
"""What the inputs of a model are in a row; NeuronError where they are not."""


class Stream(Protocol):
    """A binary file that hands out what is there already."""

    def read1(self, size: int, /) -> bytes: ...


class _Lines:
    """The lines of a stream, each with its end; ready: those that are there. It waits for the stream only while none
    is."""

    def __init__(self, stream: Stream, name: str) -> None:
        self._stream, self._name = stream, name
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")(), True)
        self.ready: deque[str] = deque()
        self._rest, self._ended = "", False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while not self.ready and not self._ended:
            self._read()
        if not self.ready:
            raise StopIteration
        return self.ready.popleft()

    def _read(self) -> None:
        try:
            block = self._stream.read1(BLOCK)
        except OSError as error:
            raise NeuronError(f"cannot read {self._name}: {error.strerror or error}") from None
        self._ended = not block
        try:
            text = self._rest + self._decoder.decode(block, final=self._ended)
        except UnicodeDecodeError:
            raise NeuronError(f"{self._name}: not a text in UTF-8; save it as CSV (UTF-8)") from None
        *lines, self._rest = text.split("\n")
        self.ready.extend(line + "\n" for line in lines)
        if self._ended and self._rest:
            self.ready.append(self._rest)
        if max(map(len, [*lines, self._rest])) > LINE_MAX:
            raise NeuronError(f"{self._name}: not CSV: a line of more than {LINE_MAX} characters")


class Incoming:
    """A header, then rows. name: what the stream is called; lines: how many there are, 0 where nobody knows."""

    def __init__(self, stream: Stream, name: str, lines: int = 0) -> None:
        self.name, self.lines = name, lines
        self._lines = _Lines(stream, name)
        self._blank = 0
        for first in self._lines:
            if first.strip():
                break
            self._blank += 1
        else:
            raise NeuronError(f"{name} is empty: it needs a header row and then a row for each prediction")
        sample = first + "".join(self._lines.ready)
        self.delimiter = separator_of(Block(sample.encode(), self._blank), name)
        self._reader = csv.reader(
            self._with(first), delimiter=self.delimiter, skipinitialspace=True, strict=True
        )
        self.header = [cell.strip() for cell in next(self._records()).cells]

    def _with(self, first: str) -> Iterator[str]:
        yield first
        yield from self._lines

    def _records(self) -> Iterator[Row]:
        try:
            for cells in self._reader:
                if any(cell.strip() for cell in cells):
                    yield Row(self._blank + self._reader.line_num, cells)
        except csv.Error as error:
            line = self._blank + self._reader.line_num
            raise NeuronError(f"{self.name}, row {line}: not CSV: {error}") from None

    def batches(self, values: Values, most: int) -> Iterator[list[tuple[Row, list[float]]]]:
        """Rows that are there already, up to so many at once, and at least one, each with its inputs' values. What
        comes before a row that is wrong is still handed out."""
        batch: list[tuple[Row, list[float]]] = []
        try:
            for row in self._records():
                if len(row.cells) != len(self.header):
                    raise NeuronError(
                        f"{self.name}, row {row.number}: {counted(len(row.cells), 'cell')} "
                        f"where the header has {len(self.header)}"
                    )
                batch.append((row, values(row)))
                if len(batch) == most or not self._lines.ready:
                    yield batch
                    batch = []
        except NeuronError:
            if batch:
                yield batch
            raise
        if batch:
            yield batch


@contextmanager
def opened(path: str) -> Iterator[Incoming]:
    """The table in a file; `-`: in standard input."""
    if path == "-":
        yield Incoming(cast("Stream", sys.stdin.buffer), "standard input")
        return
    try:
        stream = open(path, "rb")  # noqa: SIM115 - closed below
        lines = _count(stream) if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) else 0
    except OSError as error:
        raise NeuronError(f"cannot read {path}: {error.strerror or error}") from None
    with stream:
        yield Incoming(stream, path, lines)


def _count(file: BinaryIO) -> int:
    """Ends of lines."""
    found = sum(block.count(b"\n") for block in iter(lambda: file.read(BLOCK), b""))
    file.seek(0)
    return found


def writer(write: Callable[[bytes], object], delimiter: str) -> Callable[[Sequence[Sequence[str]]], None]:
    """A function that writes rows of cells, by `write`."""

    def write_rows(rows: Sequence[Sequence[str]]) -> None:
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
        write(text.getvalue().encode())

    return write_rows
