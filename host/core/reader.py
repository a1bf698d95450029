"""Takes consecutive parts of an image's bytes, and refuses what is wrong with them. Twin of firmware/core/reader.c."""

from __future__ import annotations

from host.core.wire import REASON_TEXT, Reason
from host.errors import NeuronError


class ImageError(NeuronError):
    """Bytes that are no acceptable image. `reason` and `detail` are what the node would answer."""

    def __init__(self, reason: Reason, detail: int = 0) -> None:
        super().__init__(f"{REASON_TEXT[reason]} (reason {reason.value} {reason.name}, detail {detail})")
        self.reason = reason
        self.detail = detail


def require(condition: bool, reason: Reason, detail: int = 0) -> None:
    """Refuse an image, unless."""
    if not condition:
        raise ImageError(reason, detail)


class Reader:
    """Takes from offset on; running over the end is a LENGTH error."""

    def __init__(self, data: bytes, offset: int, end: int) -> None:
        self.data, self.offset, self.end = data, offset, end

    def take(self, size: int, detail: int = 0) -> bytes:
        require(self.offset + size <= self.end, Reason.LENGTH, detail)
        self.offset += size
        return self.data[self.offset - size : self.offset]

    def take_padded(self, size: int) -> bytes:
        """With zeros to a multiple of 4, which are not handed on."""
        part = self.take(size + -size % 4)
        require(not any(part[size:]), Reason.PADDING)
        return part[:size]
