"""Who may: the page looks until it has the token, and knows when the gateway that gave it has gone."""

from __future__ import annotations

from selenium.webdriver import Keys

from tests.browser import Browser
from tests.page.served import Served, serving
from tests.page.test_page_nodes import CAN, IDENTIFY, at_the_node


def test_without_the_token_one_looks_and_with_it_one_acts(tab: Browser, served: Served) -> None:
    at_the_node(tab, served.address)
    tab.reads("h3 + .actions .why", "give it the token")
    assert not tab.all(IDENTIFY)
    tab.click("#token")
    tab.find("#token-field").send_keys("wrong", Keys.ENTER)
    tab.reads("dialog .wrong", "give the token: printed when the gateway started")
    assert "401" in "".join(tab.errors())
    field = tab.find("#token-field")
    field.clear()
    field.send_keys(served.page, Keys.ENTER)
    tab.click(IDENTIFY)
    tab.reads(".hero", "identifying")
    tab.run("location.reload()")
    tab.click(f"{IDENTIFY}[aria-pressed=true]")
    tab.until(lambda: "identifying" not in tab.find(".hero").text)


def test_the_token_may_come_later_by_the_address(tab: Browser, served: Served) -> None:
    at_the_node(tab, served.address)
    assert not tab.all(IDENTIFY)
    tab.run("location.hash = arguments[0]", f"token={served.token}")
    tab.click('nav a[href="#nodes"]')
    tab.click(".cover")
    tab.find(IDENTIFY)
    assert served.token not in tab.driver.current_url


def test_from_elsewhere_one_needs_it_to_look_too(tab: Browser) -> None:
    with serving("sim", "--allow-remote") as served:
        tab.open(served.address)
        tab.click("#notices button")
        assert not tab.all(".node-card")
        tab.find("#token-field").send_keys(served.token, Keys.ENTER)
        tab.click('nav a[href="#nodes"]')
        tab.reads(".node-card", "answers")
        assert "401" in "".join(tab.errors())


def test_a_gateway_that_ends_and_begins_again(tab: Browser, served: Served) -> None:
    at_the_node(tab, served.page)
    tab.click('nav a[href="#nodes"]')
    tab.reads(".node-card", "answers")
    served.end()
    tab.reads("#notices", "Out of touch with the gateway")
    with serving("sim", http=served.address.removeprefix("http://").rstrip("/")) as again:
        tab.until(lambda: "Out of touch" not in tab.all("#notices")[0].text)
        (node,) = tab.until(again.nodes)
        tab.until(lambda: tab.all(f'[data-uid="{node["uid"]}"]'))
        tab.click(f".line-card button{CAN}")
        tab.reads("#notices", "give the token: printed when the gateway started")
        tab.click("#notices button")
        tab.find("#token-field").send_keys(again.token, Keys.ENTER)
        tab.click(f".line-card button{CAN}")
        tab.reads(".line-card", "1 found")
    assert "401" in "".join(tab.errors())
