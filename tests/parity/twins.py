"""The C twins, asked from Python in batches: tests/parity/twins.c."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from host.core.fixed import Int16
from host.core.image import Model, decode
from host.core.infer import self_test
from host.core.reader import ImageError
from host.core.wire import Reason
from tests.programs import COMPILERS, SANITIZE, program

OPTIMISED = ["-O3"]
BUILDS = [(cc, flags) for cc in COMPILERS for flags in (SANITIZE, OPTIMISED)]
"""Sanitizers see what is undefined; the optimiser uses it."""


def build_id(build: tuple[str, list[str]]) -> str:
    return f"{build[0]}-{'sanitize' if build[1] is SANITIZE else 'optimised'}"


@dataclass(frozen=True)
class Record:
    """One question to the C side, as tests/parity/twins.c lists them."""

    what: str
    data: bytes
    argument: int = 0
    extra: bytes = b""


class Verdict(NamedTuple):
    """Whether an image is accepted: image_open, then image_self_test."""

    reason: Reason
    detail: int
    opened: bool


class Run(NamedTuple):
    """An image's verdict, and its outputs, lamps and classes for some inputs."""

    verdict: Verdict
    outputs: Int16
    leds: NDArray[np.bool_]
    classes: NDArray[np.uint8]


class Twins:
    """The C side, built in one way."""

    def __init__(self, build: tuple[str, list[str]]) -> None:
        cc, flags = build
        self.sanitized = flags is SANITIZE
        self._program = program("twins", ["tests/parity/twins.c"], flags=flags, cc=cc)

    def ask(self, records: Sequence[Record]) -> list[bytes]:
        """All answers. The sanitizers' findings, if any, are the failure."""
        asked = b"".join(
            struct.pack("<IiII", ord(r.what), r.argument, len(r.data), len(r.extra)) + r.data + r.extra
            for r in records
        )
        done = subprocess.run([str(self._program)], input=asked, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        answers, offset = [], 0
        while offset < len(done.stdout):
            (size,) = struct.unpack_from("<I", done.stdout, offset)
            answers.append(done.stdout[offset + 4 : offset + 4 + size])
            offset += 4 + size
        assert len(answers) == len(records)
        return answers

    def scalars(self, what: str, values: NDArray[Any], argument: int = 0) -> bytes:
        """One array in, one array out."""
        return self.ask([Record(what, values.tobytes(), argument)])[0]

    def images(self, images: Sequence[bytes], offset: int = 0) -> list[Verdict]:
        return [_verdict(answer) for answer in self.ask([Record("I", image, offset) for image in images])]

    def run(self, cases: Sequence[tuple[bytes, Int16]], outputs: Sequence[int]) -> list[Run]:
        """Images, each with its inputs (samples, inputs); outputs: how many each has."""
        answers = self.ask([Record("I", image, 0, x.tobytes()) for image, x in cases])
        runs = []
        for answer, (_, x), width in zip(answers, cases, outputs, strict=True):
            body = answer[12:]
            y = np.frombuffer(body, np.int16, len(x) * width).reshape(len(x), width)
            leds, classes = body[y.nbytes :][: len(x)], body[y.nbytes + len(x) :]
            runs.append(
                Run(_verdict(answer), y, np.frombuffer(leds, np.bool_), np.frombuffer(classes, np.uint8))
            )
        return runs


def _verdict(answer: bytes) -> Verdict:
    reason, detail, opened = struct.unpack_from("<3I", answer)
    return Verdict(Reason(reason), detail, bool(opened))


def python_verdict(image: bytes) -> Verdict:
    """The same from host/core/image.py and host/core/infer.py."""
    opened = False
    try:
        model: Model = decode(image)
        opened = True
        self_test(model)
    except ImageError as error:
        return Verdict(error.reason, error.detail, opened)
    return Verdict(Reason.NONE, 0, True)
