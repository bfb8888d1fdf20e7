"""Pictures of the conversation at two sizes, compared with those that people looked at and found good.

`pytest tests/tui/app/test_conversation_pictures.py --snapshot-update` takes new ones: look at them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planner.language import use_everywhere
from planner.plan import Plan
from tests.tui.app.conversing import Person
from tests.tui.app.pilot import until
from tests.tui.app.plan_pages import large
from tui.app.application import SteersmanApp
from tui.app.screens.conversation import ConversationScreen
from tui.app.widgets.prompt import Prompt

SIZES = {"80x24": (80, 24), "160x50": (160, 50)}


@pytest.fixture(autouse=True)
def still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of the person's own, and a cursor that does not blink."""
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(Prompt, "cursor_blink", False)


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A plan whose facts are fixed, so that nothing of this machine is in the picture."""
    return large()


class Shown:
    """What a picture shows: a conversation behind a plan, after some lines."""

    def __init__(self, plan: Plan, *lines: str) -> None:
        self.plan = plan
        self.lines = lines

    async def __call__(self, pilot: Any) -> None:
        app = pilot.app
        app.open_conversation(self.plan)
        await until(pilot, lambda: isinstance(app.screen, ConversationScreen))
        person = Person(pilot, app)
        await person.settle()
        for line in self.lines:
            await person.type(line)
        await person.settle()


@pytest.mark.parametrize("size", SIZES)
def test_the_end_of_a_conversation(snap_compare: Any, plan: Plan, size: str, tmp_path: Path) -> None:
    app = SteersmanApp(folder=tmp_path)
    assert snap_compare(app, terminal_size=SIZES[size], run_before=Shown(plan))


@pytest.mark.parametrize("size", SIZES)
def test_a_question_with_choices_that_cannot_be_had(
    snap_compare: Any, plan: Plan, size: str, tmp_path: Path
) -> None:
    app = SteersmanApp(folder=tmp_path)
    assert snap_compare(app, terminal_size=SIZES[size], run_before=Shown(plan, "/hardware 4090", "/model"))


@pytest.mark.parametrize("look", ["light", "contrast"])
def test_what_a_change_would_bring(snap_compare: Any, plan: Plan, look: str, tmp_path: Path) -> None:
    app = SteersmanApp(folder=tmp_path)

    async def before(pilot: Any) -> None:
        app.look(look)
        await Shown(plan, "/what-if 8x 4090", "/set method=full")(pilot)

    assert snap_compare(app, terminal_size=(160, 50), run_before=before)


def test_in_chinese(snap_compare: Any, plan: Plan, tmp_path: Path) -> None:
    app = SteersmanApp(folder=tmp_path)
    use_everywhere("zh")
    try:
        assert snap_compare(app, terminal_size=(120, 40), run_before=Shown(plan, "/hardware 4090", "/model"))
    finally:
        use_everywhere("en")
