"""Read the config of continued pretraining: the JSON of upstream's `llm/run_pretrain.py`.

Its dataclasses stand in the script and not in the package, so the fields that they add are declared here
(PaddleNLP 3.0.0b4, llm/run_pretrain.py:59-175). What comes out has the shape that the rest of the worker
knows from fine-tuning.

The script trains every weight and has no field for an adapter. One that the plan asks for stands in the
specification's extras (`method`, `lora_rank`, `lora_variant`...), so that the config stays upstream's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddlenlp.trl import DataConfig, ModelConfig, SFTConfig

from runtime.workers import sft_arguments
from runtime.workers.refusal import RefusedError
from runtime.workers.sft_arguments import Arguments, GenerateArgument, ReftArgument
from runtime.workers.speech import say


@dataclass
class PretrainModel(ModelConfig):  # type: ignore[misc]
    """What run_pretrain.py adds to a model's settings."""

    tokenizer_name_or_path: str = field(default="")
    num_hidden_layers: int = field(default=0)
    continue_training: bool = field(default=False)


@dataclass
class PretrainData:
    """Where the token files lie. `split` is upstream's; here the dev texts have files of their own."""

    input_dir: str = field(default="")
    split: str = field(default="949,50,1")
    share_folder: bool = field(default=False)
    data_impl: str = field(default="mmap")
    skip_warmup: bool = field(default=True)
    data_cache: str = field(default="")


@dataclass
class PretrainTraining(SFTConfig):  # type: ignore[misc]
    """Training arguments with the floor of the learning rate. `decay_steps` 0 means `max_steps`."""

    min_learning_rate: float = field(default=1e-5)
    enable_linear_fused_grad_add: bool = field(default=False)


DATACLASSES = (PretrainModel, PretrainData, PretrainTraining)

UNSUPPORTED = {
    "enable_linear_fused_grad_add": "fused gradient sums",
    "num_hidden_layers": "a model with another number of layers",
}
"""Switches that the worker refuses rather than ignores -> what they turn on."""

VARIANTS: dict[str, dict[str, bool | None]] = {
    "plain": {},
    "rslora": {"rslora": True},
    "lora_plus": {"lora_plus_scale": None},
    "rslora_plus": {"rslora": True, "lora_plus_scale": None},
    "pissa": {"pissa": True},
    "mora": {"use_mora": True},
    "moslora": {"lora_use_mixer": True},
}
"""Variant of LoRA -> the fields of `ModelConfig` that ask for it; None is filled in from the extras."""


def parse(path: str | Path, extras: dict[str, Any], processes: int | None = None) -> Arguments:
    """Return the config at `path`, checked; raises `RefusedError` with a sentence that names the key."""
    model, data, training = sft_arguments.parse_into(DATACLASSES, path, processes)
    for owner, key in ((training, "enable_linear_fused_grad_add"), (model, "num_hidden_layers")):
        if getattr(owner, key):
            raise RefusedError(
                say(
                    "{path}: `{key}` asks for {meaning}, which this worker does not do.",
                    path=path,
                    key=key,
                    meaning=UNSUPPORTED[key],
                ),
                remedy=say("Leave it out."),
            )
    if not model.continue_training:
        raise RefusedError(
            say(
                "{path}: `continue_training` is not set, and training would start from random weights.",
                path=path,
            ),
            remedy=say("Set `continue_training` to true."),
        )
    if len(data.input_dir.split()) != 1:
        raise RefusedError(
            say("{path}: `input_dir` must be one folder of prepared texts.", path=path),
            remedy=say(
                "Prepare the texts together, as a mixture: {example}.", example="a.jsonl*0.7 + b.jsonl*0.3"
            ),
        )
    adapt(model, extras)
    rows = DataConfig(
        dataset_name_or_path=data.input_dir,
        max_length=training.max_seq_length,
        src_length=training.max_seq_length,
        zero_padding=False,
    )
    return Arguments(GenerateArgument(), model, ReftArgument(), rows, training)


def adapt(model: PretrainModel, extras: dict[str, Any]) -> None:
    """Give the model's settings the adapter that the extras ask for."""
    method = str(extras.get("method", "full"))
    if method == "full":
        return
    if method != "lora":
        raise RefusedError(
            say("Pretraining with method {method} is not supported.", method=method),
            remedy=say("Train every weight, or an adapter with method lora."),
        )
    model.lora = True
    model.lora_rank = int(extras.get("lora_rank", 8))
    for name, value in VARIANTS[str(extras.get("lora_variant", "plain"))].items():
        setattr(model, name, extras.get(name) if value is None else value)
