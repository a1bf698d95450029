"""The learner's walk: choose, train, see it walk on the PC and on the node, move the inputs, pull the plug, take bits
away."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from selenium.webdriver import Keys

from host.compiler import ROOT
from tests.browser import PHONE, Browser
from tests.page.served import Served
from tests.page.test_page_looks import fits_a_phone, legible
from tests.page.test_page_nodes import JOB

AND_CRC = "48554e35"
DROP = """
const data = new DataTransfer()
data.items.add(new File([arguments[1]], arguments[0], { type: 'text/csv' }))
const drop = { dataTransfer: data, bubbles: true, cancelable: true }
document.querySelector('#learn h1').dispatchEvent(new DragEvent('drop', drop))
"""
"""A file that is dropped somewhere on the page: its name and its text."""
PUT = """
const slider = document.querySelector(arguments[0])
slider.value = arguments[1]
slider.dispatchEvent(new Event('input', { bubbles: true }))
"""
ASIDE, INPUTS, PLUG, BITS, WALK = "#learn > aside", "#inputs", "#plug", "#bits", "#walk"
EQUAL = "#walk .strip .equal"
SWITCH = "#inputs .handle:nth-child({}) [role=switch]"
OTHERS = 4


def choose(tab: Browser, address: str, model: str) -> None:
    tab.open(address)
    tab.find("#train")
    tab.click(f"input[value={model}]")


def epochs(tab: Browser, count: int) -> None:
    field = tab.find("#epochs-number")
    field.clear()
    field.send_keys(str(count))


def train(tab: Browser) -> None:
    tab.click("#train")
    tab.find(WALK)


def deploy(tab: Browser, crc: str) -> None:
    tab.click("#deploy")
    tab.reads("#sender .sayings", f"CRC-32 {crc}")
    tab.reads(ASIDE, crc)


def frames_of(tab: Browser) -> list[list[str]]:
    """The bytes of each part of each frame."""
    shown: list[list[str]] = tab.run(
        "return [...document.querySelectorAll('.frame')].map(one => "
        "[...one.querySelectorAll('button')].map(part => part.textContent))"
    )
    return shown


def test_the_whole_walk_from_data_to_the_lamp(
    tab: Browser, served: Served, pictured: Callable[[str, int], None]
) -> None:
    tab.open(served.page)
    tab.find("input[value=and]:checked")
    train(tab)
    tab.reads(f"{WALK} .verdict", "the same bits after all 20 epochs")
    assert len(tab.all(EQUAL)) == 20
    tab.reads(".player .epoch", "epoch 20 of 20")
    tab.until(
        lambda: len(tab.all(".figures [data-same=true]")) == 4, "the loss, w1, w2 and b have the same bits"
    )
    assert not tab.all(".figures [data-same=false]")
    tab.reads(".figures", "0.4514297388906616")
    ours, theirs = (tab.all(f"{WALK} .{who} .curve")[0].get_attribute("d") for who in ("ours", "theirs"))
    assert ours == theirs != ""
    deploy(tab, AND_CRC)
    tab.reads(f"{INPUTS} .controls", "x1")
    for place in (1, 2):
        if tab.find(SWITCH.format(place)).get_attribute("aria-checked") == "false":
            tab.click(SWITCH.format(place))
    tab.reads(f"{INPUTS} .lit-by", "lit")
    tab.reads(f"{ASIDE} .lamp", "lit")
    asks, answers = frames_of(tab)
    assert asks[:2] == ["01", "17"] == answers[:2]
    pictured("learn", 1780)
    tab.find(".frame button:nth-of-type(2)").send_keys("")
    tab.reads(".part-text", "17: function 23")
    tab.click(f"{INPUTS} tbody tr:nth-child(1) button")
    tab.reads(f"{INPUTS} .lit-by", "dark")
    tab.reads(f"{ASIDE} .lamp", "dark")
    tab.until(lambda: served.nodes()[0]["inputs"] == [1, 0], "the node has the row")


def test_one_press_is_one_request_and_its_answer_lights_the_lamp(tab: Browser, served: Served) -> None:
    """How long that takes is measured by tools/bench/page.py."""
    choose(tab, served.page, "and")
    tab.click("#also")
    train(tab)
    deploy(tab, AND_CRC)
    tab.click(f"{INPUTS} tbody tr:nth-child(4) button")
    tab.reads(f"{INPUTS} .lit-by", "lit")
    for state in ["dark", "lit"] * 3:
        tab.run("performance.clearResourceTimings()")
        tab.click(SWITCH.format(1))
        tab.reads(f"{INPUTS} .lit-by", state)
        asked = tab.run("return performance.getEntriesByType('resource').map(one => one.name)")
        assert [address.rpartition("/")[2] for address in asked] == ["inputs"]


def test_it_explodes_and_why_is_said(tab: Browser, served: Served) -> None:
    choose(tab, served.page, "wxb")
    tab.click("#explode")
    train(tab)
    tab.reads(".boom", "The largest stable rate for these data is 0.169")
    tab.until(lambda: tab.find("#log").is_selected())
    away = tab.until(
        lambda: tab.all(f"{WALK} .ours .away")[0].get_attribute("d"), "the path leaves the picture"
    )
    assert away.startswith("M")
    tab.reads(f"{WALK} .verdict", "the same bits")
    assert not tab.find("#walk").find_elements("css selector", ".strip .different")
    assert not tab.all("#sender:not([hidden])"), "there is nothing to send"


NO_POWER = """
const aside = document.querySelector(arguments[0])
return import('/page/store.js').then(async ({ store, take }) => {
  for (const line of store.lines.values()) take('line', { ...line, powered: false })
  await new Promise(requestAnimationFrame)
  return aside.innerText
})
"""
"""What stands there without power, which is back too soon to be waited for on a busy computer."""


def test_the_plug_is_pulled_and_one_of_the_two_comes_back(tab: Browser, served: Served) -> None:
    choose(tab, served.page, "and")
    tab.click("#also")
    train(tab)
    deploy(tab, AND_CRC)
    tab.click("#prepare")
    tab.find("#pull")
    for word, came in (("3", "old"), ("42", "new")):
        tab.run(PUT, "#word", word)
        tab.click("#pull")
        tab.reads(f"{PLUG} .verdict", f"Cut at word {word}: the {came} model came back")
        tab.find(f".tries .{came}")
    tab.run(PUT, "#word", "48")
    tab.click("#pull")
    tab.reads(f"{PLUG} .verdict", "No word 48 was written")
    tab.reads(ASIDE, AND_CRC)
    assert len(tab.all(".tries li")) == 3
    tab.until(lambda: "no power" in tab.run(NO_POWER, ASIDE), "it is seen that the power is gone")


def test_fewer_bits_flip_a_lamp(tab: Browser, served: Served) -> None:
    choose(tab, served.page, "logistic")
    tab.click("#also")
    train(tab)
    tab.reads(f"{BITS} .verdict", "None of 3 decisions changes (3 of them cannot, proven)")
    tab.run(PUT, "#bits-way", "3")
    tab.reads(f"{BITS} .verdict", "1 of 3 decisions change")
    tab.reads(".flips", "hours = 3: the lamp is dark, and should not be")
    assert tab.all(f"{BITS} .ring")[0].get_attribute("d")


def test_a_picture_that_fewer_bits_do_not_change_says_so(tab: Browser, served: Served) -> None:
    choose(tab, served.page, "mlp")
    tab.click("#also")
    train(tab)
    tab.reads(BITS, "The model before its weights are rounded")


def test_a_csv_file_is_dropped_and_learnt(tab: Browser, served: Served) -> None:
    choose(tab, served.page, "csv")
    tab.click("#train")
    tab.reads(".first", "Choose a CSV file first")
    tab.run(DROP, "iris.csv", (ROOT / "host/lessons/iris.csv").read_text("utf-8"))
    tab.reads(".drop", "iris.csv")
    tab.reads(".own table", "petal_width")
    assert tab.find("#target").get_property("value") == "species"
    epochs(tab, 12)
    train(tab)
    tab.reads(WALK, "Learning species from 150 samples")
    tab.reads(f"{WALK} .verdict", "Equal bits")
    tab.run(DROP, "broken.csv", "a,b\n1,2\n3,\n")
    tab.reads(".drop", "broken.csv")
    tab.click("#train")
    tab.reads(".first", "broken.csv")


OTHER = """
return import('/page/store.js').then(({ store, take }) => {
  const job = [...store.jobs.values()].find(one => one.kind === 'train')
  const other = { job: job.id, training: '1', uid: job.uid, epoch: 20, loss: 0.5, parameters: [1, 2, 3], equal: false }
  take('board', other)
})
"""
"""As if the node had said at its end that its bits are others."""


def test_other_bits_of_the_node_are_loud(tab: Browser, served: Served) -> None:
    choose(tab, served.page, "and")
    train(tab)
    tab.reads(f"{WALK} .verdict", "the same bits after all 20 epochs")
    tab.run(OTHER)
    tab.reads(f"{WALK} .board[data-state=different] .verdict", "Not equal! After 20 epochs")
    assert len(tab.all(f"{WALK} .strip .different")) == 1
    tab.until(lambda: len(tab.all(".figures [data-same=false]")) == 4)
    legible(tab)
    tab.click('nav a[href="#nodes"]')
    tab.click(".cover")
    tab.reads(JOB, "Train")


def test_who_likes_no_motion_sees_the_end_at_once(tab: Browser, served: Served) -> None:
    still = {"name": "prefers-reduced-motion", "value": "reduce"}
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [still]})
    choose(tab, served.page, "and")
    tab.click("#also")
    train(tab)
    assert tab.find(".player .epoch").text == "epoch 20 of 20"
    tab.click(".player .back")
    assert tab.find(".player .epoch").text == "epoch 19 of 20"
    tab.click(".player .first")
    tab.click(".player .play")
    tab.until(lambda: tab.find(".player .epoch").text != "epoch 0 of 20", "who asks for it sees it move")


@pytest.mark.parametrize("model", ["wx", "mlp"])
def test_every_model_walks_on_the_node_too(tab: Browser, served: Served, model: str) -> None:
    choose(tab, served.page, model)
    epochs(tab, 12)
    train(tab)
    tab.reads(f"{WALK} .verdict", "the same bits after all 12 epochs")
    assert not tab.all(f"{WALK} .strip .different")


def long_csv() -> str:
    """Few rows of many inputs: nothing is held out, so that no training on it ends early."""
    columns = range(40)
    rows = [",".join(str(n * (column + 1) % 7) for column in columns) + f",{n % 3}" for n in range(19)]
    return "\n".join([",".join(f"x{column}" for column in columns) + ",y", *rows])


def test_what_takes_long_is_said_and_can_be_ended(tab: Browser, served: Served) -> None:
    """It waits for others that take some seconds each, so that it is not over too soon on any machine."""
    request = {"model": "mlp", "csv": long_csv(), "name": "long.csv", "epochs": 100_000}
    choose(tab, served.page, "and")
    with ThreadPoolExecutor(OTHERS) as pool:
        others = list(pool.map(lambda _: served.ask("api/trainings", request), range(OTHERS)))
        tab.click("#train")
        tab.reads(".first", "epochs …")
        tab.click("#cancel")
        tab.until(lambda: not tab.all("#cancel:not([hidden])"), "the gateway has taken it")
        for other in others:
            served.ask(f"api/trainings/{other['id']}/cancel", {})
    tab.reads(".first [role=alert]", "cancelled")
    tab.until(lambda: tab.find("#train").is_enabled())


def test_it_is_learnt_from_a_live_recording(tab: Browser, served: Served) -> None:
    choose(tab, served.page, "live")
    tab.reads(".own", "d0 is 1 while it runs")
    tab.reads(".first", "only this PC learns")
    assert not tab.find("#also").is_enabled()
    by_channel = tab.find("#label-channel").get_attribute("value")
    for number, (label, seconds) in enumerate((("", "1"), (by_channel, "8")), 1):
        tab.run(PUT, "#label-channel", label)
        tab.run(PUT, "#seconds", seconds)
        tab.click("#record")
        tab.until(lambda count=number: len(tab.all(".takes li")) == count)
        if number == 1:
            tab.click("#train")
            tab.reads(".first", "Record at least two states")
    tab.run("document.querySelector('#window').value = '64'")
    train(tab)
    tab.reads(WALK, "Learning label")
    assert "collapsed" not in tab.find(WALK).text
    tab.click("#deploy")
    tab.reads("#inputs", "there is nothing to move here")
    assert "Try" not in tab.find("#inputs").text
    tab.until(lambda: tab.find("#inputs .lamp").text == tab.find(f"{ASIDE} .lamp").text == "lit")


def test_the_keyboard_alone_and_chinese(tab: Browser, served: Served) -> None:
    tab.open(served.page)
    tab.click("#language")
    tab.reads("main h1", "训练一个神经元")
    tab.find("input[value=and]")
    tab.run("document.querySelector('#train').focus()")
    tab.keys(Keys.ENTER)
    tab.reads(f"{WALK} .verdict", "每一位都相同：全部 20 轮")
    tab.run("document.querySelector('.player input').focus()")
    tab.keys(Keys.HOME, Keys.ARROW_RIGHT)
    tab.reads(".player .epoch", "第 1 轮，共 20 轮")
    tab.run("document.querySelector('#deploy').focus()")
    tab.keys(Keys.ENTER)
    tab.reads(ASIDE, AND_CRC)
    tab.find(SWITCH.format(1))
    before = tab.find(SWITCH.format(1)).get_attribute("aria-checked")
    tab.run("document.querySelector('#inputs [role=switch]').focus()")
    tab.keys(Keys.SPACE)
    tab.until(lambda: tab.find(SWITCH.format(1)).get_attribute("aria-checked") != before)
    tab.find(".frame button")
    legible(tab)
    fits_a_phone(tab)
    tab.size(*PHONE, mobile=True)
    tab.reads(f"{ASIDE} .lamp", "灭")


def test_without_the_token_one_looks(tab: Browser, served: Served) -> None:
    tab.open(served.address)
    tab.reads(".first", "takes the token")
    assert not tab.find("#also").is_enabled()
    tab.click("#train")
    tab.reads(".first [role=alert]", "give the token: printed when the gateway started")
    assert "401" in "".join(tab.errors())
