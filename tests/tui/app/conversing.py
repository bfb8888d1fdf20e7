"""A conversation for tests: a tiny model and data in the person's folder, the real planner, no network."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from planner.language import use_everywhere
from tests.tiny_model import write_tiny_llama
from tests.tui.app.pilot import TO_TYPE, typed, until
from tui.app.application import SteersmanApp
from tui.app.screens.conversation import ConversationScreen
from tui.app.widgets.prompt import Prompt

SIZE = (120, 40)


def prepare(folder: Path, rows: int = 60) -> Path:
    """Put a model and data into a person's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tiny_llama(folder / "tiny")
    with (folder / "chats.jsonl").open("w", encoding="utf-8") as file:
        for number in range(rows):
            asked = {"role": "user", "content": f"What is {number} and {number}?"}
            said = {"role": "assistant", "content": f"It is {2 * number}, which is even."}
            file.write(json.dumps({"messages": [asked, said]}) + "\n")
    return folder


class Person:
    """Types, presses and waits."""

    def __init__(self, pilot: Pilot[Any], app: SteersmanApp) -> None:
        self.pilot = pilot
        self.app = app
        self.keys = 0

    @property
    def screen(self) -> ConversationScreen:
        return next(one for one in reversed(self.app.screen_stack) if isinstance(one, ConversationScreen))

    @property
    def dialogue(self) -> Any:
        return self.screen.dialogue

    @property
    def asked(self) -> str:
        """Key of the question at hand; empty when all are answered."""
        question = self.dialogue.interview.current()
        return question.key if question else ""

    def answer(self, key: str) -> Any:
        return self.dialogue.interview.known.answers.get(key)

    async def press(self, *keys: str) -> None:
        self.keys += len(keys)
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, text: str) -> None:
        """Type a line, as fast as a terminal hands over what was pasted, and press Enter."""
        await self.to_the_prompt()
        typed(self.app, text)
        self.keys += len(text)
        await self.press("enter")

    async def type_slowly(self, text: str) -> None:
        """Type a line, looking at what the app makes of each letter, and press Enter."""
        await self.to_the_prompt()
        await self.press(*(TO_TYPE.get(letter, letter) for letter in text), "enter")

    async def to_the_prompt(self) -> None:
        """Put the focus on the prompt."""
        self.screen.query_one(Prompt).focus()
        await self.pilot.pause()

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        await self.pilot.pause()
        await until(self.pilot, lambda: not self.app.work.jobs, 60)


@asynccontextmanager
async def conversing(
    folder: Path, size: tuple[int, int] = SIZE, language: str = "en"
) -> AsyncIterator[Person]:
    """Open the app at a new conversation, and wait until this machine was looked at."""
    use_everywhere(language)
    app = SteersmanApp(folder=folder)
    try:
        async with app.run_test(size=size) as pilot:
            app.open_conversation()
            person = Person(pilot, app)
            await until(pilot, lambda: isinstance(app.screen, ConversationScreen) and app.screen.is_mounted)
            await person.settle()
            yield person
    finally:
        use_everywhere("en")


async def to_the_plan(person: Person) -> None:
    """Answer model and data in own words and take every other default."""
    await person.type("./tiny")
    await person.type("chats.jsonl")
    while person.asked:
        await person.press("enter")
