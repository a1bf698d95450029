"""host/lesson.py: both languages say the same, numbers are those of the training, commands run, replies are fair."""

from __future__ import annotations

import io
import itertools
import os
import re
import shlex
import subprocess
import sys
import unicodedata
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pytest

from host import lesson, train
from host.cli.training import options_of, parse
from host.compiler import ROOT
from host.core.fixed import fixed_from_float
from host.core.image import decode
from host.core.learn import Config, begin, step
from host.core.modbus import frame_valid
from host.core.wire import BY_NAME, Activation, Loss
from host.lessons import COUNT, flowers
from host.lessons import facts as lesson_facts
from host.lessons import text as lesson_text
from host.lessons.facts import LESSONS
from host.lessons.text import LANGUAGES, load
from host.models.dense import dense_layers, reference
from host.training.pipeline import train as train_model
from host.training.plan import make_plan
from host.training.trained import Trained

NUMBERS = range(1, len(LESSONS) + 1)
OWN = 7
"""The lesson whose commands need one another, and a node that goes on: tests/test_lesson_pump.py."""
COMMAND = re.compile(r"python -m [\w.]+(?: [\w.,=/-]+)*", re.ASCII)
WIDE = re.compile(r"[\u4e00-\u9fff]")
LINES_MAX, WIDTH_MAX = 46, 78


def test_the_command_knows_how_many_there_are() -> None:
    assert len(LESSONS) == COUNT


def width(line: str) -> int:
    """Columns that a terminal needs."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in line)


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = lesson.main(argv)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def process(*argv: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    base = {
        k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO", "PYTHONUTF8"))
    }
    return subprocess.run(
        [sys.executable, "-m", "host.lesson", *argv],
        cwd=ROOT,
        capture_output=True,
        env={**base, **environment},
    )


@cache
def facts(number: int) -> dict[str, Any]:
    """What a lesson shows, worked out once."""
    return LESSONS[number - 1].show(True)


def trained(argv: list[str]) -> Trained:
    args = parse(argv)
    return train_model(make_plan(options_of(args, args.model)))


@pytest.fixture
def shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lessons that need not train and deploy anew for each language."""
    kept = [
        lesson_facts.Lesson(one.command, lambda drawn, n=n: facts(n), one.exercise, one.status)
        for n, one in enumerate(LESSONS, 1)
    ]
    monkeypatch.setattr(lesson_text, "LESSONS", kept)


# ----------------------------------------------------------------------------------------------------- texts


def test_both_languages_have_the_same_sections_placeholders_and_commands() -> None:
    english, chinese = load("en"), load("zh")
    assert list(english) == list(chinese) == ["contents", "common", *map(str, NUMBERS)]
    for name, (title, sections) in english.items():
        other_title, other = chinese[name]
        assert bool(title) == bool(other_title) == name.isdigit()
        assert list(sections) == list(other), name
        for section, text in sections.items():
            assert text.strip(), (name, section)
            assert other[section].strip(), (name, section)
            fields = [
                sorted((f, s, c) for _, f, s, c in Formatter().parse(t) if f is not None)
                for t in (text, other[section])
            ]
            assert fields[0] == fields[1], (name, section)
            commands = [
                [c.removesuffix(" ANSWER").replace("--lang en", "--lang zh") for c in COMMAND.findall(t)]
                for t in (text, other[section])
            ]
            assert commands[0] == commands[1], (name, section)
            options = [sorted(re.findall(r"--[a-z]+(?: \d+(?:\.\d+)?)?", t)) for t in (text, other[section])]
            assert options[0] == options[1], (name, section)


def test_english_is_ascii_but_for_the_dot_and_chinese_is_chinese() -> None:
    text = (lesson_text.TEXTS / "en.md").read_text(encoding="utf-8")
    assert set(text) - set(map(chr, range(128))) == {"·"}
    for name, (_, sections) in load("zh").items():
        for section, words in sections.items():
            if section != "ask" or name != "common":
                assert WIDE.search(words) or words.strip() == "{command}", (name, section)
            assert not re.search(r"[\u4e00-\u9fff][,:;!?]", words), (name, section)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_mistake_has_its_reply_and_every_reply_its_mistake(number: int) -> None:
    replies = {s[6:] for s in load("en")[str(number)][1] if s.startswith("wrong ")}
    assert replies == {*LESSONS[number - 1].exercise().mistakes, "other"}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.usefixtures("shown_once")
