"""The keys of the plan screen."""

from __future__ import annotations

from textual.binding import Binding

from planner.language import template
from tui.app.keys import Key

PLAN_KEYS: tuple[Binding, ...] = (
    Key(
        "w",
        "tab('what-if')",
        template("What if"),
        id="plan.what-if",
        tooltip=template("Change a wish, the machine or a setting, and see both plans side by side."),
    ),
    Key(
        "f",
        "tab('files')",
        template("Files"),
        id="plan.files",
        tooltip=template("Show the rendered config, the command and all other files."),
    ),
    Key(
        "s", "write('save')", template("Save"), id="plan.save", tooltip=template("Write the plan to a file.")
    ),
    Key("r", "write('run')", template("Run"), id="plan.run", tooltip=template("Start the run of this plan.")),
    Key(
        "1",
        "tab('page')",
        template("Plan"),
        id="plan.page",
        tooltip=template("Show the plan and its decisions."),
        show=False,
    ),
    Key(
        "2",
        "tab('what-if')",
        template("What if"),
        id="plan.second",
        tooltip=template("Show the plan beside another one."),
        show=False,
    ),
    Key(
        "3",
        "tab('files')",
        template("Files"),
        id="plan.third",
        tooltip=template("Show the files of the plan."),
        show=False,
    ),
    Key(
        "u",
        "undo",
        template("Undo"),
        id="plan.undo",
        tooltip=template("Take the last change back."),
        show=False,
    ),
    Key(
        "slash",
        "filter",
        template("Filter"),
        id="plan.filter",
        tooltip=template("Show only decisions that hold some words."),
        show=False,
    ),
    Key(
        "d",
        "data",
        template("Data"),
        id="plan.data",
        tooltip=template("Show the rows as they will be trained on."),
        show=False,
    ),
    Key(
        "x",
        "write('export')",
        template("Export"),
        id="plan.export",
        tooltip=template("Write a folder that trains without Steersman."),
        show=False,
    ),
    Key(
        "y",
        "copy",
        template("Copy"),
        id="plan.copy",
        tooltip=template("Copy the file that is shown, or the decision."),
        show=False,
    ),
    Key(
        "c,ctrl+y",
        "copy_details",
        template("Copy details"),
        id="plan.details",
        tooltip=template("Copy everything that is known about the refusal."),
        show=False,
    ),
    Key(
        "escape",
        "back",
        template("Back"),
        id="plan.back",
        tooltip=template("Close what is open, then the screen."),
        show=False,
    ),
)
"""Those with `show=False` work, and stand in the help only."""
