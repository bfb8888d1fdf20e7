"""What a run does for its own safety: a rehearsal before, and what when memory runs out."""

from __future__ import annotations

from planner.language import say
from planner.pace import step_seconds
from planner.phrases import duration
from planner.rules.adapters import own_worker
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.situation import Situation
from planner.unused import WITHOUT_TRAINING

LONG_SECONDS = 1800.0
"""Training from which a rehearsal of save, kill, resume and merge is worth its minutes: half an hour."""


@rule("safety.on_oom", "on_oom", "the person's consent to every change; planner/oom_ladder.py")
def on_oom(s: Situation) -> Choice:
    """Nothing of a plan changes without its person."""
    if s.wishes.stage in WITHOUT_TRAINING or not own_worker(s):
        return Choice("stop", say("Not used: the toolkit's own script runs this stage."))
    return Choice(
        "stop",
        say("If memory runs out, the run stops and offers the next smaller step; you decide."),
        (
            not_("ask", say("The same, but the run counts as waiting for your answer, not as failed.")),
            not_("replan", say("Takes the step by itself; choose it for a run that nobody watches.")),
        ),
    )


@rule("safety.rehearsal", "rehearsal", f"{MEASURED_CPU}: resume after a kill, wrong merges")
def rehearsal(s: Situation) -> Choice:
    """A long run first shows that it can be saved, killed, resumed and merged."""
    if s.wishes.stage in WITHOUT_TRAINING or not own_worker(s):
        return Choice(False, say("Not used: the toolkit's own script runs this stage."))
    if s.hardware.nodes > 1:
        return Choice(
            False,
            say("{nodes} machines train together, and one alone cannot rehearse it.", nodes=s.hardware.nodes),
        )
    seconds = s.whole("max_steps") * step_seconds(s)
    time, limit = duration(seconds), duration(LONG_SECONDS)
    if seconds > LONG_SECONDS:
        return Choice(
            True,
            say(
                "Training takes about {time}: two steps, a kill, a resume and a merge beforehand show in "
                "minutes what would fail at its end.",
                time=time,
            ),
            (not_(False, say("A fault in saving or merging would show after {time}.", time=time)),),
        )
    return Choice(
        False,
        say("Training takes about {time}; a rehearsal pays from {limit} on.", time=time, limit=limit),
        (not_(True, say("Would take about as long as what it protects.")),),
    )


RULES = (on_oom, rehearsal)
"""They read the number of steps and how long one takes."""
