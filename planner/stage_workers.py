"""Which worker does a stage of a run, by what the plan trains: names of modules in `runtime/workers`.

A stage of plans that is no key here is planned and rendered, but not run by Steersman itself.
"""

from __future__ import annotations

PREFERENCE = {
    "preflight": "preference_preflight",
    "train": "preference_train",
    "generate": "preference_generate",
}
REWARD = PREFERENCE | {"merge": "reward_merge", "generate": "reward_score"}

WORKERS: dict[str, dict[str, str]] = {
    "sft": {},
    "dpo": PREFERENCE,
    "kto": PREFERENCE,
    "orpo": PREFERENCE,
    "simpo": PREFERENCE,
    "reward": REWARD,
    "pretrain": {
        "preflight": "pretrain_preflight",
        "train": "pretrain_train",
        "generate": "pretrain_generate",
    },
    "embedding": {
        "preflight": "embedding_preflight",
        "train": "embedding_train",
        "merge": "embedding_merge",
        "generate": "embedding_generate",
    },
}
"""Stage of the plan -> stage of the run -> worker, where that is not named after the stage of the run."""


PADDLEFORMERS = {stage: f"paddleformers.{stage}" for stage in ("convert", "preflight", "train", "merge")}
"""Answering, scoring and chat are the same code in both engines."""
FORMERS_PAIRS = PADDLEFORMERS | {"generate": "preference_generate"}

ENGINE_WORKERS: dict[str, dict[str, dict[str, str]]] = {
    "paddlenlp": WORKERS,
    "paddleformers": {
        "sft": PADDLEFORMERS,
        "dpo": FORMERS_PAIRS,
        "orpo": FORMERS_PAIRS,
        "simpo": FORMERS_PAIRS,
        "pretrain": PADDLEFORMERS | {"generate": "pretrain_generate"},
    },
}
"""Engine -> stage of the plan -> stage of the run -> worker."""


def worker(plan_stage: str, stage: str, engine: str = "paddlenlp") -> str:
    """Return the worker module for a stage of the run of such a plan in an engine."""
    return ENGINE_WORKERS[engine].get(plan_stage, {}).get(stage, stage)
