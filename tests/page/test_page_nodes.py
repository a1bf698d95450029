"""The engineer's page: models are deployed, tried, kept and taken back, and what cannot be done is said."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from selenium.webdriver import Keys

from host.core.image import Model, encode
from tests.browser import Browser
from tests.e2e.scenario import AND, NAND, OR, crc_of
from tests.e2e.sim_process import native
from tests.page.served import Served, serving

Image = Callable[[Model], str]

CAN = ":not([aria-disabled=true])"
SEND = f"fieldset ~ .actions button{CAN}"
LAMP = ".hero .lamp"
JOB = ".job:first-child"
CONFIRM, REVERT = (f".trial .action:nth-child({n}) button{CAN}" for n in (1, 2))
IDENTIFY, ACKNOWLEDGE, OVERRIDE, ROLLBACK, CUT = (
    f"h3 + .actions .action:nth-child({n}) button{CAN}" for n in (1, 2, 3, 4, 5)
)
HANDLE = "return document.activeElement.outerHTML"


def runs(served: Served, model: Model) -> bool:
    """Whether the gateway says so."""
    (node,) = served.nodes()
    return node["model"] is not None and node["model"]["crc32"] == f"{crc_of(model):08x}"


def at_the_node(tab: Browser, address: str) -> None:
    """Open its own view."""
    tab.open(address)
    tab.click('nav a[href="#nodes"]')
    tab.click(".cover")
    tab.reads("main h1", "node 1")


def choose(tab: Browser, path: str) -> None:
    """Choose an image's file, and wait until it is described."""
    tab.all("#image")[0].send_keys(path)
    tab.reads(".drop", path.rpartition("/")[2])


def send(tab: Browser, served: Served, path: str, model: Model) -> None:
    """Deploy it, to stay."""
    choose(tab, path)
    tab.reads("pre", f"CRC-32 {crc_of(model):08x}")
    tab.click(SEND)
    tab.reads(JOB, f"running: CRC-32 {crc_of(model):08x}")
    tab.until(lambda: runs(served, model))


def test_a_model_is_seen_before_it_is_sent_and_lights_the_lamp(
    tab: Browser, served: Served, image: Image
) -> None:
    at_the_node(tab, served.page)
    assert "token" not in tab.driver.current_url
    tab.reads(LAMP, "dark")
    choose(tab, image(NAND))
    tab.reads("pre", f"nand: image format 2, {len(encode(NAND))} bytes")
    (node,) = served.nodes()
    assert node["model"] is None, "nothing has been sent yet"
    tab.click(SEND)
    tab.reads(JOB, f"running: CRC-32 {crc_of(NAND):08x}")
    tab.reads(LAMP, "lit")
    tab.reads(".rule", "lit when output 1 > 0")
    tab.reads(".events", f"model 0x{crc_of(NAND):08x} runs")
    served.ask(f"api/nodes/{node['uid']}/inputs", {"values": [1, 1]})
    tab.reads(LAMP, "dark")
    tab.reads("table", "0 … 2")
    tab.until(lambda: len(tab.all(".curves path.line")) == 4, "a line for lamp, output and inputs")
    tab.click('nav a[href="#nodes"]')
    tab.reads(".node-card", f"nand · {crc_of(NAND):08x}")
    assert tab.run(HANDLE).startswith('<a href="#nodes/'), "the focus is where it was"


DROP = """
const files = new DataTransfer()
files.items.add(new File([Uint8Array.from(arguments[0])], 'dropped.img'))
document.querySelector('#nodes .drop').dispatchEvent(new DragEvent('drop', { dataTransfer: files, cancelable: true }))
"""


def test_a_file_is_dropped(tab: Browser, served: Served) -> None:
    at_the_node(tab, served.page)
    tab.run(DROP, list(encode(OR)))
    tab.reads(".drop", "dropped.img")
    tab.reads("pre", f"or: image format 2, {len(encode(OR))} bytes")


def test_a_trial_is_kept_or_taken_back(tab: Browser, served: Served, image: Image) -> None:
    at_the_node(tab, served.page)
    send(tab, served, image(AND), AND)
    choose(tab, image(NAND))
    tab.reads("pre", "nand")
    tab.click("#how-trial")
    seconds = tab.find("#trial-seconds")
    seconds.clear()
    tab.reads("fieldset ~ .actions .why", "1 to 65535")
    assert not tab.all(SEND)
    seconds.send_keys("3600")
    tab.click(SEND)
    tab.reads(".trial", "the model of before comes back")
    tab.reads(LAMP, "lit")
    tab.click(REVERT)
    tab.until(lambda: runs(served, AND))
    tab.until(lambda: not tab.find(".node").find_element("css selector", ".trial").is_displayed())
    tab.reads(LAMP, "dark")
    tab.click(SEND)
    tab.reads(".trial", "the model of before comes back")
    tab.click(CONFIRM)
    tab.reads(".events", f"model 0x{crc_of(NAND):08x} was on trial and is kept")
    tab.until(lambda: runs(served, NAND))


def test_a_rollback_is_asked_about_first(tab: Browser, served: Served, image: Image) -> None:
    at_the_node(tab, served.page)
    send(tab, served, image(AND), AND)
    send(tab, served, image(OR), OR)
    tab.click(ROLLBACK)
    tab.reads("dialog", "ran before the present one")
    tab.keys(Keys.ESCAPE)
    tab.until(lambda: not tab.all("dialog"))
    assert runs(served, OR)
    tab.click(ROLLBACK)
    tab.click("dialog .main")
    tab.reads(JOB, f"running: CRC-32 {crc_of(AND):08x}")
    tab.until(lambda: runs(served, AND))


