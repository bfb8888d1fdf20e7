"""Where words are typed that the decisions shown must hold, or a command for the plan that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import BindingType
from textual.widgets import Input

from planner.language import say, template
from tui.app.keys import Key

if TYPE_CHECKING:
    from tui.app.screens.plan import PlanScreen


class FilterInput(Input):
    """Words that the decisions shown must hold. A command that is typed from habit is offered."""

    HELP = template(
        "Type words that a decision must hold: its name, value, reason or subject. Enter goes there. "
        "A command such as what-if goal quality, set lora_rank=32, why method or undo can be typed, too: "
        "tab runs it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "enter",
            "submit",
            template("Go there"),
            id="filter.go",
            tooltip=template("Go to the first decision that was found."),
        ),
        Key(
            "tab",
            "obey",
            template("Command"),
            id="filter.obey",
            tooltip=template("Run what is typed as a command for this plan."),
        ),
        Key(
            "escape",
            "screen.back",
            template("Show all"),
            id="filter.end",
            tooltip=template("Show every decision again."),
        ),
    ]

    @property
    def command(self) -> str:
        """What is typed, if it begins like a command; else nothing."""
        from tui.app.slash.table import NAMES

        line = self.value.strip().removeprefix("/")
        return line if line.partition(" ")[0].lower() in NAMES else ""

    @property
    def offer(self) -> str:
        """A sentence about the command, if one is typed."""
        return say("Tab runs the command /{command}.", command=self.command) if self.command else ""

    def on_focus(self) -> None:
        """Come into sight: in one column it stands below the overview, and it was not laid out until now."""
        self.come_into_sight()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Stay in sight with what is found below, and show in the footer whether tab runs a command."""
        self.call_after_refresh(self.come_into_sight)  # the screen shows and hides rows only now
        self.screen.refresh_bindings()

    def come_into_sight(self) -> None:
        """Scroll to the top, as far as there is something below."""
        self.call_after_refresh(self.scroll_visible, top=True, animate=False)

    def close(self) -> None:
        """Show every decision again."""
        self.value = ""
        self.display = False

    def action_obey(self) -> None:
        """Run the command, about the plan of the screen."""
        from tui.app import plan_commands

        line = self.command
        self.close()
        plan_commands.obey(cast("PlanScreen", self.screen), line)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Tab goes on to the decisions where no command is typed."""
        return action != "obey" or bool(self.command)
