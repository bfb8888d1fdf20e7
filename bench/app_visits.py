"""What a person does on each screen, for `bench.app_turns`: every screen opened, used and left some times."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.app_turns import ROUNDS, Visitor
from planner.plan import Plan
from tests.tui.app.conversing import Person
from tests.tui.app.conversing import prepare as model_and_rows
from tests.tui.app.plan_pages import large
from tests.tui.app.replay import Replay
from tests.tui.app.test_data_screen import demo
from tui.app.screens.conversation import ConversationScreen
from tui.app.screens.data import DataScreen
from tui.app.screens.plan import PlanScreen
from tui.app.widgets.prompt import Prompt

MANY_RUNS = 200
MANY_STEPS = 20_000
USED = 2
"""Rounds in which a screen is used after it was opened; in the others it is only opened."""

COMMANDS = (
    "/why method",
    "/compare",
    "/what-if goal memory",
    "/help",
    "/theme light",
    "/theme dark",
    "/lang zh",
    "/lang en",
    "/pin lora_rank=4",
    "/set lora_rank=8",
    "/undo",
    "/data",
    "/plan",
)


def nothing(home: Path) -> None:
    """Prepare nothing."""


def many_runs(home: Path) -> None:
    """Put many runs, ended well or badly, into the folder."""
    for number in range(MANY_RUNS):
        Replay("failed" if number % 3 else "success", home / "runs" / f"run{number:03}").play()


async def home(visitor: Visitor, prepared: None) -> None:
    """Home with many runs."""
    screen = visitor.screen
    for _ in range(ROUNDS):
        await visitor.does("home: built", lambda: screen.refresh(recompose=True), rest=2)
    await visitor.everywhere("home")
    await visitor.does("home: keys", lambda: visitor.pilot.press("tab", "end", "up", "home", "down"), rest=1)


def a_plan(home: Path) -> Plan:
    """Return a plan of 97 settings for two cards."""
    return large()


async def plan(visitor: Visitor, prepared: Plan) -> None:
    """The plan: opened, changed, filtered, asked what if."""
    app = visitor.app
    for number in range(ROUNDS):
        await visitor.does(
            "plan: open",
            lambda: app.open_plan(prepared),
            lambda: isinstance(app.screen, PlanScreen) and app.screen.focused,
        )
        if number < USED:
            await _use_plan(visitor)
        await visitor.goes_home()


async def _use_plan(visitor: Visitor) -> None:
    screen, work = visitor.screen, visitor.app.work
    await visitor.presses("plan: files", "f", then=lambda: screen.texts and not work.jobs)
    await visitor.presses("plan: what if", "w")
    screen.query_one("#what-if-line").value = "goal memory"
    await visitor.presses("plan: what if asked", "enter", then=lambda: screen.other)
    await visitor.presses("plan: what if taken", "t", then=lambda: screen.session.past)
    await visitor.presses("plan: undo", "u")
    await visitor.presses("plan: filter", "slash")
    for letter in "rank":
        await visitor.presses("plan: filter typed", letter)
    await visitor.presses("plan: filter closed", "escape")
    screen.query_one("#row-method").focus()
    await visitor.presses("plan: row opened", "enter")
    await visitor.presses("plan: row edited", "e")
    await visitor.presses("plan: edit left", "escape")
    screen.query_one("#row-lora_rank").focus()
    await visitor.presses("plan: pin", "p", then=lambda: screen.session.past and not work.jobs)
    await visitor.presses("plan: keys", "down", "down", "end", "home", "right_square_bracket")

    def spoken() -> bool:
        from planner.language import current

        return screen.plan.wishes.language == current() and not work.jobs

    await visitor.everywhere("plan", spoken)


def a_run(home: Path) -> Replay:
    """Return a run that ended well."""
    replay = Replay("success", home / "runs" / "run")
    replay.play()
    return replay


def has_curve(visitor: Visitor) -> Callable[[], bool]:
    """Return whether a curve is drawn."""
    return lambda: bool(visitor.screen.query("StillPlot #legend"))


async def run(visitor: Visitor, prepared: Replay) -> None:
    """A run that ended, and all of its panes."""
    for number in range(ROUNDS):
        await visitor.does("run: open", lambda: visitor.app.open_run(prepared.run), has_curve(visitor))
        if number < USED:
            for name, key in (("log", "2"), ("events", "3"), ("files", "4"), ("curve", "1")):
                await visitor.presses(f"run: {name}", key)
            await visitor.everywhere("run")
        await visitor.goes_home()


async def report(visitor: Visitor, prepared: Replay) -> None:
    """The report of a run."""
    for number in range(ROUNDS):
        await visitor.does("report: open", lambda: visitor.app.open_report(prepared.run), has_curve(visitor))
        if number < USED:
            await visitor.presses("report: keys", "end", "home", "pagedown")
            await visitor.everywhere("report")
        await visitor.goes_home()


def a_long_run(home: Path) -> Replay:
    """Return a living run of many steps."""
    replay = Replay("success", home / "runs" / "long")
    replay.play_until(kind="metric", stage="train", step=5)
    grow(replay, 6, MANY_STEPS)
    replay.live()
    return replay


def grow(replay: Replay, first: int, last: int) -> None:
    """Write steps of a training into the journal."""
    events = map(json.loads, replay.run.journal.read_text(encoding="utf-8").splitlines())
    step = next(event for event in reversed(list(events)) if event["kind"] == "metric")
    with replay.run.journal.open("a", encoding="utf-8") as file:
        for number in range(first, last + 1):
            step["t"] += 0.3
            file.write(json.dumps({**step, "step": number}) + "\n")


async def long(visitor: Visitor, prepared: Replay) -> None:
    """A long training: opened, growing, and its report."""
    steps = MANY_STEPS
    for number in range(ROUNDS):
        await visitor.does(
            "long run: open", lambda: visitor.app.open_run(prepared.run), has_curve(visitor), rest=1.5
        )
        if number < USED:
            grow(prepared, steps + 1, steps + 10)
            steps += 10
            await visitor.does("long run: grows", lambda: None, rest=2.5)
            await visitor.everywhere("long run")
        await visitor.goes_home()
        await visitor.does(
            "long report: open", lambda: visitor.app.open_report(prepared.run), has_curve(visitor), rest=1
        )
        await visitor.goes_home()


def data_of_demo(home: Path) -> Plan:
    """Return the demo's plan with a tokenizer that is there."""
    model_and_rows(home)
    return demo(home / "tiny")