def test_a_lesson_fits_on_a_page(capsys: pytest.CaptureFixture[str], number: int, lang: str) -> None:
    status, out, err = run(capsys, str(number), "--lang", lang)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) <= LINES_MAX
    assert max(map(width, lines)) <= WIDTH_MAX, max(lines, key=width)
    assert not re.search(r"\{\w+|nan|inf\b|Traceback", out)
    assert lines[0] == f"{number}  {load(lang)[str(number)][0]}"
    assert f"    {LESSONS[number - 1].command}" in lines
    assert bool(WIDE.search(out)) == (lang == "zh")


@pytest.mark.usefixtures("shown_once")
@pytest.mark.parametrize("lang", LANGUAGES)
def test_contents(capsys: pytest.CaptureFixture[str], lang: str) -> None:
    status, out, _ = run(capsys, "--lang", lang)
    assert status == 0
    assert all(f"    {n}  {load(lang)[str(n)][0]}\n" in out for n in NUMBERS)


# --------------------------------------------------------------------------------------------------- numbers


def test_search_shows_the_grid(capsys: pytest.CaptureFixture[str]) -> None:
    shown = facts(1)
    losses = {w / 10: sum((w / 10 * x - 2 * x) ** 2 for x in (1, 2, 3)) / 3 for w in range(41)}
    assert shown["w"] == 2.0 == min(losses, key=losses.__getitem__)
    assert (shown["loss"], shown["points"], shown["two"]) == (0.0, len(losses), len(losses) ** 2)
    for row in shown["bars"].splitlines()[1:]:
        w, loss, *bar = row.split()
        assert float(loss) == pytest.approx(losses[float(w)], abs=6e-5)
        assert len(bar[0] if bar else "") == round(losses[float(w)] / losses[0.0] * lesson_facts.BAR)


def test_descent_shows_the_articles_figures() -> None:
    shown = facts(2)
    assert shown["right"] == 1.9999444396553017
    assert shown["forgotten"] == 1.9979451252294764
    history = trained(["--model", "wx"]).fit.history
    assert (shown["right"], shown["first"]) == (history[99].w[0], history[0].w[0])
    x, y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
    for epochs in (1, 2, 100):
        assert lesson_facts.descend(1.0, x, y, 0.01, epochs, forget=False) == history[epochs - 1].w[0]
    assert "4.666667e+00   1.093333" in shown["table"]
    assert "1.752433e-08   1.999944" in shown["table"]


def test_explosion_shows_the_figures_of_the_training() -> None:
    shown = facts(3)
    assert (shown["w"], shown["b"]) == (1.9999999943842544, 2.0274623625998433e-08)
    assert shown["six"] == pytest.approx(11.99999998658015, abs=1e-14)
    assert (shown["slow_w"], shown["slow_b"]) == (1.9951803506719779, 0.017400463340610635)
    x = np.arange(1.0, 6.0)
    hessian = 2 / len(x) * np.array([[x @ x, x.sum()], [x.sum(), len(x)]])
    assert shown["limit"] == pytest.approx(2 / np.linalg.eigvalsh(hessian)[-1], rel=1e-12)
    config = Config((1, 1), (Activation.IDENTITY,), loss=Loss.MEAN, rate=0.1)
    learner = begin(config, x[:, np.newaxis], 2 * x, [0.0, 0.0])
    for row in shown["table"].splitlines()[1:]:
        step(learner)
        assert row.split()[1:] == [f"{learner.loss:.6e}", *(f"{p:.7g}" for p in learner.parameters)]


