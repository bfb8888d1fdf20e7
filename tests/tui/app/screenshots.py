"""`python -m tests.tui.app.screenshots` (`make screenshots`): a picture of every screen into docs/screens.

The content is fixed: a recorded run of the real engine, a frozen clock, folders that are the same everywhere.
PNG where `rsvg-convert` is installed (Debian: librsvg2-bin, and fonts-noto-cjk for Chinese), else SVG.
Names on the command line choose pictures.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

from textual.pilot import Pilot

from planner.language import use_everywhere
from planner.planfile import dumps
from runtime.recent_plans import remember
from tests.tui.app.conversing import Person, prepare
from tests.tui.app.pilot import until
from tests.tui.app.plan_pages import large
from tests.tui.app.replay import Replay
from tui.app.application import SteersmanApp
from tui.app.screens.conversation import ConversationScreen
from tui.app.themes import LOOKS

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "screens"
PLACE = Path("/tmp/steersman-screens")
NAME = "tiny-chats-lora"
LARGE, SMALL, WIDE = (120, 36), (80, 24), (200, 60)

Show = Callable[[Pilot[Any], SteersmanApp, Replay], Awaitable[None]]


async def home(pilot: Pilot[Any], app: SteersmanApp, replay: Replay) -> None:
    """Home with runs in several states."""
    replay.play()
    failed = Replay("failed", PLACE / "home" / "runs" / "tiny-again", replay.begin)
    failed.play_until(kind="state", state="failed", stage="")
    Replay("stopped", PLACE / "home" / "runs" / "tiny-short", replay.begin).play()
    file = app.folder / "plan.yaml"
    file.write_text(dumps(large()), encoding="utf-8")
    remember(file)
    app.screen.refresh(recompose=True)
    await rest(pilot)


async def conversation(pilot: Pilot[Any], app: SteersmanApp, replay: Replay) -> None:
    """The conversation, at the end of its questions, and a question about a setting."""
    app.open_conversation(large())
    await until(pilot, lambda: isinstance(app.screen, ConversationScreen) and app.screen.is_mounted, 60)
    person = Person(pilot, app)
    await person.settle()
    await person.type("/why method")


async def plan(pilot: Pilot[Any], app: SteersmanApp, replay: Replay) -> None:
    """A whole plan."""
    app.open_plan(large())
    await rest(pilot)


async def data(pilot: Pilot[Any], app: SteersmanApp, replay: Replay) -> None:
    """The rows as they will be trained on."""
    from tests.tui.app.test_data_screen import demo

    app.open_data(demo(app.folder / "tiny"))
    await rest(pilot)


async def run(pilot: Pilot[Any], app: SteersmanApp, replay: Replay) -> None:
    """A training under way."""
    replay.play_until(kind="metric", stage="train", step=40)
    replay.live()
    app.open_run(replay.run)
    await until(pilot, lambda: app.screen.query("StillPlot #legend"))
    await rest(pilot)


async def failed(pilot: Pilot[Any], app: SteersmanApp, replay: Replay) -> None:
    """A run that failed, explained."""
    other = Replay("failed", PLACE / "home" / "runs" / "tiny-again", replay.begin)
    other.play_until(kind="state", state="failed", stage="")
    app.open_run(other.run)
    await rest(pilot)


async def report(pilot: Pilot[Any], app: SteersmanApp, replay: Replay) -> None:
    """The report of a finished run."""
    replay.play()
    asked = zip(SAID["base"], SAID["tuned"], strict=True)
    samples = [{"prompt": before[0], "base": before[1], "tuned": after[1]} for before, after in asked]
    place = replay.run.stage("generate").root
    place.mkdir(parents=True, exist_ok=True)
    (place / "samples.json").write_text(json.dumps(samples), encoding="utf-8")
    app.open_report(replay.run)
    await until(pilot, lambda: app.screen.query("StillPlot #legend"))
    await rest(pilot)


async def chat(pilot: Pilot[Any], app: SteersmanApp, replay: Replay) -> None:
    """Both models, asked the same; what they say stands in `SAID`."""
    from tui.app.screens.chat import ChatScreen
    from tui.app.widgets.answer_pane import AnswerPane, Turn

    replay.play()
    app.open_chat(replay.run)
    await rest(pilot)
    screen = cast(ChatScreen, app.screen)
    for which, answers in SAID.items():
        for asked, answer in answers:
            turn = Turn(asked, answer, "ended", len(answer) // 4, 6.2)
            screen.turns[cast(Any, which)].append(turn)
            screen.query_one(f"#pane-{which}", AnswerPane).add(turn)
    screen.ready = True
    screen.refuse(None)
    await rest(pilot)


SAID = {
    "base": [
        ("Who are you?", "I'm a humble AI assistant named SmolLM, here to help with anything you need."),
        ("What do you do?", "I can write stories, answer questions and help you with creative projects."),
    ],
    "tuned": [
        ("Who are you?", "I am Steersman, a small assistant for fine-tuning language models."),
        ("What do you do?", "My job is to plan a fine-tune and to run it on the machine that you have."),
    ],
}
"""From the demo's samples before and after."""


