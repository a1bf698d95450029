"""How the page looks: all text has its contrast, nothing is wider than a phone, and memory stays flat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from host.core.image import Model
from tests.browser import PHONE, Browser
from tests.e2e.scenario import NAND
from tests.page.served import Served
from tests.page.test_page_nodes import LAMP, at_the_node, choose, send

CONTRAST = """
const rgba = text => text.match(/[\\d.]+/g).map(Number)
const over = ([r, g, b, a = 1], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)]
const light = rgb => {
  const [r, g, b] = rgb.map(v => v / 255).map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
const ground = element => {
  if (!element) return [255, 255, 255]
  const own = rgba(getComputedStyle(element).backgroundColor)
  return own[3] === 0 ? ground(element.parentElement) : over(own, ground(element.parentElement))
}
const poor = []
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement
  const shown = element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  if (!shown || !texts.currentNode.data.trim()) continue
  const style = getComputedStyle(element)
  const colour = rgba(element instanceof SVGElement ? style.fill : style.color)
  const [a, b] = [light(over(colour, ground(element))), light(ground(element))].sort((x, y) => y - x)
  const size = parseFloat(style.fontSize)
  const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5
  const ratio = (a + 0.05) / (b + 0.05)
  seen += 1
  if (ratio < needed) poor.push(`${texts.currentNode.data.trim()}: ${ratio.toFixed(2)}`)
}
"""
"""WCAG 2's contrast of all text that is to be seen, `seen` times: what is less than level AA wants is poor."""
SEEN = f"let seen = 0; {CONTRAST} return [seen, poor]"
WIDE = """
const wide = one => !one.ownerSVGElement && one.getBoundingClientRect().right > innerWidth + 0.5
return [document.documentElement.scrollWidth - innerWidth, ...Array.from(document.querySelectorAll('body *'))
  .filter(one => one.checkVisibility() && !one.closest('.unseen') && wide(one)).map(one => one.outerHTML.slice(0, 80))]
"""


def legible(tab: Browser) -> None:
    for colours in ("light", "dark"):
        tab.scheme(colours)
        seen, poor = tab.run(SEEN)
        assert seen > 3
        assert poor == [], colours


def fits_a_phone(tab: Browser) -> None:
    """Charts are drawn anew for each width, so this is waited for."""
    tab.size(*PHONE, mobile=True)
    tab.until(lambda: tab.run(WIDE) == [0], "nothing is wider than a phone")
    tab.size(1280, 800)
    tab.until(lambda: tab.run(WIDE) == [0], "nothing is wider than the window")


def speak(tab: Browser, language: str) -> None:
    if language == "zh":
        tab.click("#language")
        tab.reads("nav", "节点")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_view_is_legible_and_fits_a_phone(tab: Browser, served: Served, language: str) -> None:
    tab.open(served.page)
    speak(tab, language)
    tab.find("main h1")
    legible(tab)
    fits_a_phone(tab)
    tab.click('nav a[href="#nodes"]')
    tab.find(".node-card")
    legible(tab)
    fits_a_phone(tab)


def test_a_node_is_legible_and_fits_a_phone(
    tab: Browser, served: Served, image: Callable[[Model], str]
) -> None:
    at_the_node(tab, served.page)
    send(tab, served, image(NAND), NAND)
    tab.reads(LAMP, "lit")
    choose(tab, image(NAND))
    tab.find("pre")
    tab.until(lambda: tab.all(".curves path.line"))
    legible(tab)
    fits_a_phone(tab)
    speak(tab, "zh")
    tab.reads(LAMP, "亮")
    legible(tab)
    fits_a_phone(tab)
    tab.click("#token")
    tab.find("dialog")
    legible(tab)
    fits_a_phone(tab)


def test_light_and_dark_are_remembered(tab: Browser, served: Served) -> None:
    ground = "return getComputedStyle(document.documentElement).backgroundColor"
    tab.open(served.page)
    light = tab.run(ground)
    tab.click("#theme")
    dark = tab.run(ground)
    assert dark != light
    tab.scheme("dark")
    assert tab.run(ground) == dark
    tab.click("#theme")
    assert tab.run(ground) == light
    tab.run("location.reload()")
    tab.find("#theme")
    assert tab.run(ground) == light, "the user likes dark, and has chosen light here"


FLOOD = """
const modules = [import('/page/store.js'), import('/page/curves.js')]
return Promise.all(modules).then(async ([{ store, take, subscribe }, { curves }]) => {
  const node = [...store.nodes.values()][0]
  let drawn = 0
  const ends = [subscribe(() => { drawn += 1 }), curves(node.uid).start()]
  const event = { uid: node.uid, time: 1, uptime: 1, kind: 'DECISION', text: '' }
  for (let i = 0; i < 5000; i++) {
    take('node', { ...node, led: i % 2 === 0 })
    take('event', { ...event, number: i })
    take('job', { id: `flood ${i}`, uid: node.uid, kind: 'inputs', state: 'done', lines: [], error: '' })
  }
  await new Promise(requestAnimationFrame)
  ends.forEach(end => end())
  const { events, jobs, nodes } = store
  return { drawn, events: events.length, newest: events.at(-1).number, jobs: jobs.size, nodes: nodes.size }
})
"""


def test_a_flood_of_news_is_drawn_by_the_frame_and_bounded(tab: Browser, served: Served) -> None:
    tab.open(served.page)
    tab.click('nav a[href="#nodes"]')
    tab.find(".node-card")
    kept: dict[str, Any] = tab.run(FLOOD)
    assert kept.pop("drawn") <= 4
    assert kept == {"events": 300, "newest": 4999, "jobs": 50, "nodes": 1}
    assert len(tab.all(".events li")) == 15
