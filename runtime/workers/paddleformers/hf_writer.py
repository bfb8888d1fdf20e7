"""Write a live PaddleFormers model as a Hugging Face folder.

The toolkit's own writer, version 1.2.0 on a processor, puts linear weights into the files under the turned
shape without turning the numbers in memory: the contents are scrambled, and it ends with exit code 0. Here
each weight is turned by the kind of layer that owns it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from paddle import nn

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


def weights(causal: Any) -> Iterator[Weight]:
    """Yield the weights of a causal language model under their Hugging Face names, which are its own."""
    tied = {"lm_head.weight"} if causal.config.tie_word_embeddings else set()
    for layer_name, layer in causal.named_sublayers(include_self=True):
        for parameter, tensor in layer.named_parameters(include_sublayers=False):
            name = f"{layer_name}.{parameter}".lstrip(".")
            if name in tied or parameter.startswith("lora_"):
                continue
            yield Weight(name, layer, parameter, is_transposed(layer, parameter, len(tensor.shape), name))


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