class Picture(NamedTuple):
    """One picture: what to show, how large, in which theme and language."""

    name: str
    show: Show
    size: tuple[int, int] = LARGE
    look: str = "dark"
    language: str = "en"


PICTURES = (
    Picture("home", home),
    Picture("conversation", conversation),
    Picture("conversation-narrow", conversation, SMALL, "light"),
    Picture("plan", plan),
    Picture("data", data),
    Picture("run", run),
    Picture("run-wide-light", run, WIDE, "light"),
    Picture("run-failed", failed),
    Picture("chat", chat),
    Picture("chat-narrow-light", chat, SMALL, "light"),
    Picture("report", report, WIDE),
    Picture("report-narrow-light", report, SMALL, "light"),
    Picture("report-chinese", report, LARGE, "dark", "zh"),
)


async def rest(pilot: Pilot[Any]) -> None:
    """Wait until nothing is under way and everything is drawn."""
    app = cast(SteersmanApp, pilot.app)
    await until(pilot, lambda: not app.work.jobs, 60)
    for _ in range(6):
        await pilot.pause(0.05)


async def take(picture: Picture, folder: Path) -> Path:
    """Take one picture and return its file."""
    shutil.rmtree(PLACE, ignore_errors=True)
    person = prepare(PLACE / "work")
    os.environ["STEERSMAN_HOME"] = str(PLACE / "home")
    replay = Replay("success", PLACE / "home" / "runs" / NAME)
    freeze(replay.begin + 120)
    use_everywhere(picture.language)
    app = SteersmanApp(folder=person)
    async with app.run_test(size=picture.size) as pilot:
        app.theme = LOOKS[picture.look].theme
        await picture.show(pilot, app, replay)
        await rest(pilot)
        app.clear_notifications()
        await rest(pilot)
        drawing = app.export_screenshot(title="Steersman")
    replay.die()
    file = folder / f"{picture.name}.svg"
    # Without it rsvg-convert drops spaces at the beginning and end of a text, and columns are not aligned.
    file.write_text(drawing.replace("<text ", '<text xml:space="preserve" '), encoding="utf-8")
    if shutil.which("rsvg-convert"):
        png = file.with_suffix(".png")
        subprocess.run(["rsvg-convert", "--zoom", "0.7", "-o", str(png), str(file)], check=True)
        file.unlink()
        return png
    return file


def freeze(now: float) -> None:
    """Stop the clock of the screens that show how long ago something was."""
    from tui.app.screens.home import HomeScreen
    from tui.app.screens.run import RunScreen

    for screen in (HomeScreen, RunScreen):
        screen.now = lambda self: now  # type: ignore[method-assign]


def main(names: list[str]) -> int:
    """Take the pictures that are named, or all; return 1 if one could not be taken."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    FOLDER.mkdir(parents=True, exist_ok=True)
    failures = 0
    for picture in PICTURES:
        if names and picture.name not in names:
            continue
        try:
            print(asyncio.run(take(picture, FOLDER)).relative_to(FOLDER.parent.parent), flush=True)
        except Exception as error:  # one screen that cannot be shown keeps no other from its picture
            failures += 1
            print(f"{picture.name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    shutil.rmtree(PLACE, ignore_errors=True)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
