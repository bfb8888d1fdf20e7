"""Learning rates by stage, method and size of the model: what upstream's recipes use, and how it scales."""

from __future__ import annotations

from typing import NamedTuple

from planner.situation import Situation

BASE_PARAMETERS = 7e9
"""Weights of the models that upstream's recipes are written for."""


class Rate(NamedTuple):
    """The usual rate for 7B weights, how fast it falls with size, and the range a plan stays in."""

    base: float
    exponent: float
    low: float
    high: float
    source: str


FULL = Rate(3e-5, 0.3, 5e-6, 2e-4, "PaddleNLP 3.0.0b4 llm/config: 3e-5 in 24 of 25 recipes")
LORA = Rate(3e-4, 0.48, 1e-4, 2e-3, "PaddleNLP 3.0.0b4 llm/config: 3e-4 in 19 of 20 recipes")
"""The exponent joins 3e-4 at 7B with 2e-3 at 135M, which was measured to learn the demo better than 1e-3."""

SFT: dict[str, Rate] = {
    "full": FULL,
    "lora": LORA,
    "qlora": LORA._replace(source="PaddleNLP 3.0.0b4 llm/config: 3e-4, as for LoRA"),
    "prefix_tuning": Rate(3e-2, 0.0, 3e-3, 3e-2, "PaddleNLP 3.0.0b4 llm/config: 3e-2 in all 8 recipes"),
    "vera": LORA._replace(source="PaddleNLP 3.0.0b4 tests/fixtures/llm/vera.yaml: 3e-4"),
    "lokr": LORA._replace(source="PaddleNLP 3.0.0b4 llm/config: 3e-4 in 4 of 5 recipes"),
    "reft": LORA._replace(source="PaddleNLP 3.0.0b4 llm/config: 3e-4 in all 8 recipes"),
}

PREFERENCE: dict[str, Rate] = {
    "full": Rate(1e-6, 0.3, 3e-7, 5e-6, "PaddleNLP 3.0.0b4 llm/config: 1e-6 in 19 of 20 DPO recipes"),
    "lora": Rate(1e-5, 0.3, 5e-6, 5e-5, "PaddleNLP 3.0.0b4 llm/config: 1e-5 in all 7 DPO recipes"),
}

KTO: dict[str, Rate] = {
    "full": Rate(2e-6, 0.3, 5e-7, 1e-5, "PaddleNLP 3.0.0b4 llm/config: 2e-6 in 5 of 8 KTO recipes"),
    "lora": Rate(2e-5, 0.3, 5e-6, 1e-4, "PaddleNLP 3.0.0b4 llm/config: 2e-5 in all 7 KTO recipes"),
}

STAGES: dict[str, dict[str, Rate]] = {
    "dpo": PREFERENCE,
    "orpo": PREFERENCE,
    "simpo": PREFERENCE,
    "kto": KTO,
    "pretrain": {
        "full": Rate(3e-5, 0.3, 1e-5, 2e-4, "PaddleNLP 3.0.0b4 llm/config: 1e-5 to 3e-5 in 61 of 62 recipes"),
        "lora": Rate(1e-4, 0.3, 3e-5, 5e-4, "PaddleFormers 1.2.0 examples/config/pt/lora.yaml: 1e-4"),
    },
    "reward": {
        "full": Rate(
            1e-5,
            0.3,
            2e-6,
            3e-5,
            "arXiv:2203.02155, appendix C.2: 9e-6 at 6B; PaddleNLP 3.0.0b4 llm/config/llama/flashmask/"
            "rm.json: 1e-5 at 8B (its demonstrations have DPO's 1e-6, at which a new head hardly "
            "learns)",
        )
    },
    "embedding": {
        "full": Rate(
            1.4e-5, 0.3, 5e-6, 5e-5, "PaddleNLP 3.0.0b4 llm/config/qwen/emb_argument.json: 3e-5 at 0.5B"
        )
    },
}
"""Stage -> method -> rate, where it differs from supervised fine-tuning."""


def rate_of(s: Situation) -> Rate:
    """Return the row for the decided method in this stage."""
    method = s.word("method")
    rows = STAGES.get(s.wishes.stage, SFT)
    return rows.get(method) or rows.get("lora" if method != "full" else "full") or SFT[method]


def chosen_rate(s: Situation) -> float:
    """Return the rate for the model's size, to one digit."""
    row = rate_of(s)
    exact = row.base * (BASE_PARAMETERS / s.model.parameters) ** row.exponent
    return float(f"{min(max(exact, row.low), row.high):.1g}")
