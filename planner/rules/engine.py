"""Which toolkit trains the model, and in which build."""

from __future__ import annotations

from typing import Any

from planner.catalogue import read
from planner.did_you_mean import hint
from planner.engine_builds import engines, pick_build
from planner.errors import NothingFeasible
from planner.families import engines_for, families, family
from planner.language import say
from planner.methods import TRAINING_STAGES
from planner.rules.rule import Choice, not_, rule
from planner.situation import Situation

TITLES = {"paddlenlp": "PaddleNLP", "paddleformers": "PaddleFormers"}

ONLY_PADDLENLP = ("kto", "reward", "embedding", "quantise")
"""Stages that paddleformers does not have (cli/train/tuner.py:49-68)."""


@rule(
    "method.engine",
    "engine",
    "PaddleNLP 3.0.0b4 llm/utils/data.py get_convert_example, trl/llm_utils.py; paddleformers "
    "cli/train/tuner.py; recipes/engines/speeds.yaml",
)
def engine(s: Situation) -> Choice:
    """The toolkit that knows the model's architecture and has the stage."""
    kind, stage = s.model.model_type, s.wishes.stage
    able = engines_for(kind, stage)
    pinned = s.pin("engine")
    if not able and pinned is None:
        what, remedy = _no_engine(s)
        raise NothingFeasible(what, remedy=remedy)
    chosen = preferred(s, able) if able else str(pinned)
    others = tuple(
        not_(name, _why_not(s, name, able, chosen))
        for name in ("paddlenlp", "paddleformers")
        if name != chosen
    )
    if len(able) > 1 and quicker(s, able):
        return Choice(chosen, _quicker(s, able), others)
    found = family(chosen, kind)
    if chosen == "paddlenlp":
        if stage == "sft" and found is not None and found.conversion_proven:
            because = say(
                "PaddleNLP trains {kind} models in stage {stage}, and what it saves is merged, reloaded and "
                "proven.",
                kind=kind,
                stage=stage,
            )
        else:
            because = say("PaddleNLP has stage {stage} for {kind} models.", kind=kind, stage=stage)
        return Choice(chosen, because, others)
    because = say(
        "PaddleNLP does not train {kind} models in stage {stage}; PaddleFormers does.", kind=kind, stage=stage
    )
    if found is not None and found.needs_paddlefleet:
        because = say("{because} It needs the extra package paddlefleet.", because=because)
    return Choice(chosen, because, others)


def preferred(s: Situation, able: tuple[str, ...]) -> str:
    """Return the engine to take: on processors the one that was measured to be faster, if both are proven."""
    return quicker(s, able) or able[0]


def quicker(s: Situation, able: tuple[str, ...]) -> str:
    """Return the engine that was measured to train faster on a processor, where every able one is proven;
    empty when nothing is known."""
    found = [family(name, s.model.model_type) for name in able]
    proven = all(row is not None and row.conversion_proven and not row.needs_paddlefleet for row in found)
    rates = measured()["tokens_per_second"]
    if s.on_gpu or s.wishes.stage != "sft" or len(able) < 2 or not proven or not set(able) <= set(rates):
        return ""
    return max(able, key=lambda name: (rates[name], -able.index(name)))


def measured() -> dict[str, Any]:
    """Return what both engines did at the same work on a processor (recipes/engines/speeds.yaml)."""
    return dict(read("engines/speeds")["cpu"])


def _quicker(s: Situation, able: tuple[str, ...]) -> str:
    """Say which engine is faster here, with both figures."""
    rates = measured()["tokens_per_second"]
    fast = quicker(s, able)
    slow = next(name for name in able if name != fast)
    return say(
        "Both engines train {kind} models; at the same work on two processor cores {fast} did {most:.0f} "
        "tokens per second and {slow} {least:.0f}.",
        kind=s.model.model_type,
        fast=TITLES[fast],
        most=rates[fast],
        slow=TITLES[slow],
        least=rates[slow],
    )


def _why_not(s: Situation, name: str, able: tuple[str, ...], chosen: str) -> str:
    if name in able:
        found = family(name, s.model.model_type)
        if found is not None and found.needs_paddlefleet:
            return say(
                "It trains {kind} models too, but only with the extra package paddlefleet.",
                kind=s.model.model_type,
            )
        if quicker(s, able):
            rates = measured()["tokens_per_second"]
            return say("{ratio:.1f} times as slow at the same work.", ratio=rates[chosen] / rates[name])
        return say(
            "It trains {kind} models too; fewer of its ways are proven by Steersman's own tests.",
            kind=s.model.model_type,
        )
    if name == "paddleformers" and s.wishes.stage in ONLY_PADDLENLP:
        return say("It has no stage {stage}.", stage=s.wishes.stage)
    return say(
        "It does not train {kind} models in stage {stage}.", kind=s.model.model_type, stage=s.wishes.stage
    )


def _no_engine(s: Situation) -> tuple[str, str]:
    """Return what is wrong and what to do when no engine has the model and the stage."""
    kind, stage = s.model.model_type, s.wishes.stage
    known = sorted({*families("paddlenlp"), *families("paddleformers")})
    if kind in known:
        return (
            say(
                "No engine has stage {stage} for architecture `{kind}` of model `{name}`.",
                stage=stage,
                kind=kind,
                name=s.model.name,
            ),
            say(
                "Choose another stage: {stages}.",
                stages=", ".join(other for other in TRAINING_STAGES if engines_for(kind, other)),
            ),
        )
    return (
        say(
            "Model `{name}` has architecture `{kind}`, which no engine trains.", name=s.model.name, kind=kind
        ),
        hint(kind, known) or say("They train {kinds}.", kinds=", ".join(known)),
    )


@rule("method.engine_build", "engine_build", "recipes/engines/engines.yaml")
def engine_build(s: Situation) -> Choice:
    """The accelerator build of Paddle that fits driver and card."""
    name = s.word("engine")
    return Choice(*pick_build(s.hardware, name if name in engines() else "paddlenlp"))


RULES = (engine, engine_build)
