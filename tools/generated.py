"""All generated files at once.

python -m tools.generated            write those that are stale
python -m tools.generated --check    exit 1, naming them
"""

from __future__ import annotations

from tools import make_tables, make_wire
from tools.generate import Generated, main


def generated() -> list[Generated]:
    return [*make_wire.generated(), *make_tables.generated()]


if __name__ == "__main__":
    raise SystemExit(main(generated))
