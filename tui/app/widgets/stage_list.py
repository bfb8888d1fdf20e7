"""The stages of a run as a list: sign, name, state, time, and the result where there is room."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import set_cell_size
from rich.text import Text
from textual.binding import BindingType
from textual.events import Resize
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from planner.language import template
from runtime.run.view import RunView
from tui.app.run_words import STAGE_WORDS, stage_name, stage_time, stage_word
from tui.app.widgets.ink import ink
from tui.page import width_of
from tui.progress_stages import result

GAP = 2


class StageList(OptionList):
    """One line per stage. Choosing one shows its log."""

    HELP = template("The stages of this run, in order. Choose one to see its log and its files.")
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self) -> None:
        super().__init__(id="stages", markup=False)
        self._view = RunView()
        self._now = 0.0
        self._state = "created"
        self._shown: list[str] = []

    def show(self, view: RunView, now: float, state: str) -> None:
        """Show the stages as they are; only lines that changed are drawn again."""
        self._view, self._now, self._state = view, now, state
        names = list(view.stages)
        lines = self.stage_lines()
        if [option.id for option in self._options] != names:
            highlighted = self.highlighted_stage
            self.clear_options()
            self.add_options([Option(line, id=name) for name, line in zip(names, lines, strict=True)])
            if highlighted in names:
                self.highlighted = names.index(highlighted)
        else:
            for index, line in enumerate(lines):
                if line.markup != self._shown[index]:
                    self.replace_option_prompt_at_index(index, line)
        self._shown = [line.markup for line in lines]

    @property
    def highlighted_stage(self) -> str:
        """The name of the stage under the cursor; empty without one."""
        if self.highlighted is None:
            return ""
        return self.get_option_at_index(self.highlighted).id or ""

    def on_resize(self, event: Resize) -> None:
        """Use the new width."""
        self.show(self._view, self._now, self._state)

    def stage_lines(self) -> list[Text]:
        """Return one aligned line per stage."""
        stages = list(self._view.stages.values())
        names = width_of((stage_name(stage.name) for stage in stages), 4)
        words = width_of(stage_word(stage, self._state).say() for stage in stages)
        words = min(max(words, width_of([STAGE_WORDS["running"].say()])), 11)
        times = [stage_time(stage, self._now, self._state) for stage in stages]
        time_width = max(width_of(times), 5)
        width = max(self.scrollable_content_region.width or 30, 20)
        room = width - (2 + names + GAP + words + GAP + time_width + GAP) - 1
        lines = []
        for stage, spent in zip(stages, times, strict=True):
            word = stage_word(stage, self._state)
            style = ink(self, word.meaning, bold=stage.state == "running")
            line = Text(no_wrap=True, overflow="ellipsis", end="")
            line.append(f"{word.sign} ", style)
            line.append(
                set_cell_size(stage_name(stage.name), names), "bold" if stage.state == "running" else ""
            )
            line.append(" " * GAP + set_cell_size(word.say(), words), style)
            line.append(" " * GAP + " " * (time_width - width_of([spent])) + spent)
            text = result(stage) if room >= 12 else ""
            if text:
                cut = text if width_of([text]) <= room else set_cell_size(text, room - 1).rstrip() + "…"
                line.append(" " * GAP + cut, ink(self, "text-muted"))
            lines.append(line)
        return lines
