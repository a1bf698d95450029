"""All generated files at once.

python -m tools.generated            write those that are stale
python -m tools.generated --check    exit 1, naming them
"""

from __future__ import annotations

from tools import (
    draw_demo,
    draw_senses,
    draw_wiring,
    make_demo,
    make_examples,
    make_maps,
    make_tables,
    make_wire,
)
from tools.generate import Generated, fill, main


def generated() -> list[Generated]:
    return [
        Generated("firmware/core/wire.h", make_wire.header()),
        Generated("firmware/core/tables.h", make_tables.header()),
        Generated("docs/registers.md", make_wire.registers()),
        Generated("docs/maps/neuron485.csv", make_maps.table_csv()),
        Generated("docs/maps/neuron485.mbmap.json", make_maps.mbmap()),
        Generated("docs/maps/telegraf.conf", make_examples.telegraf()),
        Generated("docs/maps/home-assistant.yaml", make_examples.assistant()),
        Generated("docs/wiring.svg", draw_wiring.svg()),
        Generated("docs/wiring-senses.svg", draw_senses.svg()),
        Generated("docs/demo.svg", draw_demo.svg()),
        fill("README.md", {"demo": make_demo.block()}),
    ]


if __name__ == "__main__":
    raise SystemExit(main(generated))