async def data(visitor: Visitor, prepared: Plan) -> None:
    """The data screen: row by row."""
    app = visitor.app
    for number in range(ROUNDS):
        await visitor.does(
            "data: open",
            lambda: app.open_data(prepared),
            lambda: isinstance(app.screen, DataScreen) and not app.work.jobs,
            rest=1,
        )
        if number < USED:
            for key in ("n", "n", "down", "p"):
                await visitor.presses("data: keys", key)
            await visitor.everywhere("data", lambda: not app.work.jobs)
        await visitor.goes_home()


async def conversation(visitor: Visitor, prepared: Any) -> None:
    """A conversation by defaults to the end, then every slash command."""
    app = visitor.app
    for number in range(ROUNDS - 1):
        await visitor.does(
            "conversation: open",
            app.open_conversation,
            lambda: (
                isinstance(app.screen, ConversationScreen) and app.screen.is_mounted and not app.work.jobs
            ),
        )
        person = Person(visitor.pilot, app)
        if person.dialogue.mode == "resuming":
            await visitor.presses("conversation: answers kept", "b", "enter", then=lambda: not app.work.jobs)
        while person.asked:
            key = person.asked
            await _says(
                visitor, person, {"model": "tiny", "data": "chats.jsonl"}.get(key, ""), f"answer {key}"
            )
        if number < USED:
            for command in COMMANDS:
                await _says(visitor, person, command, command.split()[0])
            await visitor.everywhere("conversation", lambda: not app.work.jobs)
        await visitor.goes_home()


async def _says(visitor: Visitor, person: Person, text: str, name: str) -> None:
    """Type a line into the prompt."""
    while visitor.app.screen is not person.screen:
        visitor.app.pop_screen()
        await visitor.rest(0.2)
    prompt = person.screen.query_one(Prompt)
    prompt.focus()
    await visitor.rest(0.1)
    prompt.value = text
    await visitor.presses(f"conversation: {name}", "enter", then=lambda: not visitor.app.work.jobs)


Visit = tuple[Callable[[Path], Any], Callable[[Visitor, Any], Awaitable[None]]]

VISITS: dict[str, Visit] = {
    "home": (many_runs, home),
    "conversation": (model_and_rows, conversation),
    "plan": (a_plan, plan),
    "run": (a_run, run),
    "report": (a_run, report),
    "long": (a_long_run, long),
    "data": (data_of_demo, data),
}
"""What is prepared, and what is done then."""
