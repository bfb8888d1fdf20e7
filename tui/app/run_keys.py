"""The keys of the run screen: those of a living run first, then those of an ended one."""

from __future__ import annotations

from planner.language import template
from tui.app.keys import Key

KEYS = (
    Key("escape", "back", template("Back"), id="run.back", tooltip=template("Back; the run goes on.")),
    Key(
        "s",
        "stop",
        template("Stop"),
        id="run.stop",
        tooltip=template("Stop gracefully: training saves a checkpoint first. Pressed again: at once."),
    ),
    Key(
        "p",
        "pause",
        template("Pause"),
        id="run.pause",
        tooltip=template("Save, free memory and devices, and remember that it is a pause."),
    ),
    Key(
        "k",
        "checkpoint",
        template("Save now"),
        id="run.checkpoint",
        tooltip=template("Save a checkpoint after this step and go on."),
    ),
    Key(
        "g",
        "resume",
        template("Continue"),
        id="run.resume",
        tooltip=template("Continue from the last proven point."),
    ),
    Key(
        "y",
        "accept",
        template("Take the offer"),
        id="run.accept",
        tooltip=template("Go on from the last checkpoint with the smaller plan that the run offers."),
    ),
    Key(
        "c",
        "replan",
        template("Plan again"),
        id="run.replan",
        tooltip=template("Go on with the answers behind this run: change one, and start anew."),
    ),
    Key(
        "t",
        "chat",
        template("Chat"),
        id="run.chat",
        tooltip=template("Talk to the base and the tuned model."),
    ),
    Key(
        "e",
        "report",
        template("Report"),
        id="run.report",
        tooltip=template("What was planned and what happened."),
    ),
    Key(
        "v",
        "plan",
        template("Plan"),
        id="run.plan",
        tooltip=template("The plan of this run, with the reasons for every setting."),
    ),
    Key(
        "slash",
        "search",
        template("Search log"),
        id="run.search",
        key_display="/",
        tooltip=template("Find lines in the whole log of the stage."),
    ),
    Key(
        "d",
        "copy_details",
        template("Copy details"),
        id="run.details",
        show=False,
        tooltip=template("Copy the error with its details."),
    ),
    Key(
        "1",
        "tab('curve-tab')",
        template("Curve"),
        id="run.curve",
        show=False,
        tooltip=template("The loss curve."),
    ),
    Key(
        "2",
        "tab('log-tab')",
        template("Log"),
        id="run.log",
        show=False,
        tooltip=template("The log of the stage."),
    ),
    Key(
        "3",
        "tab('events-tab')",
        template("Events"),
        id="run.events",
        show=False,
        tooltip=template("What happened, in plain words."),
    ),
    Key(
        "4",
        "tab('files-tab')",
        template("Files"),
        id="run.files",
        show=False,
        tooltip=template("Results, configs and logs."),
    ),
)
