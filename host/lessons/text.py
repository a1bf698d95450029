"""The lessons as people read them: the texts beside this file, with the numbers that facts.py computes.

A text is `# number title`, then `## section` after section; {name} stands for what facts.py computes. A value of
several lines has a line of its own. Of a wrong answer, `## wrong NAME` answers the mistake of that name.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from host.cli.parser import spoken
from host.errors import NeuronError
from host.lessons import LANGUAGES
from host.lessons.facts import LESSONS
from host.show.terminal import can_draw, console

TEXTS = Path(__file__).resolve().parent
NUMBER = re.compile(r"(?:\w+ *[=:≈])? *([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)", re.IGNORECASE)
RIGHT, WRONG = 0, 1

Sections = dict[str, str]


# ----------------------------------------------------------------------------------------------------- texts


def language(environment: Mapping[str, str]) -> str:
    """The language of the locale, as POSIX reads it: LC_ALL, else LC_MESSAGES, else LANG."""
    names = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next((name for name in names if name), "")
    return next((lang for lang in LANGUAGES if locale.lower().startswith(lang)), LANGUAGES[0])


def load(lang: str) -> dict[str, tuple[str, Sections]]:
    """(title, sections) of each part of a text: contents, common, and the lessons by their numbers."""
    parts: dict[str, tuple[str, Sections]] = {}
    sections: Sections = {}
    section = ""
    for line in (TEXTS / f"{lang}.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            name, _, title = line[2:].partition(" ")
            sections, section = {}, ""
            parts[name] = title, sections
        elif line.startswith("## "):
            section = line[3:]
        else:
            sections[section] = sections.get(section, "") + line + "\n"
    return {
        name: (title, {key: text.strip("\n") for key, text in sections.items() if text.strip()})
        for name, (title, sections) in parts.items()
    }


# --------------------------------------------------------------------------------------------------- terminal


class Page:
    """Lines for people. What the terminal cannot show is replaced (English) or refused (Chinese).

    {lang} in a text is the option that a command needs to answer in this language too."""

    def __init__(self, lang: str) -> None:
        self._encoding = sys.stdout.encoding or "ascii"
        self._facts = {"lang": "" if lang == language(os.environ) else f" --lang {lang}"}
        self.drawn = can_draw()
        if not self._shows(load(lang)["common"][1]["right"]):
            raise NeuronError(
                f"this terminal's encoding is {self._encoding}, which has no Chinese: "
                "set PYTHONUTF8=1 or a UTF-8 locale, or add --lang en"
            )
        self._out = console()

    def _shows(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def say(self, text: str = "", facts: Mapping[str, Any] | None = None, *, bold: bool = False) -> None:
        text = spoken(text.format_map(self._facts | dict(facts or {})))
        if not self._shows("·"):
            text = text.replace("·", ".")
        for line in text.splitlines() or [""]:
            self._out.print(line, style="bold" if bold else None)


# ---------------------------------------------------------------------------------------------------- a lesson


def contents(page: Page, texts: dict[str, tuple[str, Sections]]) -> None:
    titles = [f"    {number}  {title}" for number, (title, _) in texts.items() if number.isdigit()]
    page.say(texts["contents"][1][""], {"titles": "\n".join(titles)})


def show(page: Page, texts: dict[str, tuple[str, Sections]], number: int) -> None:
    lesson, common = LESSONS[number - 1], texts["common"][1]
    title, sections = texts[str(number)]
    facts = {"lesson": number, "command": lesson.command}
    shown, asked = lesson.show(page.drawn), lesson.exercise().facts
    page.say(f"{number}  {title}", bold=True)
    page.say()
    page.say(sections["show"], facts | shown)
    page.say()
    page.say(common["try"], bold=True)
    page.say(sections["try"], facts | shown)
    page.say()
    page.say(common["exercise"], bold=True)
    page.say(sections["exercise"], facts | asked)
    page.say(common["ask"], facts)


def number_in(answer: str) -> float | None:
    """The number that someone typed: 2.1, w = 2.1, 2,1 or in full-width characters."""
    text = unicodedata.normalize("NFKC", answer).strip().replace("−", "-")
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    match = NUMBER.fullmatch(text)
    return float(match[1]) if match else None


def check(page: Page, texts: dict[str, tuple[str, Sections]], number: int, answer: str) -> int:
    """Say whether the answer is right, and if not, where to look. RIGHT or WRONG, for the exit status."""
    common, sections = texts["common"][1], texts[str(number)][1]
    facts = {"lesson": number, "following": number + 1, "given": repr(answer.strip()[:30])}
    given = number_in(answer)
    if given is None:
        page.say(common["number"], facts)
        return WRONG
    exercise = LESSONS[number - 1].exercise()
    facts |= exercise.facts
    verdict = exercise.judge(given)
    if verdict != "right":
        page.say(common["wrong"], bold=True)
        page.say(sections[f"wrong {verdict}"], facts)
        page.say(common["stuck"], facts)
        return WRONG
    page.say(common["right"], bold=True)
    page.say(sections["because"], facts)
    page.say(common["next" if number < len(LESSONS) else "end"], facts)
    return RIGHT
