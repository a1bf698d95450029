"""A frame of the wire for people: its bytes, and what they say."""

from __future__ import annotations


def parts(way: str, frame: bytes) -> list[dict[str, str]]:
    """The frame's parts in their order, {"hex", "text"} each. way: "->" for a request, "<-" for a reply."""
    return [
        {"hex": frame[:1].hex(), "text": f"address {frame[0]}"},
        {"hex": frame[1:2].hex(), "text": f"function {frame[1]}"},
        {"hex": frame[2:-2].hex(" "), "text": "data"},
        {"hex": frame[-2:].hex(" "), "text": "CRC"},
    ]
