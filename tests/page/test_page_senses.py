"""A node that decides by itself, on the engineer's page: a pump whose bearing wears and is well again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from host.core.decide import Decision
from host.core.image import Model
from host.lessons.pump import learnt
from tests.browser import Browser
from tests.e2e.sim_process import started
from tests.page.served import serving
from tests.page.test_page_nodes import LAMP, OVERRIDE, at_the_node, send

SIMULATE = [sys.executable, "-m", "host.sim", "--signal", "pump:1"]
CURVES = ["Lamp: lit or dark", "Outputs", "Inputs", "Channels, raw"]


def test_the_lamp_follows_a_pump(
    tab: Browser, image: Callable[[Model], str], pictured: Callable[[str, int], None]
) -> None:
    pump = replace(learnt().result.model, name="pump", decision=Decision(threshold_off=9830, on_delay=200))
    with started(SIMULATE, "         Ctrl-C") as (_, lines), serving(lines[0].split()[-1]) as served:
        at_the_node(tab, served.page)
        send(tab, served, image(pump), pump)
        tab.reads("table", "a0.crossings")
        tab.find(OVERRIDE)
        for _ in range(3):
            tab.reads(LAMP, "lit")
            tab.reads(".hero", "worn")
            tab.reads(LAMP, "dark")
            tab.reads(".hero", "good")
        drawn = [one.text.split("\n")[0] for one in tab.all("figure") if one.is_displayed()]
        assert drawn == CURVES
        tab.reads(LAMP, "lit")
        pictured("nodes", 1080)
