"""VeRA: one vector per rank and one per output beside random matrices that never move (arXiv:2310.11454).

PaddleNLP initialises B with zeros; with B frozen, as VeRA has it, nothing would be trained at all. Upstream's
own script gets round that by training B, which is no longer VeRA. Here A and B are random and frozen, d
starts at 0.1 and b at zero, as in the paper (section 3.3). PaddleNLP saves only what moves and makes A and B
anew on loading; here they are saved as well.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import paddle
from paddlenlp.peft import VeRAConfig, VeRAModel

FIRST_D = 0.1
WEIGHTS = "vera_model_state.pdparams"
CONFIG = "vera_config.json"


def fresh(model: Any, *, rank: int, targets: list[str], dtype: str, base: str) -> VeRAModel:
    """Return `model` with random projections and vectors that change nothing yet; only the vectors move."""
    config = VeRAConfig(
        target_modules=targets, r=rank, vera_alpha=rank, dtype=dtype, base_model_name_or_path=base
    )
    adapted = VeRAModel(model, config)
    for layer in adapted.model.sublayers():
        if hasattr(layer, "vera_B"):
            bound = 1 / math.sqrt(rank)
            layer.vera_B.set_value(paddle.uniform(layer.vera_B.shape, min=-bound, max=bound).astype(dtype))
            layer.vera_d.set_value(paddle.full_like(layer.vera_d, FIRST_D))
            layer.vera_b.set_value(paddle.zeros_like(layer.vera_b))
    adapted.mark_only_vera_as_trainable(notfreezeB=False)
    return adapted


def from_folder(base: Any, folder: Path) -> VeRAModel:
    """Return `base` with the layers that an adapter's config asks for; its tensors are still to be read."""
    config = VeRAConfig.from_pretrained(str(folder))
    config.pissa_init = False  # it would change the base weights, and A and B are read from the file
    return VeRAModel(base, config)


def save_config(adapted: VeRAModel, folder: Path) -> None:
    """Write vera_config.json."""
    VeRAConfig(**adapted.vera_config.to_dict()).save_pretrained(str(folder))


def tensors(adapted: VeRAModel) -> dict[str, paddle.Tensor]:
    """Return every tensor that the adapter consists of, by name in the base model."""
    state = adapted.model.state_dict()
    return {name: value for name, value in state.items() if name.rsplit(".", 1)[-1].startswith("vera_")}
