"""A screen whose prompt gets what is typed and pasted, wherever the focus is."""

from __future__ import annotations

from textual import events
from textual.screen import Screen

from tui.app.widgets.prompt import Prompt


class TypedInto(Screen[None]):
    """Hands on what nobody else wants to its prompt."""

    def on_key(self, event: events.Key) -> None:
        """Take what is typed while an answer has the focus into the prompt; the keys of that stay its own."""
        prompt = self.query_one(Prompt)
        letter = event.character if event.is_printable else None
        if letter is not None and self.focused is not prompt and event.key not in self.active_bindings:
            event.stop()
            self.set_focus(prompt)
            prompt.insert_text_at_cursor(letter)

    def on_paste(self, event: events.Paste) -> None:
        """Take what is pasted while something else has the focus into the prompt."""
        prompt = self.query_one(Prompt)
        if self.focused is not prompt:
            event.stop()
            self.set_focus(prompt)
            prompt.post_message(events.Paste(event.text))

    def begin_line(self, text: str) -> None:
        """Put the beginning of a line into the prompt."""

        def begin() -> None:
            prompt = self.query_one(Prompt)
            prompt.focus()
            prompt.value, prompt.cursor_position = text, len(text)

        self.call_after_refresh(begin)