def test_a_node_is_told_to_show_itself(tab: Browser, served: Served) -> None:
    at_the_node(tab, served.page)
    tab.click(IDENTIFY)
    tab.reads(".hero", "identifying")
    tab.click(f"{IDENTIFY}[aria-pressed=true]")
    tab.until(lambda: "identifying" not in tab.find(".hero").text)
    assert not tab.all(OVERRIDE)[0].is_displayed(), "there is no channel to override"
    tab.click(ACKNOWLEDGE)
    tab.reads(JOB, "nothing was latched")


def test_what_is_refused_is_said_where_it_was_asked(
    tab: Browser, served: Served, image: Image, tmp_path_factory: pytest.TempPathFactory
) -> None:
    at_the_node(tab, served.page)
    tab.click(ROLLBACK)
    tab.click("dialog .main")
    tab.reads(JOB, "the node keeps no previous model: there is nothing to go back to")
    broken = tmp_path_factory.mktemp("files") / "broken.img"
    broken.write_bytes(b"no image")
    choose(tab, str(broken))
    tab.reads(".wrong", "image")
    assert not tab.find(".node").find_element("css selector", "pre").is_displayed()
    assert "400" in "".join(tab.errors())


def test_two_tabs_see_the_same(tab: Browser, served: Served, image: Image) -> None:
    at_the_node(tab, served.page)
    first = tab.driver.current_window_handle
    second = tab.new_tab(served.page)
    at_the_node(tab, served.page)
    tab.go_to(first)
    send(tab, served, image(NAND), NAND)
    tab.go_to(second)
    tab.reads(JOB, f"running: CRC-32 {crc_of(NAND):08x}")
    tab.reads(LAMP, "lit")


def test_a_node_that_is_lost_and_comes_back(tab: Browser) -> None:
    with native() as (node, port), serving(port) as served:
        tab.open(served.page)
        tab.click('nav a[href="#nodes"]')
        tab.reads(".node-card", "answers")
        node.send_signal(signal.SIGSTOP)
        try:
            tab.reads(".node-card", "lost")
            tab.reads(".node-card .lamp", "unknown")
            tab.reads(".node-card", "last seen")
            tab.reads(".line-card", "up")
        finally:
            node.send_signal(signal.SIGCONT)
        tab.reads(".node-card", "answers")
        tab.reads(".node-card .lamp", "dark")
        tab.reads(".events", "node 1 answers again")
        assert "node 1 node 1" not in tab.find("main .events").text


def test_nodes_are_filtered(tab: Browser, served: Served) -> None:
    tab.open(served.page)
    tab.click('nav a[href="#nodes"]')
    tab.reads("main", "1 of 1")
    tab.find("#filter").send_keys("nowhere")
    tab.reads("main", "0 of 1")
    assert not tab.all(".node-card")
    field = tab.find("#filter")
    field.clear()
    field.send_keys(served.nodes()[0]["uid"][:9])
    tab.reads("main", "1 of 1")


@pytest.fixture
def tabbing(tab: Browser) -> Callable[[str], None]:
    """Press Tab until the focus is at what this selects, once that is to be seen; twice around the page if need be."""

    def reach(selector: str) -> None:
        tab.until(lambda: tab.all(selector), selector)
        for _ in range(2 * len(tab.all("a, button, input, pre"))):
            if tab.run("return document.activeElement.matches(arguments[0])", selector):
                return
            tab.keys(Keys.TAB)
        pytest.fail(f"{selector} is not to be reached")

    return reach


def test_all_of_it_with_the_keyboard_alone(
    tab: Browser, served: Served, image: Image, tabbing: Callable[[str], None]
) -> None:
    tab.open(served.page)
    tabbing('nav a[href="#nodes"]')
    tab.keys(Keys.ENTER)
    tabbing(".cover")
    tab.keys(Keys.ENTER)
    tab.reads("main h1", "node 1")
    tabbing("#image")
    tab.run("return document.activeElement").send_keys(image(NAND))
    tab.find("pre")
    tabbing("#how-keep")
    tab.keys(Keys.ARROW_DOWN)
    tabbing("#trial-seconds")
    tabbing(SEND)
    tab.keys(Keys.ENTER)
    tab.reads(".trial", "the model of before comes back")
    tabbing(CONFIRM)
    tab.keys(Keys.SPACE)
    tab.reads(".events", "was on trial and is kept")
    tabbing(ROLLBACK)
    tab.keys(Keys.ENTER)
    tab.find("dialog")
    tab.keys(Keys.ENTER)
    tab.until(lambda: not tab.all("dialog"))
    assert tab.run("return document.activeElement.matches(arguments[0])", ROLLBACK), "the focus comes back"
    tabbing("#language")
    tab.keys(Keys.ENTER)
    tab.reads("nav", "节点")
    tab.until(lambda: runs(served, NAND))


def test_a_model_outlives_a_plug_that_is_pulled(tab: Browser, served: Served, image: Image) -> None:
    at_the_node(tab, served.page)
    send(tab, served, image(NAND), NAND)
    tab.click(CUT)
    tab.reads(".events", "the node started")
    tab.reads(LAMP, "lit")
    tab.reads(".node", f"{crc_of(NAND):08x}")
