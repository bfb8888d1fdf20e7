"""The chat screen over real processes that speak the worker's protocol; with a real model where marked."""

from __future__ import annotations

import json
import shlex
import stat
import sys
import time
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from planner.language import use_everywhere
from planner.planfile import dumps
from runtime.chat import Which
from runtime.engines.locks import lock_hash
from runtime.events import State
from runtime.run.journal import Journal
from runtime.run.layout import RunFolder, create_run
from tests.planner.scenes import plan
from tests.tui.app import stand_in_chat
from tests.tui.app.pilot import screen_text, until
from tui.app.application import SteersmanApp
from tui.app.screens.chat import ChatScreen
from tui.app.talk import AnswerGrew
from tui.app.widgets.answer_pane import Turn

SIZE = (100, 30)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with an engine whose interpreter is the stand-in."""
    folder = tmp_path / "home"
    python = folder / "engines" / "paddlenlp-cpu" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(stand_in_chat.__file__)} "$@"\n'
    )
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    manifest = {
        "engine": "paddlenlp",
        "build": "cpu",
        "lock_sha256": lock_hash("paddlenlp", "cpu"),
        "python": "3",
        "interpreter": str(python),
        "packages": {},
        "installed_at": 0,
        "steersman": "0",
    }
    (python.parent.parent / "engine.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("STEERSMAN_HOME", str(folder))
    return folder


def finished_run(home: Path, name: str = "tiny", proven: tuple[str, ...] = ("convert", "merge")) -> RunFolder:
    """What a run leaves whose result can be talked to."""
    run = create_run(home / "runs" / name, dumps(plan()))
    model = home / "model"
    model.mkdir(exist_ok=True)
    (model / "config.json").write_text("{}")
    journal = Journal(run.journal)
    for stage in proven:
        outputs = {"model": {"path": str(model), "files": {}, "bytes": 0}}
        journal.append(State(t=time.time(), stage=stage, state="committed", outputs=outputs))
    journal.close()
    return run


async def opened(pilot: Pilot[Any], run: RunFolder) -> ChatScreen:
    cast(SteersmanApp, pilot.app).open_chat(run)
    await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen))
    screen = cast(ChatScreen, pilot.app.screen)
    await until(pilot, lambda: screen.ready or screen.refused)
    return screen


async def type_in(pilot: Pilot[Any], text: str) -> None:
    pilot.app.screen.query_one("#question", Input).value = text
    await pilot.press("enter")


async def ask(pilot: Pilot[Any], screen: ChatScreen, text: str) -> None:
    await type_in(pilot, text)
    await until(pilot, lambda: not screen.answering)


def last(screen: ChatScreen, which: Which) -> Turn:
    return screen.turns[which][-1]


def records(run: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.root / "chat.jsonl").read_text().splitlines()]


def pid(run: RunFolder) -> int:
    return int((run.root / "chat" / "pid").read_text())


@pytest.mark.asyncio
async def test_where_one_model_has_room_they_take_turns_and_it_is_said(home: Path) -> None:
    run = finished_run(home)
    async with SteersmanApp().run_test(size=SIZE, notifications=True) as pilot:
        screen = await opened(pilot, run)
        await ask(pilot, screen, "a narrow way")
        await until(pilot, lambda: "no room for both" in screen_text(pilot))
        assert "28.0 GiB" in screen_text(pilot)
        assert "one model at a time" in screen_text(pilot)
        await ask(pilot, screen, "narrow again")
    assert [(one["which"], one["messages"][-1]["content"]) for one in records(run)] == [
        ("base", "a narrow way"),
        ("tuned", "a narrow way"),
        ("tuned", "narrow again"),  # the one in memory answers first
        ("base", "narrow again"),
    ]


@pytest.mark.asyncio
async def test_both_models_answer_the_same_question_side_by_side(home: Path) -> None:
    run = finished_run(home)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await ask(pilot, screen, "hello")
        await ask(pilot, screen, "again")
        assert last(screen, "base").answer == "base heard again after 2 messages at 0.0 seed None"
        assert last(screen, "tuned").answer == "tuned heard again after 2 messages at 0.0 seed None"
        shown = screen_text(pilot)
        assert "9.5 per second" in shown
        row = next(line for line in shown.splitlines() if "base heard hello" in line)
        assert "tuned heard hello" in row, "the panes stand side by side"
    assert [(each["which"], len(each["messages"])) for each in records(run)] == [
        ("base", 1),
        ("tuned", 1),
        ("base", 3),
        ("tuned", 3),
    ]


@pytest.mark.asyncio
async def test_narrow_terminals_stack_the_panes(home: Path) -> None:
    async with SteersmanApp().run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, finished_run(home))
        base, tuned = (screen.query_one(f"#pane-{which}").region for which in ("base", "tuned"))
        assert base.width == tuned.width == 80 and base.bottom == tuned.y
        for text in ("one", "two", "three", "four"):
            await ask(pilot, screen, text)
        await pilot.resize_terminal(60, 18)
        await until(pilot, lambda: "base heard four" in screen_text(pilot))
        assert "tuned heard four" in screen_text(pilot), "the end stays in sight when the size changes"


@pytest.mark.asyncio
async def test_escape_stops_the_answer_keeps_it_and_asks_nobody_else(home: Path) -> None:
    run = finished_run(home)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await type_in(pilot, "slow")
        await until(pilot, lambda: "word3" in last(screen, "base").answer)
        await pilot.press("escape")
        await until(pilot, lambda: not screen.answering)
        assert last(screen, "base").state == "interrupted"
        assert last(screen, "tuned").note() == "not asked: it was stopped before"
        assert last(screen, "tuned").answer == ""
        [record] = records(run)
        assert (record["reason"], record["answer"]) == ("interrupted", last(screen, "base").answer)
        await ask(pilot, screen, "next")
        assert last(screen, "base").answer.startswith("base heard next after 2 messages")
        assert last(screen, "tuned").answer.startswith("tuned heard next after 0 messages")
        await pilot.press("escape")
        assert pilot.app.screen is not screen


@pytest.mark.asyncio
async def test_answers_are_shown_at_most_twenty_times_a_second(home: Path) -> None:
    """2,000 pieces that come at once become few messages, and none is lost."""
    grown: list[AnswerGrew] = []
    app = SteersmanApp()

    def watch(message: object) -> None:
        if isinstance(message, AnswerGrew) and (not grown or grown[-1] is not message):
            grown.append(message)

    async with app.run_test(size=SIZE, message_hook=watch) as pilot:
        screen = await opened(pilot, finished_run(home))
        began = time.monotonic()
        await ask(pilot, screen, "many")
        spent = time.monotonic() - began
        assert last(screen, "base").answer == "".join(f"{number} " for number in range(2000))
        updates = {id(message) for message in grown}
        assert len(updates) <= 20 * spent + 4


@pytest.mark.asyncio
async def test_sampling_settings_hold_from_the_next_question_on(home: Path) -> None:
    run = finished_run(home)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await pilot.press("ctrl+s")
        screen.query_one("#temperature", Input).value = "0.7"
        screen.query_one("#seed", Input).value = "4"
        screen.query_one("#system", Input).value = "Be brief."
        await pilot.press("enter")
        assert screen.focused is screen.query_one("#question") and not screen.shows_form
        assert "temperature 0.7" in screen_text(pilot)
        await ask(pilot, screen, "hello")
        assert last(screen, "base").answer.endswith("at 0.7 seed 4")
        assert records(run)[0]["messages"][0] == {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("field", "text", "named"),
    [
        ("temperature", "-1", "from 0 on"),
        ("temperature", "warm", "a number"),
        ("temperature", "nan", "a number"),
        ("top_p", "0", "above 0"),
        ("top_p", "1.5", "above 0"),
        ("max_new_tokens", "0", "from 1 on"),
        ("max_new_tokens", "2.5", "a whole number"),
        ("seed", "x", "a whole number"),
        ("seed", "-3", "from 0 on"),
    ],
)
@pytest.mark.asyncio
async def test_a_wrong_setting_is_named_and_nobody_is_asked(
    home: Path, field: str, text: str, named: str
) -> None:
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, finished_run(home))
        screen.texts[field] = text
        await type_in(pilot, "hello")
        assert screen.refused and named in screen.refused.error.what and text in screen.refused.error.what
        assert not screen.turns["base"]
        assert screen.query_one("#question", Input).value == "hello"


@pytest.mark.asyncio
async def test_one_side_alone_can_be_asked(home: Path) -> None:
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, finished_run(home))
        await pilot.press("ctrl+t")
        await ask(pilot, screen, "hello")
        assert len(screen.turns["tuned"]) == 1 and not screen.turns["base"]
        assert not screen.query_one("#pane-base").display
        await pilot.press("ctrl+t", "ctrl+t")
        assert screen.query_one("#pane-base").display


@pytest.mark.asyncio
async def test_reset_forgets_what_was_said_and_keeps_the_transcript(home: Path) -> None:
    run = finished_run(home)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await ask(pilot, screen, "hello")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "heard hello" not in screen_text(pilot))
        await ask(pilot, screen, "anew")
        assert "after 0 messages" in last(screen, "base").answer
    assert len(records(run)) == 4


@pytest.mark.asyncio
async def test_a_worker_that_dies_is_explained_and_replaced(home: Path) -> None:
    run = finished_run(home)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await ask(pilot, screen, "die")
        await until(pilot, lambda: screen.refused)
        assert "has ended" in screen_text(pilot)
        assert last(screen, "base").state == last(screen, "tuned").state == "failed"
        await ask(pilot, screen, "hello")
        assert "tuned heard hello" in last(screen, "tuned").answer and screen.refused is None


@pytest.mark.asyncio
async def test_what_the_worker_refuses_is_shown(home: Path) -> None:
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, finished_run(home))
        await ask(pilot, screen, "refuse")
        await until(pilot, lambda: screen.refused)
        assert "The conversation is too long." in screen_text(pilot)


@pytest.mark.asyncio
async def test_a_run_without_a_result_is_refused_in_a_sentence(home: Path) -> None:
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, finished_run(home, proven=("convert",)))
        assert screen.refused and "merge is not proven" in screen_text(pilot)


@pytest.mark.asyncio
async def test_there_is_one_worker_at_a_time_and_none_in_the_end(home: Path) -> None:
    first, second = finished_run(home, "first"), finished_run(home, "second")
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, first)
        await ask(pilot, screen, "hello")
        one = psutil.Process(pid(first))
        other = await opened(pilot, second)
        await ask(pilot, other, "hello")
        two = psutil.Process(pid(second))
        psutil.wait_procs([one], timeout=10)
        assert not one.is_running() and two.is_running()
        await type_in(pilot, "slow")
        await until(pilot, lambda: last(other, "base").answer)
        pilot.app.pop_screen()
        await until(pilot, lambda: not two.is_running())
        await until(pilot, lambda: records(second)[-1]["reason"] == "interrupted")


@pytest.mark.asyncio
async def test_the_conversation_survives_a_change_of_language(home: Path) -> None:
    app = SteersmanApp()
    try:
        async with app.run_test(size=SIZE) as pilot:
            screen = await opened(pilot, finished_run(home))
            await ask(pilot, screen, "hello")
            screen.query_one("#question", Input).value = "half a question"
            await pilot.pause()
            app.speak("zh")
            await until(
                pilot, lambda: screen.query("#question") and "tuned heard hello" in screen_text(pilot)
            )
            assert screen.query_one("#question", Input).value == "half a question"
            assert "tuned model" not in screen_text(pilot)
    finally:
        use_everywhere("en")
