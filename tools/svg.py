"""What the drawn pictures share: plain SVG by hand, the same bytes everywhere."""

from __future__ import annotations

from collections.abc import Sequence

INK, GREY, BLUE, VERMILION = "#1b1b1b", "#6b6b6b", "#0072b2", "#d55e00"
"""Okabe and Ito's blue and vermillion, for colour-blind people."""


def text(x: int, y: int, words: str, anchor: str = "start", size: int = 15, colour: str = INK) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{words}</text>'


def wire(
    points: Sequence[tuple[int, int]], colour: str = INK, dashed: bool = False, wide: bool = False
) -> str:
    path = " ".join(f"{x},{y}" for x, y in points)
    dash = ' stroke-dasharray="9 5"' if dashed else ""
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{4 if wide else 2}"{dash}/>'
    )


def dot(x: int, y: int, colour: str = INK) -> str:
    return f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>'


def picture(width: int, height: int, label: str, parts: Sequence[str]) -> str:
    """A whole file, on white, so that it can be read on a dark page too."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="Helvetica, Arial, sans-serif" role="img" aria-label="{label}">'
    )
    ground = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([head, ground, *parts, "</svg>"]) + "\n"
