"""What the stage `generate` asks of base model and result, by what the plan trains."""

from __future__ import annotations

from typing import Any, NamedTuple

from planner.plan import Plan
from runtime.run.layout import RunFolder
from runtime.stages.preferences import weighing, weighs
from runtime.stages.prompts import read_prompts, test_prompts, wished_file


class Asked(NamedTuple):
    """The stage's part of the specification, and the proofs that it must give."""

    spec: dict[str, Any]
    proofs: tuple[str, ...]


def asked(plan: Plan, run: RunFolder, data: str) -> Asked:
    """Return what is asked; `data` is the folder of the prepared data."""
    if plan.wishes.stage == "pretrain":
        return continuations(plan, run, data)
    if plan.wishes.stage == "reward":
        return Asked(*weighing(plan, data))
    if plan.wishes.stage == "embedding":
        return searches(run, data)
    prompts = test_prompts(plan, data, run.started_in())
    spec = {
        "prompts": [prompt.messages for prompt in prompts],
        "references": [prompt.reference for prompt in prompts],
    }
    if not weighs(plan):
        return Asked(spec, ("generate.answers",))
    weighed, proofs = weighing(plan, data)
    return Asked(spec | weighed, ("generate.answers", *proofs))


def usual_answer_tokens(plan: Plan) -> float:
    """Return how many tokens an answer of the training rows has on average."""
    data = plan.facts.data
    return data.lengths.answer_total / max(1, data.train_rows)


def searches(run: RunFolder, data: str) -> Asked:
    """Return what is asked of embeddings: to find the passages of held-out queries."""
    train = run.stage("train")
    spec = {
        "data": data,
        "config": str(train.root / "config.json"),
        "train_result": str(train.result),
    }
    return Asked(spec, ("generate.embeddings",))


def continuations(plan: Plan, run: RunFolder, data: str) -> Asked:
    """Return what is asked after pretraining: to read the held-out texts, and to go on with beginnings."""
    own = wished_file(plan, run.started_in())
    beginnings = [prompt.messages[-1]["content"] for prompt in read_prompts(own)] if own else []
    spec = {
        "data": data,
        "length": plan.value("max_length"),
        "beginnings": beginnings,
        "train_result": str(run.stage("train").result),
        "exact": plan.value("precision") == "fp32",
    }
    return Asked(spec, ("generate.perplexity", "generate.answers"))
