"""Seven short lessons for someone who learns: `python -m host.lesson [N]`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from host.cli.parser import Parser, program, whole
from host.errors import command
from host.lessons import COUNT, LANGUAGES


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog=program("lesson"),
        description="Seven short lessons, from one weight to a node of its own. Without N: the list.",
    )
    parser.add_argument("n", nargs="?", type=whole(1, COUNT), metavar="N", help="number of the lesson")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check", metavar="ANSWER", help="check an answer to the exercise: exit status 0 right, 1 wrong"
    )
    what.add_argument("--answer", action="store_true", help="show the answer to the exercise")
    parser.add_argument("--lang", choices=LANGUAGES, help="language of the text (default: the locale's)")
    args = parser.parse_args(argv)
    if args.n is None and (args.answer or args.check is not None):
        parser.error("which lesson? give its number N")
    from host.lessons.facts import LESSONS
    from host.lessons.text import Page, check, contents, language, load, show

    lang = args.lang or language(os.environ)
    page, texts = Page(lang), load(lang)
    if args.n is None:
        contents(page, texts)
    elif args.check is not None:
        return check(page, texts, args.n, args.check)
    elif args.answer:
        page.say(texts[str(args.n)][1]["because"], LESSONS[args.n - 1].exercise().facts)
    else:
        show(page, texts, args.n)
    return 0


if __name__ == "__main__":
    sys.exit(main())
