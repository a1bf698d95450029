"""Names of columns and classes in a picture: written where an installed font can, else named once beside it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from host.show.subject import Descent, Subject

USUAL_FONT = "DejaVu Sans"
CJK_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "SimHei",
)
"""For names that the usual font cannot write; the first that is installed."""


def families() -> list[str]:
    """The fonts of a picture, each for what the one before it cannot write."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return [USUAL_FONT, *[font for font in CJK_FONTS if font in installed][:1]]


def _missing(names: Iterable[str]) -> set[str]:
    """The characters of these names that no font of a picture has."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = [get_font(findfont(FontProperties(family=family))) for family in families()]
    wanted = {character for name in names for character in " ".join(name.split())}
    return {c for c in wanted if not any(font.get_char_index(ord(c)) for font in fonts)}


def writable(subject: Descent) -> tuple[Descent, list[str]]:
    """The same by names that can be written, and a line that says what stands for what."""
    groups = {"parameter": subject.parameters}
    if isinstance(subject, Subject):
        groups |= {"input": subject.inputs, "class": subject.classes, "target": [subject.target]}
    missing = _missing((*itertools.chain.from_iterable(groups.values()), subject.title))
    if not missing:
        return subject, []
    stands_for: dict[str, str] = {}
    for what, names in reversed(groups.items()):
        for number, name in enumerate(names, 1):
            if missing & set(name):
                stands_for.setdefault(name, f"{what} {number}" if len(names) > 1 else what)

    def plain(names: Sequence[str]) -> list[str]:
        return [stands_for.get(name, name) for name in names]

    title = re.sub(f"[{re.escape(''.join(missing))}]+", "data", subject.title)
    loss_name = subject.loss_name
    for name, stand_in in stands_for.items():
        loss_name = loss_name.replace(name, stand_in)
    changed = replace(subject, parameters=plain(subject.parameters), title=title, loss_name=loss_name)
    if isinstance(changed, Subject):
        inputs, names, (target,) = plain(changed.inputs), plain(changed.classes), plain([changed.target])
        changed = replace(changed, inputs=inputs, classes=names, target=target)
    said = ", ".join(f"{stand_in} is {name}" for name, stand_in in stands_for.items())
    characters = "".join(sorted(missing)[:8])
    note = f"no font of this computer writes {characters} in a picture (Noto Sans CJK SC would)"
    return changed, [f"{note}: there {said}" if said else note]
