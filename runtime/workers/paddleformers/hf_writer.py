"""Write a live PaddleFormers model as a Hugging Face folder.

The toolkit's own writer, version 1.2.0 on a processor, puts linear weights into the files under the turned
shape without turning the numbers in memory: the contents are scrambled, and it ends with exit code 0. Here
each weight is turned by the kind of layer that owns it, and a fused layer is cut into those that Hugging Face
knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import paddle
from paddle import nn

from runtime.workers.adapter import merged_weight
from runtime.workers.fused_layers import Part, parts_of, widths_of
from runtime.workers.hf_folder import (
    SHARD_BYTES,
    Weight,
    check_against_original,
    copy_companions,
    original_tensors,
    plan_shards,
    write_weights,
)
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say


class Place(NamedTuple):
    """A weight of the live model: which layer has it, and what it is called in Hugging Face's folder."""

    name: str
    layer: Any
    parameter: str
    transposed: bool
    parts: tuple[Part, ...]
    """The layers that it is there; empty where it is one, of the same name."""

    def shares(self) -> list[tuple[str, Any]]:
        """Return each name in Hugging Face's folder and which outputs, the last axis, go there."""
        if not self.parts:
            return [(self.name, slice(None))]
        return [(f"{part.name}.{self.parameter}", part.outputs) for part in self.parts]


class Cut:
    """Some outputs of a fused layer, read like a layer of their own."""

    def __init__(self, layer: Any, outputs: Any) -> None:
        self.layer, self.outputs = layer, paddle.to_tensor(outputs)

    @property
    def weight(self) -> paddle.Tensor:
        """The weight [in, outputs], with any adapter merged in."""
        return paddle.index_select(merged_weight(self.layer), self.outputs, axis=1)


def places(causal: Any) -> Iterator[Place]:
    """Yield where the weights of a causal language model are, without those of adapters."""
    tied = {"lm_head.weight"} if causal.config.tie_word_embeddings else set()
    widths = widths_of(causal.config.to_dict())
    for layer_name, layer in causal.named_sublayers(include_self=True):
        parts = parts_of(layer_name, widths)
        for parameter, tensor in layer.named_parameters(include_sublayers=False):
            name = f"{layer_name}.{parameter}".lstrip(".")
            if name in tied or parameter.startswith("lora_"):
                continue
            turned = is_transposed(layer, parameter, len(tensor.shape), name)
            yield Place(name, layer, parameter, turned, parts)


def weights(causal: Any) -> Iterator[Weight]:
    """Yield the weights of a causal language model as Hugging Face has them: its own names, but for cuts."""
    for place in places(causal):
        for name, outputs in place.shares():
            layer = Cut(place.layer, outputs) if place.parts else place.layer
            yield Weight(name, layer, place.parameter, place.transposed)


def is_transposed(layer: Any, parameter: str, dimensions: int, name: str) -> bool:
    """Return whether the layer keeps this weight as [in, out] while Hugging Face keeps [out, in]."""
    if dimensions < 2 or parameter != "weight":
        return False
    if isinstance(layer, nn.Linear) or type(layer).__name__ == "LoRALinear":
        return True
    if isinstance(layer, nn.Embedding) or type(layer).__name__ in ("LMHead", "Embedding"):
        return False  # nn/lm_head.py keeps [vocabulary, hidden]
    raise RefusedError(
        say(
            "The weight {name} belongs to a {kind}, whose orientation is not known.",
            name=name,
            kind=type(layer).__name__,
        )
    )


def write(
    causal: Any,
    original: str | Path,
    folder: Path,
    *,
    precision: str = "",
    each_tensor: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write `causal` into the new, empty `folder`, with the companions of the folder `original`.

    Each tensor gets the precision that it has in `original`, or `precision` (F32, BF16...) for all of them.
    """
    given = original_tensors(original)
    found = list(weights(causal))
    check_against_original(found, given, bool(causal.config.tie_word_embeddings))
    if precision:
        given = {name: tensor._replace(dtype=precision) for name, tensor in given.items()}
    folder.mkdir(parents=True, exist_ok=True)
    copy_companions(Path(original), folder)
    write_weights(plan_shards(found, given, SHARD_BYTES), given, folder, each_tensor)
