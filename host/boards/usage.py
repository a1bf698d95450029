"""What --signal understands, in words. host.boards.generators makes it: raw values, cut off at 0 and 4095."""

from __future__ import annotations

PUMP_SECONDS = 10
"""Of each state of a pump that changes."""

PUMP = (
    "pump[:normal|worn|off|SECONDS]",
    f"a0 vibration, d0 it runs, d1 it is worn;\noff, normal, worn, {PUMP_SECONDS} s each, or one only",
)
ANALOG_USAGE = {
    "constant": ("constant:VALUE", "always VALUE"),
    "sine": ("sine:HZ[:AMPLITUDE[:OFFSET]]", "OFFSET +- AMPLITUDE (2048 +- 1000)"),
    "square": ("square:HZ[:AMPLITUDE[:OFFSET]]", "half of each period above, half below"),
    "ramp": ("ramp:HZ[:AMPLITUDE[:OFFSET]]", "rises all the period, then falls at once"),
    "step": ("step[:SECONDS[:LOW[:HIGH]]]", "LOW for SECONDS, then HIGH (1, 1024, 3072)"),
    "noise": ("noise[:RMS[:OFFSET]]", "near to normal (100 around 2048)"),
    "pump": ("pump[:normal|worn|off|SECONDS]", "the pump's vibration alone"),
}
"""By name: how it is written, and what it is; with defaults."""
DIGITAL_USAGE = {
    "constant": ("constant:0|1", "always so"),
    "pulse": ("pulse:HZ", "1 for half of each period"),
    "step": ("step[:SECONDS]", "0 for SECONDS, then 1 as long (1 s)"),
}


def generators_help() -> str:
    """Every generator, in lines of 80 columns."""
    rows = [PUMP]
    rows += [(f"aN={usage}", about) for usage, about in ANALOG_USAGE.values()]
    rows += [(f"dN={usage}", about) for usage, about in DIGITAL_USAGE.values()]
    width = max(len(usage) for usage, _ in rows)
    below = "\n" + " " * (width + 4)
    return "\n".join(f"  {usage:{width}}  " + about.replace("\n", below) for usage, about in rows)
