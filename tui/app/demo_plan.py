"""The plan of the demo: a small model and the bundled data, on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.language import say

if TYPE_CHECKING:
    from planner.plan import Plan
    from tui.app.work import Reporter

MODEL = "smollm2-135m-instruct"
DATA = "steersman-demo"


def demo_plan(reporter: Reporter) -> Plan:
    """Return the plan of `steersman demo`. Fetches the model's tokenizer the first time."""
    from planner.solve import make_plan
    from planner.wishes import Wishes
    from runtime.gather import gather
    from runtime.paths import runs_folder

    facts = gather(MODEL, DATA, None, where=runs_folder(), report=reporter.say, progress=reporter.progress)
    reporter.say(say("Planning"))
    return make_plan(facts, Wishes())
