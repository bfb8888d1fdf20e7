"""The log of a stage: the newest lines, following, searched through, of one rank or all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from rich.highlighter import Highlighter
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Log, Static

from planner.language import say, template
from planner.phrases import count
from runtime.run.layout import StageFolder
from tui.app.application import the_app
from tui.app.keys import Key
from tui.app.log_feed import KEPT_LINES, LogFeed, ranks_of
from tui.app.run_words import stage_name
from tui.app.widgets.ink import ink
from tui.app.widgets.line import Line

DRAIN_SECONDS = 0.1


class Matches(Highlighter):
    """Marks what was searched for, and warnings and errors by their own words."""

    def __init__(self, pane: LogPane) -> None:
        self.pane = pane

    def highlight(self, text: Text) -> None:
        """Mark in place."""
        text.highlight_regex(
            r"\b(Error|ERROR|Traceback|FATAL|CRITICAL)\b", ink(self.pane, "text-error", bold=True)
        )
        text.highlight_regex(r"\b(WARNING|Warning|WARN)\b", ink(self.pane, "text-warning", bold=True))
        if self.pane.needle:
            text.highlight_regex(
                re.compile(re.escape(self.pane.needle), re.IGNORECASE),
                ink(self.pane, "background", on="accent", bold=True),
            )


class Lines(Log):
    """The lines themselves."""

    HELP = template(
        "The log of one stage, as the processes wrote it. It follows the end; scroll up to hold it, "
        "f follows again. "
        "Slash searches the whole file, r changes the rank."
    )

    def _update_size(self, updates: int, lines: list[str]) -> None:  # type: ignore[override]
        """Take the width of new lines into account. Textual starts a thread for each write instead."""
        if lines:
            self._update_maximum_width(updates, max(map(cell_len, lines)))


class Needle(Input):
    """What is searched for."""

    HELP = template("Enter shows the lines of the whole file that contain this text; escape shows all again.")


class LogPane(Vertical):
    """A log with its search line. `follow(stage folder)` begins."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "f",
            "follow",
            template("Follow"),
            id="log.follow",
            show=False,
            tooltip=template("Go to the end of the log and stay there, or hold it."),
        ),
        Key(
            "r",
            "rank",
            template("Rank"),
            id="log.rank",
            show=False,
            tooltip=template("Show the log of the next rank, then of all again."),
        ),
        Key(
            "escape",
            "end_search",
            template("End search"),
            id="log.end",
            show=False,
            tooltip=template("Show every line again."),
        ),
    ]

    def __init__(self) -> None:
        super().__init__(id="log-pane")
        self.folder: StageFolder | None = None
        self.rank: int | None = None
        self.needle = ""
        self.held = False
        self.over = False
        self.writes = 0
        """How often lines were written to the widget; what costs is the number of writes, not of lines."""
        self._feed: LogFeed | None = None

    def compose(self) -> ComposeResult:
        """Yield the state, the lines, the line being written, and the search."""
        yield Line(id="log-state")
        lines = Lines(highlight=True, max_lines=KEPT_LINES, id="lines")
        lines.highlighter = Matches(self)
        yield lines
        yield Line(id="unfinished")
        with Horizontal(id="search"):
            yield Static("/", id="search-sign")
            yield Needle(placeholder=say("Search this log"), id="needle", compact=True)

    def on_mount(self) -> None:
        """Begin to drain."""
        self.query_one("#search").display = bool(self.needle)
        self.set_interval(DRAIN_SECONDS, self.drain)
        if self.folder is not None:
            self._open()

    def on_unmount(self) -> None:
        """End the thread."""
        self._close()

    @property
    def path(self) -> Path | None:
        """The file that is shown: the stage's log, or that of one rank."""
        if self.folder is None:
            return None
        if self.rank is None:
            return self.folder.log
        return self.folder.launch / f"workerlog.{self.rank}"

    def follow(self, folder: StageFolder, *, over: bool = False) -> None:
        """Show the log of a stage; `over` says that nothing more will be written."""
        self.over = over
        if folder != self.folder:
            self.folder, self.rank = folder, None
            self._open()

    def search(self, needle: str) -> None:
        """Show only the lines of the whole file that contain a text; all of them for an empty one."""
        if needle != self.needle:
            self.needle = needle
            self._open()

    def drain(self) -> None:
        """Write what has come together in one piece."""
        lines = self.query_one(Lines)
        if self._feed is None:
            return
        if self.held or (lines.max_scroll_y > 0 and not lines.is_vertical_scroll_end and lines.line_count):
            self._tell(following=False)
            return
        drained = self._feed.drain()
        if drained.fresh:
            lines.clear()
        if drained.missed and not drained.fresh:
            drained.lines.insert(
                0, say("({count} lines passed too quickly to be shown)", count=count(drained.missed))
            )
        if drained.lines:
            lines.write_lines([line or " " for line in drained.lines])
            self.writes += 1
        unfinished = self.query_one("#unfinished", Line)
        unfinished.display = bool(drained.unfinished) and not self.needle
        unfinished.say(Text(drained.unfinished))
        self._tell(following=True)

    def action_follow(self) -> None:
        """Follow the end, or hold what is shown."""
        lines = self.query_one(Lines)
        if self.held or not lines.is_vertical_scroll_end:
            self.held = False
            lines.scroll_end(animate=False, immediate=True)
        else:
            self.held = True
        self.drain()

    def action_rank(self) -> None:
        """Show the next rank's log, then all again."""
        ranks: list[int | None] = [None, *(ranks_of(self.folder) if self.folder else ())]
        here = ranks.index(self.rank) if self.rank in ranks else 0
        self.rank = ranks[(here + 1) % len(ranks)]
        self._open()

    @property
    def ranks(self) -> list[int]:
        """The ranks that have a log of their own, as the thread found them last."""
        return self._feed.ranks if self._feed is not None else []

    def action_search(self) -> None:
        """Open the search line."""
        self.query_one("#search").display = True
        self.query_one("#needle", Input).focus()

    def action_end_search(self) -> None:
        """Show every line again."""
        self.query_one("#search").display = False
        self.query_one("#needle", Input).value = ""
        self.search("")
        self.query_one(Lines).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape ends a search only where there is one; elsewhere it goes back."""
        if action == "end_search":
            return self.is_mounted and bool(self.query_one("#search").display)
        return True

    @on(Input.Submitted, "#needle")
    def look_for(self, event: Input.Submitted) -> None:
        """Search for what was typed."""
        event.stop()
        if event.value:
            self.search(event.value)
            self.query_one(Lines).focus()
        else:
            self.action_end_search()

    def _open(self) -> None:
        self._close()
        path = self.path
        if path is None or not self.is_attached:
            return
        self.held = False
        self._feed = the_app(self).runs.follow_log(path, self.needle, self.folder)
        self.query_one(Lines).clear()
        self._tell(following=True)

    def _close(self) -> None:
        if self._feed is not None:
            self._feed.close()
            self._feed = None

    def _tell(self, *, following: bool) -> None:
        """Say which log is shown, and how."""
        assert self.folder is not None
        lines = self.query_one(Lines)
        parts = [stage_name(self.folder.name)]
        if self.rank is not None:
            parts.append(say("rank {rank}", rank=self.rank))
        elif len(self.ranks) > 1:
            parts.append(say("all of {count} ranks", count=len(self.ranks)))
        if self.needle:
            parts.append(say("{count} lines with “{text}”", count=count(lines.line_count), text=self.needle))
        elif not lines.line_count:
            parts.append(say("nothing was written") if self.over else say("nothing written yet"))
        if lines.line_count:
            parts.append("↓ " + say("following") if following else "‖ " + say("held; f follows"))
        state = Text(" · ".join(parts), ink(self, "text-muted"), no_wrap=True, overflow="ellipsis")
        self.query_one("#log-state", Line).say(state)
