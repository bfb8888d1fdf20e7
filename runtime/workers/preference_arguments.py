"""Read the configs of upstream's `run_dpo.py`, `run_kto.py` and `run_reward.py`.

Their dataclasses stand beside those scripts (llm/alignment/*/*_argument.py, commit 4711e147) and are not in
the wheel; these have the same names and defaults. Model and data arguments are then handed on in the words
of PaddleNLP's own classes, so that one trainer serves all stages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from paddlenlp.trl import DataConfig, ModelConfig, SFTConfig

from runtime.workers.refusal import RefusedError
from runtime.workers.sft_arguments import Arguments, GenerateArgument, ReftArgument, parse_into
from runtime.workers.speech import say

LOSSES = ("sigmoid", "hinge", "ipo", "kto_pair", "sppo_hard", "nca_pair", "dpop", "or", "simpo")
"""Losses of paddlenlp 3.0.0b4 (trl/dpo_trainer.py:77-88)."""

WITHOUT_REFERENCE = ("or", "simpo")
"""Losses that have no reference model (run_dpo.py:70-77)."""

FREE_TO_CHOOSE = ("sigmoid", "hinge", "ipo")
"""Losses that can do without one (trl/dpo_trainer.py:92)."""


class Objective(NamedTuple):
    """What is minimised. The names are those that PaddleNLP's criteria read."""

    stage: str
    """dpo, kto or reward."""
    beta: float = 0.1
    loss_type: str = "sigmoid"
    simpo_gamma: float = 0.5
    label_smoothing: float = 0.0
    pref_loss_ratio: float = 1.0
    sft_loss_ratio: float = 0.0
    dpop_lambda: float = 50.0
    reference_free: bool = False
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    lora: bool = False

    @property
    def needs_reference(self) -> bool:
        """Whether what is learned is compared with where the model started."""
        return self.stage == "kto" or (self.stage == "dpo" and not self.reference_free)


@dataclass
class PreferenceTraining(SFTConfig):  # type: ignore[misc]
    """Upstream's DPOTrainingArguments: a trainer's arguments with other defaults."""

    unified_checkpoint: bool = field(default=True)
    objective: Objective | None = field(default=None, init=False)


@dataclass
class PreferenceModel:
    """DPOModelArgument, and RewardModelArgument without process rewards."""

    model_name_or_path: str = field(default="")
    tokenizer_name_or_path: str = field(default="")
    flash_mask: bool = field(default=False)
    lora_rank: int = field(default=8)
    rslora: bool = field(default=False)
    lora_plus_scale: float = field(default=1.0)
    rslora_plus: bool = field(default=False)
    use_quick_lora: bool = field(default=True)


@dataclass
class PreferenceData:
    """DPODataArgument."""

    train_dataset_path: str = field(default="./data/train.jsonl")
    dev_dataset_path: str = field(default="./data/dev.jsonl")
    max_seq_len: int = field(default=4096)
    max_prompt_len: int = field(default=2048)
    greedy_zero_padding: bool = field(default=False)


@dataclass
class DpoLoss:
    """DPOConfig without an update of the reference model during training."""

    beta: float = field(default=0.1)
    simpo_gamma: float = field(default=0.5)
    label_smoothing: float = field(default=0.0)
    loss_type: str = field(default="sigmoid")
    pref_loss_ratio: float = field(default=1.0)
    sft_loss_ratio: float = field(default=0.0)
    dpop_lambda: float = field(default=50.0)
    reference_free: bool = field(default=False)
    lora: bool = field(default=False)


@dataclass
class KtoLoss:
    """KTOConfig."""

    beta: float = field(default=0.1)
    desirable_weight: float = field(default=1.0)
    undesirable_weight: float = field(default=1.0)
    lora: bool = field(default=False)


LOSS_OF_STAGE: dict[str, type] = {"dpo": DpoLoss, "kto": KtoLoss}


def parse(path: str | Path, stage: str, processes: int | None = None) -> Arguments:
    """Return the config of a stage (dpo, kto, reward); `training.objective` holds its loss.

    Raises `RefusedError` with a sentence that names the key. Joins the process group as
    `sft_arguments.parse` does.
    """
    kinds = [PreferenceModel, PreferenceData, PreferenceTraining, *filter(None, [LOSS_OF_STAGE.get(stage)])]
    model, data, training, *loss = parse_into(kinds, path, processes)
    if training.pipeline_parallel_degree > 1:
        raise RefusedError(
            say("{path}: preferences are not learned with a pipeline here.", path=path),
            remedy=say("Set `pipeline_parallel_degree` to 1, and split matrices instead."),
        )
    training.objective = objective(stage, vars(loss[0]) if loss else {}, path)
    return Arguments(
        GenerateArgument(),
        model_config(model, training.objective.lora),
        ReftArgument(),
        data_config(data),
        training,
    )


def objective(stage: str, given: dict[str, Any], path: str | Path) -> Objective:
    """Return the loss that a config asks for, as upstream's script would complete it."""
    if given.get("loss_type") == "orpo":  # upstream's other name (run_dpo.py:70)
        given = given | {"loss_type": "or", "sft_loss_ratio": 1.0}
    found = Objective(stage, **given)
    if found.loss_type not in LOSSES:
        raise RefusedError(
            say("{path}: `loss_type` is {loss}.", path=path, loss=found.loss_type),
            remedy=say("Choose one of {losses}.", losses=", ".join(LOSSES)),
        )
    if found.loss_type in WITHOUT_REFERENCE:
        return found._replace(reference_free=True)
    if found.reference_free and found.loss_type not in FREE_TO_CHOOSE:
        raise RefusedError(
            say("{path}: the loss {loss} needs a reference model.", path=path, loss=found.loss_type),
            remedy=say("Set `reference_free` to false."),
        )
    return found


def model_config(model: PreferenceModel, lora: bool) -> ModelConfig:
    """Return the model's arguments in the words of fine-tuning, which build the same adapters."""
    named = vars(model)
    plus = named.pop("rslora_plus")
    found = ModelConfig(**{name: value for name, value in named.items() if value != ""}, lora=lora)
    if plus:  # run_dpo.py:181-184
        found.rslora, found.lora_plus_scale = True, 4
    return found


def data_config(data: PreferenceData) -> DataConfig:
    """Return the data's arguments in the words of fine-tuning; rows are always packed, as upstream's are."""
    return DataConfig(
        dataset_name_or_path=str(Path(data.train_dataset_path).parent),
        max_length=data.max_seq_len,
        src_length=data.max_prompt_len,
        zero_padding=True,
        greedy_zero_padding=data.greedy_zero_padding,
    )
