"""What the generators share: write a file, or check that it is fresh, and fill a marked part of a document."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Generated:
    """A file of the repository and the text that it should hold, its ends of lines too."""

    path: str
    text: str

    def fresh(self) -> bool:
        file = ROOT / self.path
        return file.exists() and file.read_bytes() == self.text.encode()

    def write(self) -> None:
        (ROOT / self.path).write_bytes(self.text.encode())


def fill(path: str, parts: Mapping[str, str]) -> Generated:
    """A document whose parts between `<!-- NAME: generated, do not edit -->` and `<!-- end of NAME -->` are ours."""
    text = (ROOT / path).read_text(encoding="utf-8")
    for name, part in parts.items():
        start, end = f"<!-- {name}: generated, do not edit -->\n", f"<!-- end of {name} -->\n"
        before, found, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise SystemExit(f"{path}: the marks {start.strip()} and {end.strip()} are missing")
        text = before + start + part + end + after
    return Generated(path, text)


def main(generated: Callable[[], Sequence[Generated]]) -> int:
    """The generators' command line: write, or with --check compare."""
    stale = [file for file in generated() if not file.fresh()]
    if "--check" in sys.argv[1:]:
        for file in stale:
            print(f"{file.path} is stale: run python -m tools.generated")
        return 1 if stale else 0
    for file in stale:
        file.write()
        print(f"wrote {file.path}")
    return 0
