"""Guesses what a config is for: its engine and its script, from the keys it sets."""

from __future__ import annotations

import re
from typing import NamedTuple

from planner.arguments import schema
from planner.audit.reading import Document
from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.families import ENGINES
from planner.language import say

ORDER = (
    ("paddlenlp", "run_finetune"),
    ("paddlenlp", "run_dpo"),
    ("paddlenlp", "run_kto"),
    ("paddlenlp", "run_pretrain"),
    ("paddlenlp", "run_reward"),
    ("paddlenlp", "run_embedding"),
    ("paddlenlp", "run_quantization"),
    ("paddlenlp", "predictor"),
    ("paddlenlp", "export_model"),
    ("paddleformers", "train"),
    ("paddleformers", "export"),
)
"""Candidates; the first wins where several know equally many keys."""
STAGES = {
    "run_finetune": "sft",
    "run_dpo": "dpo",
    "run_kto": "kto",
    "run_pretrain": "pretrain",
    "run_reward": "reward",
    "run_embedding": "embedding",
    "run_quantization": "quantise",
    "predictor": "export",
    "export_model": "export",
}
"""Script of PaddleNLP -> stage."""
FORMERS_STAGES = {
    "PT": "pretrain", "DPO": "dpo", "VL-DPO": "dpo", "VL-PT": "pretrain", "dsv3_pretrain": "pretrain",
    "ernie_pretrain": "pretrain",
}  # fmt: skip
"""`stage` of PaddleFormers -> stage; anything else is sft."""
NAMES = {
    "kto": ("run_kto",),
    "dpo": ("run_dpo",),
    "pretrain": ("run_pretrain",),
    "rm": ("run_reward",),
    "reward": ("run_reward",),
    "embedding": ("run_embedding",),
    "ptq": ("run_quantization",),
    "gptq": ("run_quantization",),
    "awq": ("run_quantization",),
    "predict": ("predictor",),
    "predictor": ("predictor",),
    "export": ("export", "export_model"),
}
"""Words of a file name -> scripts that they settle a close call for."""
CLOSE = 2
"""A script whose name the file bears may know this many keys less than another."""
TRAINING = frozenset(
    {
        "train_dataset_path",
        "do_train",
        "do_eval",
        "max_steps",
        "num_train_epochs",
        "learning_rate",
        "input_dir",
    }
)
"""A PaddleFormers config without any of these trains nothing, and is one for `export`."""


class Kind(NamedTuple):
    """What a config is for."""

    engine: str
    script: str
    known: int
    """Keys that the script knows."""


def detect(document: Document, engine: str | None, script: str | None, name: str) -> Kind:
    """Return the engine and script that know most of the keys; BadInput when none knows any.

    YAML belongs to PaddleFormers and JSON to PaddleNLP unless the keys say otherwise. `name` is the file's.
    """
    check_choice(engine, ENGINES)
    candidates = [pair for pair in ORDER if engine in (None, pair[0])]
    check_choice(script, [known for _, known in candidates])
    candidates = [pair for pair in candidates if script in (None, pair[1])]
    kinds = [Kind(pair[0], pair[1], known_keys(*pair, document)) for pair in candidates]
    best = max(kinds, key=lambda kind: (kind.known, agrees(kind, document), -ranked(kind)))
    close = [kind for kind in kinds if named(kind, name) and kind.known >= best.known - CLOSE]
    if close and best.engine in {kind.engine for kind in close}:
        best = next(kind for kind in close if kind.engine == best.engine)
    if best.script == "train" and script is None and not document.values.keys() & TRAINING:
        best = best._replace(script="export")
    if best.known == 0 and script is None:
        raise BadInput(
            say("None of its keys is an argument of PaddleNLP or PaddleFormers."),
            remedy=say("Give a training config of one of them, or name --engine."),
        )
    return best


def check_choice(word: str | None, known: tuple[str, ...] | list[str]) -> None:
    """Raise BadInput for a word that is not among the known ones."""
    if word is not None and word not in known:
        raise BadInput(
            say("{word} is none of {known}.", word=word, known=", ".join(known)), remedy=hint(word, known)
        )


def known_keys(engine: str, script: str, document: Document) -> int:
    """Return how many keys the script knows by their full name."""
    return len(document.values.keys() & schema.arguments(engine, script).keys())


def agrees(kind: Kind, document: Document) -> bool:
    """Return whether the file's form is the engine's own."""
    return (kind.engine == "paddleformers") == (document.form == "yaml")


def named(kind: Kind, name: str) -> bool:
    """Return whether the file's name speaks of this script."""
    words = re.split(r"[^a-z]+", name.lower())
    return any(kind.script in NAMES.get(word, ()) for word in words)


def ranked(kind: Kind) -> int:
    """Return the place in ORDER."""
    return ORDER.index((kind.engine, kind.script))


def stage_of(kind: Kind, values: dict[str, object]) -> str:
    """Return the stage in the planner's words."""
    if kind.engine == "paddlenlp":
        return STAGES[kind.script]
    return "export" if kind.script == "export" else FORMERS_STAGES.get(str(values.get("stage")), "sft")
