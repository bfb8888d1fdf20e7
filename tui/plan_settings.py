"""The table of settings that `--set` takes."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.language import say
from planner.setting_values import settings
from planner.settings import GROUPS
from tui.decision_view import SUBJECTS
from tui.page import heading, indented, width_of


def as_data() -> list[dict[str, str]]:
    """Return every setting as plain data: name, subject, what it takes, what it means."""
    return [
        {
            "name": setting.name,
            "subject": setting.group,
            "expected": setting.expected,
            "meaning": say(setting.meaning),
        }
        for setting in settings().values()
    ]


def print_settings(console: Console) -> None:
    """Print every setting by subject: what it takes and what it means."""
    for group in GROUPS:
        console.print(heading(say(SUBJECTS[group])))
        those = [setting for setting in settings().values() if setting.group == group]
        table = Table.grid(padding=(0, 2))
        table.add_column(width=width_of(setting.name for setting in those), style="cyan", no_wrap=True)
        table.add_column(width=28, overflow="fold")
        table.add_column(ratio=1, overflow="fold")
        for setting in those:
            table.add_row(setting.name, Text(setting.expected), Text(say(setting.meaning)))
        console.print(indented(table))
