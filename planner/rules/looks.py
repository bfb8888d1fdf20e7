"""What a look at the dev rows does besides measuring the loss: answers, and an early end."""

from __future__ import annotations

from planner.budget import look_seconds
from planner.language import say
from planner.phrases import duration, plural
from planner.rules.adapters import own_worker
from planner.rules.rule import Choice, not_, rule
from planner.situation import Situation

ANSWERED_ROWS = 32
"""Dev rows that the worker answers at each look (runtime/workers/generation_eval.py)."""

PATIENCE = 3
"""Looks without a lower loss after which goal quality gives up: about half of a run's five."""


def answers_rows(s: Situation) -> bool:
    """Return whether a worker of Steersman trains that can answer rows between steps."""
    return own_worker(s) and s.wishes.stage == "sft" and s.word("engine") == "paddlenlp"


@rule(
    "checkpoints.generation",
    "eval_with_do_generation",
    "runtime/workers/generation_eval.py; PaddleNLP 3.0.0b4 llm/run_finetune.py:230-232,333-337",
)
def generation(s: Situation) -> Choice:
    """Only for goal quality on accelerators without a time limit: answering is no part of the forecast, and
    takes a processor minutes."""
    if s.word("evaluation_strategy") == "no":
        return Choice(False, say("Nothing is evaluated."))
    if s.wishes.stage != "sft":
        return Choice(False, say("Stage {stage} is not about one right answer.", stage=s.wishes.stage))
    if not answers_rows(s):
        return Choice(
            False,
            say("Upstream's own way decodes without positions and crashes, or is switched off unsaid."),
            (not_(True, say("Crashes at the first look, or does nothing.")),),
        )
    why = no_generation(s)
    if why:
        return Choice(False, why, (not_(True, say("Stops at the first look.")),))
    rows = plural(min(ANSWERED_ROWS, s.data.dev_rows), "held-out row")
    if s.wishes.goal == "quality" and s.on_gpu and s.wishes.time_limit_minutes is None:
        return Choice(
            True,
            say(
                "Goal quality: {rows} are answered at each look, and the answers kept and scored.", rows=rows
            ),
            (not_(False, say("Less time for looking; only the loss tells how it goes.")),),
        )
    return Choice(
        False,
        say(
            "A look for the loss takes about {time}; answering {rows} as well takes many times that.",
            time=duration(look_seconds(s)),
            rows=rows,
        ),
        (not_(True, say("Shows answers while training goes on; ask for it, or for goal quality.")),),
    )


def no_generation(s: Situation) -> str:
    """Return why the worker cannot answer rows between steps; empty when it can."""
    if s.whole("pipeline_parallel_degree") > 1:
        return say("A pipeline holds the layers apart, and no process could answer.")
    if s.whole("tensor_parallel_degree") > 1 or s.word("sharding") == "stage3":
        return say("The weights are split over processes, and the worker answers with whole ones only.")
    return ""


@rule(
    "checkpoints.patience",
    "early_stopping_patience",
    "runtime/workers/best.py; PaddleNLP 3.0.0b4 trainer/trainer_callback.py EarlyStoppingCallback",
)
def patience(s: Situation) -> Choice:
    """Only where the run ends with its best checkpoint anyway."""
    if s.word("evaluation_strategy") == "no":
        return Choice(0, say("Nothing is evaluated."))
    if not own_worker(s):
        return Choice(
            0,
            say("Upstream's scripts have no such setting."),
            (not_(PATIENCE, say("Only Steersman's own worker counts looks, and it does not run this.")),),
        )
    if s.flag("load_best_model_at_end"):
        return Choice(
            PATIENCE,
            say(
                "The run ends with its best checkpoint, so {looks} without a lower loss are enough to stop.",
                looks=plural(PATIENCE, "look"),
            ),
            (not_(0, say("Would train on after the best checkpoint, for nothing.")),),
        )
    return Choice(
        0,
        say("The learning rate is planned down to zero at step {steps}.", steps=s.whole("max_steps")),
        (not_(PATIENCE, say("Would end before the learning rate has come down.")),),
    )


RULES = (generation, patience)
"""They read whether and when there is a look."""
