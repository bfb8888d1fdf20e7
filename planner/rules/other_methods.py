"""Methods beside LoRA and full training: what they are good for, and why they are not chosen unasked."""

from __future__ import annotations

from planner.language import say
from planner.methods import blocked, methods
from planner.phrases import parameters
from planner.plan import Alternative
from planner.rules.adapters import own_worker
from planner.rules.rule import Choice, not_, rule
from planner.situation import Situation


@rule("method.prefix_tokens", "num_prefix_tokens", "PaddleNLP 3.0.0b4 trl/model_config.py:104")
def prefix_tokens(s: Situation) -> Choice:
    """Upstream's number of virtual tokens."""
    blocks, width = s.model.num_hidden_layers, s.model.num_key_value_heads * s.model.head_dim
    number = parameters(2 * 128 * blocks * width)
    return Choice(
        128,
        say(
            "Upstream's default: keys and values of 128 tokens in {blocks} blocks are {number} numbers.",
            blocks=blocks,
            number=number,
        ),
        (not_(16, say("Too few to change how a model answers, except for narrow tasks.")),),
    )


def method_reasons(s: Situation) -> dict[str, Alternative]:
    """Return the methods that a plan never chooses by itself, each with the reason."""
    rank = s.whole("lora_rank")
    why = {
        "prefix_tuning": say(
            "{tokens} virtual tokens lengthen every text, learn less than adapters, and cannot be merged.",
            tokens=s.whole("num_prefix_tokens"),
        ),
        "vera": _vera(s),
        "lokr": _lokr(s),
        "reft": say(
            "Changes rank {rank} at a few positions of each text, pads on the right, and cannot be merged "
            "into weights.",
            rank=rank,
        ),
    }
    return {name: not_(name, blocked(s, name) or text) for name, text in why.items() if name in methods()}


def _vera(s: Situation) -> str:
    if own_worker(s):
        return say("Trains only vectors beside random matrices: too little for more than style.")
    return say(
        "Trains only vectors beside shared matrices: too little for more than style, and its adapters "
        "cannot be merged by the engine."
    )


def _lokr(s: Situation) -> str:
    if own_worker(s):
        return say("Its products of two small matrices take more work per step and are less well tried.")
    return say("Its adapters cannot be merged: the engine's merge fails with an AttributeError.")


RULES = (prefix_tokens,)
