"""/chat [RUN]: talk to the base and the tuned model of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.language import template
from tui.app.slash.command import SlashCommand

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Open the chat of the named run, of the one at hand, or of the latest."""
    from runtime.run.layout import find_run

    run = app.desk.run if app.desk.run is not None and not argument else find_run(argument or "latest")
    app.open_chat(run)


def runs(app: SteersmanApp) -> Sequence[str]:
    """Return the names of the runs."""
    from runtime.run.layout import list_runs

    return [run.name for run in list_runs()]


COMMAND = SlashCommand(
    help=template("talk to a trained model"), hint=template("/chat, or /chat RUN"), act=act, completes=runs
)
