"""Rows of the wire that no part of the node serves yet: they answer as any unknown address does. Whoever serves one
takes it out of this list."""

from __future__ import annotations

from host.core import wire
from host.core.wire import Register

UNSERVED = set(
    """
    SAMPLE_RATE SAMPLE_CHANNELS SAMPLE_FROM SAMPLES_HEAD SAMPLES_FIRST SAMPLES_CHANNELS SAMPLES
    EVENT_FROM EVENTS_HEAD EVENT_NUMBER EVENT_UPTIME EVENT_SAMPLE EVENT_KIND EVENT_DETAIL EVENT_VALUE EVENT_COUNT
    EVENT_INPUTS
    WINDOWS WINDOW_SAMPLE WINDOW_BITS WINDOWS_MISSED WINDOW_VALUES
    CHANNELS SAMPLING_RATE SAMPLING_CHANNELS SCANS_LOST CHANNEL_NOW LEVELS EDGES FREQUENCY CALIBRATION
    """.split()
)
SERVED: list[Register] = [row for row in wire.REGISTERS if row.name not in UNSERVED]
