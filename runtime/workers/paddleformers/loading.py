"""Load a Hugging Face folder into PaddleFormers without writing into it, and refuse a half-loaded model.

PaddleFormers reads Hugging Face's own format, but leaves a file of metadata in the folder that it reads. So
it is pointed at a temporary folder of links. On a processor its config says that the norm layers shall not be
fused: that kernel exists on accelerators only, and no argument turns it off.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.workers.fused_layers import parts_of, widths_of
from runtime.workers.hf_load import UnloadableModelError, tensor_names
from runtime.workers.paddleformers.processor import make_ready, on_processor
from runtime.workers.speech import say

UNFUSED = {"fuse_rms_norm": False}
"""What config.json must say where Paddle has no kernel for fused norm layers (nn/norm.py of 1.2.0)."""

DERIVED = "rotary_emb.inv_freq"
"""End of the names of tensors that old models store although they follow from the config."""

READ = ("config.json", "generation_config.json", "model.safetensors.index.json")


def adapted_config(folder: Path) -> dict[str, Any]:
    """Return the folder's config.json as it must be here."""
    values: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {**values, **(UNFUSED if on_processor() else {})}


@contextlib.contextmanager
def linked_view(folder: str | Path) -> Iterator[Path]:
    """Yield a temporary folder that looks like `folder`; what is written into it never reaches `folder`."""
    source = Path(folder).resolve()
    if not (source / "config.json").exists():
        raise UnloadableModelError(
            say("{source} is no Hugging Face model folder: it has no config.json.", source=source)
        )
    with tempfile.TemporaryDirectory(prefix="steersman-view-") as name:
        view = Path(name)
        for entry in source.iterdir():
            if entry.name in READ or entry.suffix == ".safetensors":
                (view / entry.name).symlink_to(entry.resolve())
        (view / "config.json").unlink()
        (view / "config.json").write_text(json.dumps(adapted_config(source)), encoding="utf-8")
        yield view


def standard_names(model: Any) -> Iterator[str]:
    """Yield what a Hugging Face folder calls the model's parameters."""
    widths = widths_of(model.config.to_dict())
    for name in dict(model.named_parameters()):
        layer, _, parameter = name.rpartition(".")
        parts = parts_of(layer, widths)
        yield from [f"{part.name}.{parameter}" for part in parts] if parts else [name]


def check_every_weight_is_given(model: Any, given: set[str]) -> None:
    """Raise `UnloadableModelError` unless parameters and the folder's tensors `given` are one to one."""
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    wanted = set(standard_names(model))
    if missing := sorted(wanted - given - tied):
        raise UnloadableModelError(
            say(
                "{count} weights have no tensor in the folder, the first is {first}.",
                count=len(missing),
                first=missing[0],
            )
        )
    if spare := sorted(name for name in given - wanted - tied if DERIVED not in name):
        raise UnloadableModelError(
            say(
                "PaddleFormers' model has no place for {count} tensors of the folder, the first is {first}.",
                count=len(spare),
                first=spare[0],
            )
        )


def load_config(view: Path, dtype: str, attention: str = "") -> Any:
    """Return the model's config; `attention` is `eager`, `sdpa` or `flashmask`, by default what runs here."""
    from paddleformers.transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(view), dtype=dtype)
    config._attn_implementation = attention or ("eager" if on_processor() else "sdpa")
    return config


def load_with(config: Any, view: Path, source: Path) -> Any:
    """Return the causal language model of `view`, built as `config` says."""
    from paddleformers.transformers import AutoModelForCausalLM

    make_ready()
    names = tensor_names(source)
    if not names:
        raise UnloadableModelError(say("{folder} holds no safetensors weights.", folder=source))
    model = AutoModelForCausalLM.from_pretrained(
        str(view), config=config, convert_from_hf=True, load_checkpoint_format="flex_checkpoint"
    )
    check_every_weight_is_given(model, names)
    return model


def load_model(folder: str | Path, dtype: str = "float32") -> Any:
    """Return a Hugging Face folder's causal language model in eval mode, its weights as `dtype`.

    The folder is only read. Raises `UnloadableModelError` when it lacks safetensors or any weight.
    """
    with linked_view(folder) as view:
        model = load_with(load_config(view, dtype), view, Path(folder))
    model.eval()
    return model
