"""The browser of the tests, tests/browser.py: it is driven, told what its user likes, and overlooks no error."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Keys

from tests.browser import PHONE, Browser, browser
from tests.e2e.conftest import Processes, _nothing_left, gone, processes  # noqa: F401 # nothing may stay

PAGE = """<!doctype html><meta name=viewport content="width=device-width"><title>rig</title>
<p id=said>idle</p><p hidden>never</p><button id=press disabled>press</button>
<script>
  setTimeout(() => { press.disabled = false }, 50);
  press.onclick = () => setTimeout(() => { said.textContent = "pressed" }, 50);
</script>"""


def page(text: str = PAGE) -> str:
    return f"data:text/html;charset=utf-8,{quote(text)}"


def test_a_page_is_used(tmp_path: Path) -> None:
    with browser(tmp_path, width=900, height=700, language="zh-CN") as tab:
        tab.open(page())
        assert tab.run("return [innerWidth, innerHeight, navigator.language]") == [900, 700, "zh-CN"]
        tab.click("#press")
        tab.reads("#said", "pressed")
        assert tab.find("p").text == "pressed"
        assert len(tab.all("p")) == 2
        assert tab.run("return Promise.resolve(7)") == 7
        picture = tmp_path / "page.png"
        tab.picture(picture)
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_tab_is_what_it_is_told_and_the_next_one_too(tmp_path: Path) -> None:
    with browser(tmp_path) as tab:
        tab.open(page())
        dark = "return matchMedia('(prefers-color-scheme: dark)').matches"
        for colours in ("light", "dark"):
            tab.scheme(colours)
            assert tab.run(dark) is (colours == "dark")
        tab.size(*PHONE, mobile=True)
        first = tab.driver.current_window_handle
        second = tab.new_tab(page())
        assert tab.run(dark)
        assert tab.run("return [innerWidth, innerHeight]") == list(PHONE)
        tab.click("#press")
        tab.reads("#said", "pressed")
        tab.go_to(first)
        tab.reads("#said", "idle")
        assert tab.driver.window_handles == [first, second]


def test_the_keyboard_does_it(tmp_path: Path) -> None:
    with browser(tmp_path) as tab:
        tab.open(page("<input id=one><input id=two>"))
        tab.keys(Keys.TAB, "a", Keys.TAB, "b")
        assert tab.run("return one.value + two.value + document.activeElement.id") == "abtwo"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("<script>throw Error('broken on purpose')</script>", "broken on purpose"),
        ("<script>Promise.reject(Error('nobody waits'))</script>", "nobody waits"),
        ("<script>console.error('noted')</script>", "noted"),
        ("<img src='http://example.org/picture.png'>", "ERR_NAME_NOT_RESOLVED"),
    ],
)
def test_an_error_of_the_page_fails_the_test(tmp_path: Path, wrong: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said), browser(tmp_path) as tab:
        tab.open(page(wrong))


def test_an_error_in_another_tab_is_one_too(tmp_path: Path) -> None:
    with browser(tmp_path) as tab:
        first = tab.driver.current_window_handle
        tab.new_tab(page("<script>console.warn('warned'); console.error('noted')</script>"))
        tab.go_to(first)
        (error,) = tab.errors()
        assert "noted" in error
        assert tab.errors() == [], "the test has taken it"


def fail(tab: Browser, processes: Processes) -> None:  # noqa: F811
    assert processes()
    tab.open(page("<script>console.error('said before')</script>"))
    raise KeyError("on purpose")


def test_a_test_that_fails_leaves_a_picture_and_no_process(
    tmp_path: Path,
    processes: Processes,  # noqa: F811
) -> None:
    with pytest.raises(KeyError) as failure, browser(tmp_path) as tab:
        fail(tab, processes)
    gone(processes)
    assert (tmp_path / "failed.png").read_bytes().startswith(b"\x89PNG")
    assert "said before" in "\n".join(failure.value.__notes__)


def test_without_chromium_the_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = "chromium and chromium-driver missing: apt-get install chromium chromium-driver"
    with pytest.raises(pytest.skip.Exception, match=said), browser(tmp_path):
        pass


def test_what_does_not_come_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with browser(tmp_path) as tab:
        tab.open(page())
        monkeypatch.setattr("tests.browser.PATIENCE", 0.1)
        with pytest.raises(TimeoutException, match="#said reads 'lit'"):
            tab.reads("#said", "lit")
