"""A real browser for tests: Debian's Chromium, without a window, driven by Debian's driver. It reaches this machine
alone, and what its console says of errors fails the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.patience import PATIENCE

FLAGS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --hide-scrollbars
    --disable-dev-shm-usage
""".split()
"""No sandbox: it wants a user who is not root, and the pages are ours. No /dev/shm: a container's is small."""
HERE_ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
PHONE = (360, 740)
"""Width and height of a phone's page, in CSS pixels."""


class Browser:
    """driver: selenium's, for what is not here. All that is asked for is waited for."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self._told: dict[str, dict[str, Any]] = {}

    def open(self, address: str) -> None:
        """In this tab; ends when the page has loaded."""
        self.driver.get(address)

    def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        """The first answer of `condition` that is true. An element that the page has just replaced is asked again."""
        waiting = WebDriverWait(self.driver, PATIENCE, 0.02, [StaleElementReferenceException])
        return waiting.until(lambda _: condition(), what)

    def all(self, selector: str) -> list[WebElement]:
        """What is there now, seen or not, of a CSS selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def find(self, selector: str) -> WebElement:
        """The first that is to be seen."""
        seen: list[WebElement] = self.until(
            lambda: [one for one in self.all(selector) if one.is_displayed()], selector
        )
        return seen[0]

    def click(self, selector: str) -> None:
        """Once it can be pressed."""

        def pressed() -> bool:
            element = self.find(selector)
            if enabled := element.is_enabled():
                element.click()
            return enabled

        self.until(pressed, f"{selector} can be pressed")

    def reads(self, selector: str, text: str) -> None:
        """Wait until `text` is part of what stands there to be seen."""
        self.until(lambda: text in self.find(selector).text, f"{selector} reads {text!r}")

    def run(self, script: str, *arguments: object) -> Any:
        """The value that the script, in JavaScript, returns; of a promise, what it comes to."""
        return self.driver.execute_script(script, *arguments)

    def new_tab(self, address: str) -> str:
        """Open another tab, told the same as this one, and stay there; answers its handle."""
        self.driver.switch_to.new_window("tab")
        for command, what in self._told.items():
            self._tell(command, **what)
        self.open(address)
        return self.driver.current_window_handle

    def go_to(self, handle: str) -> None:
        self.driver.switch_to.window(handle)

    def scheme(self, colours: str) -> None:
        """What this tab is told that its user likes: dark, or light."""
        features = [{"name": "prefers-color-scheme", "value": colours}]
        self._tell("Emulation.setEmulatedMedia", features=features)

    def size(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Of this tab's page, in CSS pixels; mobile: it obeys <meta name=viewport>, as on a phone."""
        command = "Emulation.setDeviceMetricsOverride"
        self._tell(command, width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def _tell(self, command: str, **what: Any) -> None:
        self.driver.execute_cdp_cmd(command, what)
        self._told[command] = what

    def keys(self, *keys: str) -> None:
        """Press them, one after the other, wherever the keyboard's focus is: selenium's Keys, or characters."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def picture(self, path: Path) -> None:
        """What is to be seen of this tab, as a PNG."""
        path.write_bytes(self.driver.get_screenshot_as_png())

    def errors(self) -> list[str]:
        """What the console of every tab has said of errors, each once: a script's, and what was not loaded. A test
        that causes one takes it from here."""
        self.run("return 0")  # what the page has said before this has come then
        driver: Any = self.driver
        return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def missing() -> str:
    """How to get what is not there."""
    programs = {"chromium": "chromium", "chromedriver": "chromium-driver"}
    lacking = [package for program, package in programs.items() if not shutil.which(program)]
    return f"{' and '.join(lacking)} missing: apt-get install {' '.join(lacking)}" if lacking else ""


@contextmanager
def browser(folder: Path, *, width: int = 1280, height: int = 800, language: str = "en") -> Iterator[Browser]:
    """A browser that keeps all that it writes in `folder`, and is gone afterwards. language: its user's."""
    if why := missing():
        pytest.skip(why)
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, HERE_ALONE, f"--window-size={width},{height}", f"--user-data-dir={folder / 'user'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With the path given, selenium looks for no driver, nor asks the network for one.
    service = ChromeService(str(shutil.which("chromedriver")), env={**os.environ, "HOME": str(folder)})
    driver = Chrome(options, service)
    try:
        executor: Any = driver.command_executor
        executor.client_config.timeout = 2 * PATIENCE  # for the driver, which is as patient as this:
        driver.set_page_load_timeout(PATIENCE)
        driver.set_script_timeout(PATIENCE)
        opened = Browser(driver)
        opened.size(width, height)
        try:
            yield opened
        except BaseException as failure:
            opened.picture(folder / "failed.png")
            failure.add_note(f"the page: {driver.current_url}, seen in {folder / 'failed.png'}")
            failure.add_note("\n".join(["its console:", *opened.errors()]))
            raise
        errors = opened.errors()
        assert not errors, errors
    finally:
        driver.quit()