def test_and_on_the_board_lights_for_one_row_only() -> None:
    shown = facts(4)
    assert [row.split() for row in shown["rows"].splitlines()[1:]] == [
        ["0", "0", "0", "○"],
        ["0", "1", "0", "○"],
        ["1", "0", "0", "○"],
        ["1", "1", "1", "●", "lit"],
    ]
    result = trained(["--model", "and"])
    w1, w2, b = (row.split() for row in shown["integers"].splitlines()[1:])
    layer = decode(result.image).layers[0]
    assert [int(w1[2]), int(w2[2]), int(b[2])] == [*layer.weights[0].tolist(), layer.bias[0]]
    assert float(w1[1]) == pytest.approx(result.end.w[0], abs=1e-10)
    assert float(w1[4]) == pytest.approx(int(w1[2]) * 2.0 ** int(w1[3][2:]), abs=1e-10)
    ask, tell = ("".join(shown[name]).replace(" ", "") for name in ("ask", "tell"))
    assert frame_valid(bytes.fromhex(ask))
    assert frame_valid(bytes.fromhex(tell))
    results = BY_NAME["RESULT_BITS"].address << 16 | 2
    assert shown["ask"][:3] == ["01", "17", results.to_bytes(4, "big").hex(" ")]
    assert shown["ask"][4:6] == [np.array(1, ">f4").tobytes().hex(" ")] * 2
    assert int(shown["tell"][3].replace(" ", ""), 16) >> BY_NAME["LED"].address & 1
    assert shown["tell"][4] == "00 01"


def test_the_network_learns_what_one_neuron_cannot() -> None:
    shown = facts(5)
    assert (shown["tried"], shown["most"], shown["rows_count"]) == (17**3, 3, 4)
    assert (shown["alone_w1"], shown["alone_w2"], shown["alone_b"]) == pytest.approx((0, 0, 0.5), abs=1e-3)
    assert [row.split()[2:4] for row in shown["rows"].splitlines()[1:]] == [
        ["0", "○"],
        ["1", "●"],
        ["1", "●"],
        ["0", "○"],
    ]
    assert shown["last_loss"] < 1e-6 < shown["first_loss"]
    assert shown["stuck_right"] < 4  # "not every start arrives"
    assert (shown["stuck_dead"], shown["stuck_output"]) == (4, 0.5)  # "all dead", "the mean of the targets"
    hidden = np.array([row.split()[2:-1] for row in shown["hidden"].splitlines()[1:]], float)
    assert hidden.shape == (4, 4)
    assert (np.count_nonzero(hidden, axis=0) <= 1).all()  # "those that fire pick out one row each"
    assert shown["dead"] == "h2"
    assert not hidden[:, 1].any()


def test_flowers_are_those_of_the_file_and_the_large_network_over_fits() -> None:
    shown = facts(6)
    labels = [line.rsplit(",", 1)[1] for line in flowers.FILE.read_text(encoding="utf-8").splitlines()[1:]]
    assert (shown["rows"], shown["inputs"], shown["classes"]) == (len(labels), 4, len(set(labels)))
    command = ["--model", "mlp", "--data", str(flowers.FILE), "--target", "species"]
    result = trained(command)
    for row, (name, part) in zip(shown["parts"].splitlines()[1:], result.parts.items(), strict=True):
        said = reference(result.layers, part.x)[1].argmax(axis=1)
        right = f"{100 * np.mean(said == part.labels):.1f}"
        assert row.split() == [name, str(len(part)), right, "%", f"{100 / 3:.1f}", "%"]
        assert np.bincount(part.labels).tolist() == [len(part) / 3] * 3  # "of every species its share"
    test = result.parts["test"]
    virginica = reference(result.layers, test.x[test.labels == 2])[1].argmax(axis=1)
    assert [int(n) for n in re.findall(r"\d+", shown["missed"])] == np.bincount(
        virginica, minlength=3
    ).tolist()

    large = trained([*command, *"--layers 4-32-32-3 --split 20,40,40 --l2 0".split()])
    rows = [[float(cell) for cell in row.split()] for row in shown["losses"].splitlines()[1:]]
    epochs, training, validation = zip(*rows, strict=True)
    history = large.fit.history
    best = min(history, key=lambda epoch: epoch.validation or 0.0)
    assert (shown["kept"], shown["epochs"]) == (best.epoch, len(history))
    assert (epochs[1], epochs[-1]) == (shown["kept"], shown["kept"] + shown["patience"])
    assert [history[int(n)].validation for n in epochs] == pytest.approx(validation, abs=6e-5)
    assert all(a.loss > b.loss for a, b in itertools.pairwise(history[5:]))  # "falls and falls"
    assert training[-1] < training[1] / 50
    assert validation[0] > validation[1] < validation[2] < validation[3]
    assert validation[3] > 2 * shown["chosen"]
    assert shown["chosen"] < shown["test"]  # "chosen, so it flatters"
    assert shown["parameters"] == 5 * 32 + 33 * 32 + 33 * 3
    assert shown["test"] == large.losses["test"]
    assert large.fit.end.epoch == best.epoch

    last = dense_layers(large.config, history[-1].parameters)
    x, y = large.plan.samples.of("validation")[:2]
    sure = [
        softmax(reference(layers, x)[1]) for layers in (dense_layers(large.config, best.parameters), last)
    ]
    wrong = [share.argmax(axis=1) != y.argmax(axis=1) for share in sure]
    at_start, at_end = (share[row].max(axis=1).mean() for share, row in zip(sure, wrong, strict=True))
    assert at_end > at_start  # "more and more sure, also where it is wrong"


def softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


# -------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("number", [number for number in NUMBERS if number != OWN])
def test_the_command_to_try_runs(
    number: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    one = LESSONS[number - 1]
    words = shlex.split(one.command)
    assert words[:3] == ["python", "-m", "host.train"]
    status = train.main(words[3:])
    _, err = capsys.readouterr()
    assert status == one.status, err
    if one.status:
        assert err.count("\n") == 1
        assert f"the largest stable rate for this data is {facts(3)['limit']:.6g}" in err
    else:
        assert err == ""


def test_what_else_the_texts_tell_to_try_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--model", "wxb", "--lr", "0.17"]) == 2  # "beyond the limit, and it diverges"
    capsys.readouterr()
    assert train.main(shlex.split(lesson_facts.EXPLOSION.replace("--lr 0.1", "--lr 0.08"))[3:]) == 0
    assert train.main(shlex.split(lesson_facts.COARSE)[3:]) == 0
    assert "y = 2.1 x" in capsys.readouterr().out
    assert train.main(["--model", "wxb", "--lr", "1"]) == 2
    limit = LESSONS[2].exercise().answer
    assert f"the largest stable rate for this data is {limit:.6g}" in capsys.readouterr().err
    assert train.main(shlex.split(f"{flowers.FLOWERS} {flowers.LARGE}")[3:]) == 0
    out = capsys.readouterr().out
    exercise = LESSONS[5].exercise()
    assert "over-fitting: the validation loss was lowest at epoch 14" in out
    assert f"versicolor     20      {100 * exercise.mistakes['precision']:.1f} %" in out


def test_the_file_is_found_from_any_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert flowers.path_here(ROOT / "host" / "lessons" / "iris.csv", ROOT) == "host/lessons/iris.csv"
    assert flowers.path_here(tmp_path / "a b.csv", ROOT) == f'"{tmp_path.as_posix()}/a b.csv"'
    shown = subprocess.run(
        [sys.executable, "-m", "host.lesson", "6", "--lang", "en"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    (command,) = re.findall(r"^    (python -m host\.train .+)$", shown.stdout, re.MULTILINE)
    (options,) = re.findall(r"^    (--target .+)$", shown.stdout, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    assert train.main(shlex.split(f"{command} {options}")[3:]) == 0
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------------------------------------- exercises

ANSWERS = [
    (1, ["2.1", "w=2.1", " w = 2.10 ", "２．１", "2,1"], ["2", "1.8", "0.3", "-2.1", "1e999"]),
    (2, ["1.467", "1.4667", "1.466"], ["0.533", "1.0933", "1.3", "2.4", "1.233", "0.467", "7"]),
    (3, ["0.169", "0.16904", ".169"], ["0.0845", "0.0423", "0.1", "0.17", "11.83", "3"]),
    (4, ["61", "61.0"], ["60", "60.647", "116", "121", "30", "15526", "-61"]),
    (5, ["33"], ["24", "32", "11", "17", "0"]),
    (
        6,
        ["0.8", "0.80", ".8", "0,8", "recall = 0.8"],
        ["0.842", "0.88", "0.967", "0.333", "0.2", "4", "16", "80", "7"],
    ),
    (7, ["6", "6.0", "crossings = 6"], ["3", "4", "2", "5", "7", "105"]),
]


def tells(text: str, exercise: lesson_facts.Exercise) -> bool:
    """Whether the answer stands there."""
    return any(exercise.judge(float(n)) == "right" for n in re.findall(r"(?<![-\d.])\d+(?:\.\d+)?", text))


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(("number", "right", "wrong"), ANSWERS, ids=lambda v: v if isinstance(v, int) else "")
def test_answers(
    capsys: pytest.CaptureFixture[str], lang: str, number: int, right: list[str], wrong: list[str]
) -> None:
    common, sections = load(lang)["common"][1], load(lang)[str(number)][1]
    for answer in right:
        status, out, err = run(capsys, str(number), "--check", answer, "--lang", lang)
        assert (status, err) == (0, ""), answer
        assert out.startswith(common["right"] + "\n")
    replies, exercise = set(), LESSONS[number - 1].exercise()
    for answer in wrong:
        status, out, err = run(capsys, str(number), "--check", answer, "--lang", lang)
        assert (status, err) == (1, ""), answer
        assert out.startswith(common["wrong"] + "\n")
        assert f"python -m host.lesson {number} --answer" in out
        assert not tells(out, exercise), "it gives the answer away"
        replies.add(out)
    known = [s for s in sections if s.startswith("wrong ")]
    assert len(replies) == len(known), f"{len(replies)} different replies, the text has {len(known)}"
    for answer in ("", "what?", "nan", "1 2", "0x10"):
        status, out, _ = run(capsys, str(number), "--check", answer, "--lang", lang)
        assert (status, out.count("\n")) == (1, 1)
    status, out, _ = run(capsys, str(number), "--answer", "--lang", lang)
    assert status == 0
    assert tells(out, exercise)


def test_the_right_answers_are_those_of_the_training() -> None:
    one = trained("--model wx --lr 0.05 --epochs 1".split()).fit.end.w[0]
    weight = trained(["--model", "and"]).end.w[1]
    assert [one_lesson.exercise().answer for one_lesson in LESSONS] == [
        2.1,
        one,
        pytest.approx(0.169048, abs=1e-6),
        int(fixed_from_float(weight, 8)),
        8 * 3 + 9,
        16 / 20,
        6,
    ]


# ------------------------------------------------------------------------------------- language and terminal


@pytest.mark.parametrize(
    ("environment", "lang"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        ({"LC_ALL": "ZH_TW"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_language_of_the_locale(environment: dict[str, str], lang: str) -> None:
    assert lesson_text.language(environment) == lang


def test_the_locale_chooses_and_lang_overrides() -> None:
    utf8 = {"PYTHONIOENCODING": "utf-8"}
    chinese = process(LANG="zh_CN.UTF-8", **utf8)
    assert WIDE.search(chinese.stdout.decode())
    assert not WIDE.search(process("--lang", "en", LANG="zh_CN.UTF-8", **utf8).stdout.decode())


@pytest.mark.parametrize(("lang", "locale"), [("zh", "C"), ("en", "zh_CN.UTF-8")])
def test_the_commands_that_a_lesson_tells_answer_in_its_language(
    lang: str, locale: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them where the locale would choose the other language; none where it would not."""
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    for said in ([], ["2"], ["2", "--check", "1.467"], ["2", "--check", "3"]):
        for spoken in (locale, "zh_CN.UTF-8" if lang == "zh" else "C"):
            monkeypatch.setenv("LANG", spoken)
            _, out, _ = run(capsys, *said, "--lang", lang)
            commands = re.findall(r"python -m host\.lesson \d.*", out)
            assert commands
            assert all((f"--lang {lang}" in command) == (spoken == locale) for command in commands)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_english_needs_no_more_than_ascii(
    encoding: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    for number in (1, 4):
        out = io.TextIOWrapper(io.BytesIO(), encoding)
        with monkeypatch.context() as terminal:
            terminal.setattr(sys, "stdout", out)
            assert lesson.main([str(number)]) == 0
        said = out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
        assert said
        assert capsys.readouterr().err == ""
        assert "?" not in said.replace("now?", "").replace("this step?", "")


def test_chinese_says_in_one_line_that_it_needs_an_encoding() -> None:
    result = process("1", "--lang", "zh", PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.count(b"\n") == 1
    assert b"--lang en" in result.stderr


def test_chinese_can_be_shown_in_gbk() -> None:
    result = process("1", "--lang", "zh", PYTHONIOENCODING="gbk")
    assert result.returncode == 0
    assert WIDE.search(result.stdout.decode("gbk"))


@pytest.mark.parametrize("argv", [["0"], ["8"], ["x"], ["--check", "2"], ["--answer"], ["1", "--lang", "fr"]])
def test_what_cannot_be_is_one_line(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    status, out, err = run(capsys, *argv)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
