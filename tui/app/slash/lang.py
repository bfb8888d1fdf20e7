"""/lang: speak another language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.language import LANGUAGES, current, say, template
from tui.app.slash.command import SlashCommand

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Speak the named language; without a name, the other one."""
    others = [code for code in LANGUAGES if code != current()]
    names = {name.lower(): code for code, name in LANGUAGES.items()} | {"中文": "zh", "chinese": "zh"}
    word = argument.lower()
    code = names.get(word, word) if word else others[0]
    if code not in LANGUAGES:
        raise BadInput(
            say("I do not speak {language}.", language=argument),
            remedy=hint(argument, LANGUAGES) or say("I speak: {languages}.", languages=", ".join(LANGUAGES)),
        )
    app.speak(code)


COMMAND = SlashCommand(
    help=template("speak another language"),
    hint=template("/lang zh, /lang en"),
    act=act,
    completes=lambda app: tuple(LANGUAGES),
)
