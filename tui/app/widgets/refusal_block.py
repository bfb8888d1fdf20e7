"""A refusal on the screen: what is wrong, why, and what to do; the details can be copied."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text
from textual.widget import Widget

from planner.errors import SteersmanError
from planner.language import say
from tui.app.messages import Refused
from tui.app.widgets.ink import ink


class RefusalBlock(Widget):
    """The last refusal, in full; nothing is shown while there is none."""

    def __init__(self, refused: Refused | None = None) -> None:
        super().__init__()
        self.refused = refused
        self.display = refused is not None

    def tell(self, error: SteersmanError, details: str = "") -> None:
        """Show an error."""
        self.show(Refused("", error, details))

    def show(self, refused: Refused | None) -> None:
        """Show a refusal, or none."""
        self.refused = refused
        self.display = refused is not None
        self.refresh(layout=True)

    @property
    def text(self) -> str:
        """Everything that is known, for the clipboard."""
        if self.refused is None:
            return ""
        return "\n\n".join(filter(None, (self.refused.error.sentence(), self.refused.details)))

    def render(self) -> RenderableType:
        """Return what is wrong, why, what to do, and what the keys do."""
        if self.refused is None:
            return ""
        error = self.refused.error
        what, why, remedy = map(error.in_current_language, (error.what, error.why, error.remedy))
        lines = [Text.assemble((f"✗ {what}", ink(self, "text-error", bold=True)))]
        if why:
            lines.append(Text(f"  {why}"))
        if remedy:
            lines.append(Text.assemble((f"  → {say('What to do')}: ", ink(self, "text-accent")), remedy))
        keys = [say("Nothing was changed."), say("c copies the details, escape closes this.")]
        lines.append(Text("  " + " ".join(keys), ink(self, "foreground-muted")))
        return Text("\n").join(lines)
