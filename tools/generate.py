"""What the generators share: write a file, or check that it is fresh, and fill a marked part of a document."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Generated:
    """A file of the repository and the text that it should hold."""

    path: str
    text: str

    def fresh(self) -> bool:
        file = ROOT / self.path
        return file.exists() and file.read_text(encoding="utf-8") == self.text

    def write(self) -> None:
        (ROOT / self.path).write_text(self.text, encoding="utf-8", newline="\n")


def between(name: str) -> tuple[str, str]:
    """The two marks around a generated part of a Markdown file."""
    return f"<!-- {name}: generated, do not edit -->\n", f"<!-- end of {name} -->\n"


def replace_between(path: str, marks: tuple[str, str], text: str) -> str:
    """The file's text with what stands between the marks replaced."""
    whole = (ROOT / path).read_text(encoding="utf-8")
    before, found, rest = whole.partition(marks[0])
    _, closed, after = rest.partition(marks[1])
    if not found or not closed:
        raise SystemExit(f"{path}: the marks {marks[0].strip()} and {marks[1].strip()} are missing")
    return before + marks[0] + text + marks[1] + after


def main(generated: Callable[[], Sequence[Generated]]) -> int:
    """The generators' command line: write, or with --check compare."""
    stale = [file for file in generated() if not file.fresh()]
    if "--check" in sys.argv[1:]:
        for file in stale:
            print(f"{file.path} is stale: run its generator without --check")
        return 1 if stale else 0
    for file in stale:
        file.write()
        print(f"wrote {file.path}")
    return 0
