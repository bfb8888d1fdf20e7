"""PiSSA adapters that can be resumed, loaded and merged.

PiSSA takes the strongest directions out of every weight and trains them: W = rest + A0·B0 (arXiv:2404.02948).
PaddleNLP makes rest, A0 and B0 at the first forward pass, after a checkpoint or an adapter was loaded, so
that what was trained is overwritten. Here they are made while the model is built. And what training hands
over is a plain LoRA adapter of twice the rank, which says the same about the untouched base model:
W + A·B - A0·B0 = W + [A|A0]·[B;-B0]. Any program that loads LoRA loads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paddle
from paddlenlp.peft import LoRAConfig

WEIGHTS = "lora_model_state.pdparams"


def layers(adapted: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and layer of every adapted linear layer of a `LoRAModel`."""
    for name, layer in adapted.model.named_sublayers():
        if hasattr(layer, "pissa_init"):
            yield name, layer


def begin(adapted: Any) -> None:
    """Split every adapted weight now, and keep the directions that were taken out of it."""
    for _, layer in layers(adapted):
        layer.pissa_init(layer.r)
        layer.apply_pissa = True
        layer.begun_with = (layer.lora_A.clone().detach(), layer.lora_B.clone().detach())


def as_plain_lora(adapted: Any) -> dict[str, paddle.Tensor]:
    """Return the tensors of the plain adapter: A is [in, 2·rank], B is [2·rank, out]."""
    tensors = {}
    for name, layer in layers(adapted):
        first, second = layer.begun_with
        tensors[f"{name}.lora_A"] = paddle.concat([layer.lora_A, first], axis=1)
        tensors[f"{name}.lora_B"] = paddle.concat([layer.lora_B, -second], axis=0)
    return tensors


def write_plain_lora(adapted: Any, folder: Path) -> None:
    """Replace the adapter that PaddleNLP wrote into `folder` by the plain one of twice the rank."""
    for path in folder.glob("peft_model*"):
        path.unlink()
    config = LoRAConfig(**adapted.lora_config.to_dict())
    config.r *= 2
    config.lora_alpha = config.r  # scaled by 1, as PiSSA is
    config.pissa = config.rslora = False
    config.save_pretrained(str(folder))
    paddle.save(as_plain_lora(adapted), str(folder / WEIGHTS))
