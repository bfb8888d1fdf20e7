"""A refusal on the screen: what is wrong, why, and what to do; the details can be copied."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text
from textual.widget import Widget

from planner.errors import SteersmanError
from planner.language import join, say
from tui.app.messages import Refused
from tui.app.widgets.ink import ink

COPIES = "copy_details"
"""What screens call the action that copies a refusal."""


class RefusalBlock(Widget):
    """The last refusal, in full; nothing is shown while there is none."""

    def __init__(self, refused: Refused | None = None, *, looking: bool = False) -> None:
        """`looking` is where nothing can be changed, and escape leaves the screen."""
        super().__init__()
        self.looking = looking
        self.refused = refused
        self.display = refused is not None

    def on_mount(self) -> None:
        """Name the keys that work while another part has the focus."""
        self.watch(self.screen, "focused", self.focus_moved, init=False)

    def focus_moved(self) -> None:
        """Name other keys."""
        self.refresh(layout=True)

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
        hints = [say("{key} copies the details.", key=key) for key in self.copying()]
        hints = hints if self.looking else [say("Nothing was changed."), *hints, say("Escape closes this.")]
        if hints:
            lines.append(Text(f"  {join(hints)}", ink(self, "foreground-muted")))
        return Text("\n").join(lines)

    def copying(self) -> list[str]:
        """Return the key that copies the details now: a letter would be typed where a text is asked for."""
        found = [
            self.app.get_key_display(binding)
            for _, binding, enabled, _ in self.screen.active_bindings.values()
            if binding.action == COPIES and enabled
        ]
        return found[:1]
