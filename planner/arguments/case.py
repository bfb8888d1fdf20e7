"""One config under examination: its values as the engine's parser leaves them, and the world it runs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from planner.arguments import degrees, schema
from planner.arguments.degrees import Degrees
from planner.facts import ModelFacts
from planner.families import Family, family


@dataclass(frozen=True)
class World:
    """Where a config would run, as far as it is known."""

    processes: int = 1
    """Training processes over all nodes: one per card."""
    per_node: int = 8
    least: bool = False
    """Whether `processes` is only the fewest that the degrees allow: more may train."""
    device: str = "gpu"
    """gpu, cpu, xpu, npu, dcu, ..."""
    capability: float | None = None
    """CUDA compute capability of the cards, such as 8.0."""
    model_type: str | None = None
    """`model_type` of config.json; None: unknown, and nothing is said about what the family supports."""
    model: ModelFacts | None = None
    """The exact architecture, for rules that need sizes."""


TUNED = ("", "SFT", "PT", "DPO", "VL-SFT", "VL-PT", "VL-DPO")
"""`stage` of PaddleFormers -> run_sft or run_dpo; without one, SFT."""


@dataclass(frozen=True)
class Case:
    """A config as its parser accepted it. `values` has a value for every argument of the script."""

    engine: str
    script: str
    values: Mapping[str, Any]
    given: frozenset[str]
    """Arguments that the file sets, by full name."""
    world: World = field(default_factory=World)

    def __getitem__(self, name: str) -> Any:
        """Return the value of an argument; None for one that this script does not have."""
        return self.values.get(name)

    def has(self, name: str) -> bool:
        """Return whether the script knows an argument."""
        return name in schema.arguments(self.engine, self.script)

    def number(self, name: str, missing: float = 0) -> float:
        """Return a numeric value, or `missing` when it is none (another rule reports that)."""
        value = self.values.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else missing

    def text(self, name: str) -> str:
        """Return a value as text; empty for None and False."""
        return str(self.values.get(name) or "")

    @cached_property
    def degrees(self) -> Degrees:
        """The parallel degrees after resolution."""
        return degrees.resolve(self.engine, self.values, self.world.processes)

    @cached_property
    def family(self) -> Family | None:
        """What the engine can do with this model; None when the model is unknown."""
        kind = self.world.model.model_type if self.world.model else self.world.model_type
        return family(self.engine, kind) if kind else None

    @property
    def tunes(self) -> bool:
        """Whether the fine-tuning workflows read it; PaddleFormers' own pretraining scripts know no adapters
        and load their own tokenizer (cli/train/tuner.py:51-66)."""
        return self.engine == "paddlenlp" or self.text("stage") in TUNED

    def tokens(self, name: str) -> tuple[str, ...]:
        """Return a list of switches as the engine splits it: on commas if there is one, else on blanks
        (PaddleNLP trainer/trainer_utils.py:1204)."""
        text = self.text(name)
        return tuple(part for part in text.split("," if "," in text else " ") if part)

    @property
    def half(self) -> bool:
        """Whether training computes in 16 bits."""
        return bool(self["bf16"] or self["fp16"])

    @property
    def evaluation(self) -> str:
        """`evaluation_strategy` after the engine's own correction."""
        strategy = self.text("evaluation_strategy") or "no"
        return "steps" if self["do_eval"] and strategy == "no" else strategy

    @property
    def evaluates(self) -> bool:
        """Whether evaluation happens: any strategy but `no` turns it on."""
        return bool(self["do_eval"]) or self.evaluation != "no"

    @property
    def on_cpu(self) -> bool:
        """Whether it runs without an accelerator."""
        return self.world.device == "cpu" or self["device"] == "cpu"

    @property
    def preference(self) -> bool:
        """Whether it learns from preferences."""
        return self.script in ("run_dpo", "run_kto") or self.text("stage").endswith("DPO")

    @cached_property
    def figures(self) -> dict[str, Any]:
        """Parameters of sentences: all values, the degrees, and the number of processes."""
        split = self.degrees
        return {
            **self.values,
            "processes": self.world.processes,
            "tensor": split.tensor,
            "pipeline": split.pipeline,
            "sharded": split.sharding,
            "sep": split.sep,
            "context": split.context,
            "expert": split.expert,
            "virtual": split.virtual,
            "data": split.data,
            "zero": split.stage,
            "product": split.tensor * split.pipeline * split.sharding * split.sep * split.context,
            "model_type": self.world.model.model_type if self.world.model else self.world.model_type,
            "capability": self.world.capability,
            "heads": self.world.model.num_attention_heads if self.world.model else 0,
            "kv_heads": self.world.model.num_key_value_heads if self.world.model else 0,
            "blocks": self.world.model.num_hidden_layers if self.world.model else 0,
        }
