"""A gateway for each test, and one browser for all of them, which is told anew what its user likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host.core.image import Model, encode
from tests.browser import Browser, browser
from tests.e2e.conftest import _nothing_left, processes  # noqa: F401 # nothing may stay
from tests.page.served import Served, serving

LIVE = "/api/live - Failed to load resource"
"""What the console says when a test's gateway has ended before its page."""


@pytest.fixture
def served() -> Iterator[Served]:
    """Of a simulated node."""
    with serving("sim") as gateway:
        yield gateway


@pytest.fixture(scope="session")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def tab(window: Browser, tmp_path: Path) -> Iterator[Browser]:
    """The browser's only tab, of a user who likes it light and speaks English."""
    window.scheme("light")
    window.size(1280, 800)
    yield window
    errors = [error for error in window.errors() if LIVE not in error]
    first, *others = window.driver.window_handles
    for other in others:
        window.go_to(other)
        window.driver.close()
    window.go_to(first)
    window.open("about:blank")
    assert not errors, errors


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function, call: pytest.CallInfo[None]) -> Any:
    """A test that fails says where a picture of the page is, as it was then."""
    report = yield
    tab, folder = item.funcargs.get("tab"), item.funcargs.get("tmp_path")
    if report.when == "call" and report.failed and isinstance(tab, Browser) and isinstance(folder, Path):
        picture = folder / "failed.png"
        tab.picture(picture)
        report.sections.append(("The page", f"{tab.driver.current_url}, seen in {picture}"))
    return report


@pytest.fixture
def pictured(tab: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, int], None]:
    """Take pictures of the page as it is, so many pixels of it from the top: NAME-light.png and NAME-dark.png."""
    folder = Path(request.config.getoption("--pictures") or tmp_path)

    def take(name: str, height: int) -> None:
        tab.size(1280, height)
        tab.run("scrollTo(0, 0)")
        for colours in ("dark", "light"):
            tab.scheme(colours)
            tab.picture(folder / f"{name}-{colours}.png")
        tab.size(1280, 800)

    return take


@pytest.fixture
def image(tmp_path: Path) -> Callable[[Model], str]:
    """The file of a model."""

    def write(model: Model) -> str:
        path = tmp_path / f"{model.name}.img"
        path.write_bytes(encode(model))
        return str(path)

    return write
