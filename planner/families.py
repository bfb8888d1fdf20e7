"""Which engine trains which architecture, with which methods and degrees: recipes/engines/*/families.yaml."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import Field

from planner.catalogue import read
from planner.schema import Record

OWN = (("embedding", "paddlenlp"), ("reward", "paddlenlp"))
"""(stage, engine) in which Steersman's own worker trains every architecture that it converts, though the
engine's script knows fewer (llm/run_embedding.py:87: qwen2 and XLM-RoBERTa; rewards by process,
llm/alignment/rm/flashmask/run_reward.py:147: llama and mistral)."""

ENGINES = ("paddlenlp", "paddleformers")
"""Engines in order of preference: PaddleNLP's conversion and training are proven by our own tests."""


class Family(Record):
    """Abilities of one architecture in one engine; what is not known to work is off."""

    pretrain: bool = Field(False, description="Continued pretraining on plain text.")
    sft: bool = Field(False, description="Supervised fine-tuning; its data code knows the family.")
    lora: bool = Field(False, description="LoRA and its variants: the engine names target layers.")
    lora_pipeline: bool = Field(False, description="LoRA under pipeline parallelism.")
    prefix_tuning: bool = Field(False, description="Prefix tuning, without pipeline parallelism.")
    vera: bool = Field(False, description="VeRA, without tensor or pipeline parallelism.")
    lokr: bool = Field(False, description="LoKr, without tensor or pipeline parallelism.")
    reft: bool = Field(False, description="Representation fine-tuning, on a GPU without tensor parallelism.")
    preference: bool = Field(False, description="DPO and its loss types (ORPO, SimPO, ...).")
    preference_pipeline: bool = Field(False, description="DPO under pipeline parallelism.")
    kto: bool = Field(False, description="KTO; never under pipeline parallelism.")
    pipeline: bool = False
    virtual_pipeline: bool = False
    tensor_parallel: bool = False
    sequence_parallel: bool = False
    context_parallel: bool = False
    sep_parallel: bool = False
    expert_parallel: bool = False
    kv_heads_must_divide: bool = Field(
        False, description="Whether tensor parallelism must divide the key/value heads; else they are copied."
    )
    flash_mask: tuple[str, ...] = Field(
        (), description="What may use it: of sft, sft_pipeline, dpo, dpo_pipeline, kto."
    )
    fuse_qkv: bool = Field(False, description="`fuse_attention_qkv` is read.")
    fuse_ffn: bool = Field(
        False, description="`fuse_attention_ffn` is read, and a stock checkpoint converts."
    )
    fuse_on_load: bool = Field(False, description="A normal checkpoint is fused while it is loaded.")
    fused_layers: bool = Field(
        False, description="Query, key and value are one layer, and gate and up another, whatever is asked."
    )
    fused_rope: bool = False
    fused_norm: bool = False
    fused_loss: bool = Field(False, description="`use_fused_linear_cross_entropy` is read.")
    auto_parallel: tuple[str, ...] = Field(
        (), description="Stages for which llm/auto_parallel has a script that knows the family."
    )
    recompute: tuple[str, ...] = Field((), description="Values of `recompute_granularity` that are known.")
    refined_recompute: bool = False
    reward: bool = Field(False, description="Reward models; never under pipeline parallelism.")
    embedding: bool = Field(False, description="Embedding models.")
    ptq: bool = Field(False, description="Post-training quantisation with shift and smooth.")
    gptq: bool = False
    awq: bool = False
    fused_inference: bool = Field(False, description="Static-graph inference with fused blocks.")
    needs_paddlefleet: bool = Field(False, description="Modelling code needs the package `paddlefleet`.")
    conversion_proven: bool = Field(
        False, description="Whether our runtime converts it to Hugging Face and back without loss today."
    )
    loads: tuple[str, ...] = Field((), description="Other model types whose checkpoints it loads.")
    source: str = Field(description="Where it is read.")

    def trains(self, stage: str) -> bool:
        """Return whether the stage (a value of `planner.wishes.Stage`) exists for this family."""
        if stage in ("dpo", "orpo", "simpo"):
            return self.preference
        if stage == "quantise":
            return self.ptq or self.gptq or self.awq
        return self.sft if stage == "export" else bool(getattr(self, stage))


@cache
def families(engine: str) -> dict[str, Family]:
    """Return model_type -> abilities in `engine` (one of ENGINES), in the catalogue's order."""
    return {name: _family(values) for name, values in read(f"engines/{engine}/families").items()}


def family(engine: str, model_type: str) -> Family | None:
    """Return the abilities of `model_type` in `engine`, or None if that engine does not know it.

    A model type that another family loads has that family's abilities, without its proven conversion.
    """
    known = families(engine)
    if model_type in known:
        return known[model_type]
    for row in known.values():
        if model_type in row.loads:
            return row.model_copy(update={"conversion_proven": False})
    return None


def engines_for(model_type: str, stage: str) -> tuple[str, ...]:
    """Return the engines that run `stage` for `model_type`, the preferred first."""
    found = ((engine, family(engine, model_type)) for engine in ENGINES)
    return tuple(
        engine
        for engine, row in found
        if row is not None and (row.trains(stage) or ((stage, engine) in OWN and row.conversion_proven))
    )


def _family(values: dict[str, Any]) -> Family:
    rest = {key: value for key, value in values.items() if key != "supports"}
    return Family(**rest, **dict.fromkeys(values["supports"], True))
