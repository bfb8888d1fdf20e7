"""/why FIELD: why the plan is as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType

from planner.language import say, template
from tui.app.slash.command import SlashCommand, conversation, plan_at_hand

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Explain a setting, a subject or a part of the forecast; without one, the question at hand."""
    from tui.explanation import known, page

    screen = conversation(app)
    if not argument:
        screen.take("why")
        return
    topics = tuple(known(word) for word in argument.replace(",", " ").split())
    plan = plan_at_hand(app)

    def shown() -> RenderableType:
        return Group(*page(plan, topics, Console(width=max(40, screen.talk_width))))

    title = ", ".join(topics)
    screen.dialogue.tell("page", shown, title=lambda: say("Why {topic}", topic=title))
    screen.draw()


def topics_to_ask(app: SteersmanApp) -> Sequence[str]:
    """Return everything that can be asked about."""
    from tui.explanation import topics

    return topics()


COMMAND = SlashCommand(
    help=template("say why a setting is as it is"),
    hint=template("/why learning_rate, /why memory, /why parallel"),
    act=act,
    completes=topics_to_ask,
    needs_argument=True,
)
