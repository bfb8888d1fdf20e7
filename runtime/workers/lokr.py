"""LoKr: adapters that are Kronecker products (arXiv:2309.14859)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import paddle
from paddlenlp.peft import LoKrConfig, LoKrModel

WEIGHTS = "lokr_model_state.pdparams"
CONFIG = "lokr_config.json"


def fresh(model: Any, *, rank: int, targets: list[str], dtype: str, base: str) -> LoKrModel:
    """Return `model` with adapters that change nothing yet. PaddleNLP insists on the folder of the base."""
    config = LoKrConfig(target_modules=targets, lokr_dim=rank, dtype=dtype, base_model_name_or_path=base)
    adapted = LoKrModel(model, config)
    adapted.mark_only_lokr_as_trainable()
    return adapted


def from_folder(base: Any, folder: Path) -> LoKrModel:
    """Return `base` with the layers that an adapter's config asks for; its tensors are still to be read.

    The folder of the base that the config names may be gone, and PaddleNLP only reads its config.json.
    """
    config = LoKrConfig.from_pretrained(str(folder))
    with tempfile.TemporaryDirectory(prefix="steersman-lokr-") as copy:
        base.config.save_pretrained(copy)
        config.base_model_name_or_path = copy
        return LoKrModel(base, config)


def save_config(adapted: LoKrModel, folder: Path) -> None:
    """Write lokr_config.json."""
    LoKrConfig(**adapted.lokr_config.to_dict()).save_pretrained(str(folder))


def tensors(adapted: LoKrModel) -> dict[str, paddle.Tensor]:
    """Return every tensor that the adapter consists of, by name in the base model."""
    state = adapted.model.state_dict()
    return {name: value for name, value in state.items() if name.rsplit(".", 1)[-1].startswith("lokr_")}
