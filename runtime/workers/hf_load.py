"""Load a Hugging Face folder into PaddleNLP without writing into it.

PaddleNLP's `convert_from_torch` saves a second full copy of the weights, `model_state.pdparams`, into
the folder it reads. So it is pointed at a temporary folder of links, in which that name is already
taken by an empty file (which stops the copy from being written at all), and in which the two JSON
files are respelled the way PaddleNLP wants them.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.workers.chat_template_file import JSON, TemplateFileError, template_text
from runtime.workers.speech import say
from runtime.workers.toolkit import is_paddleformers

REWRITTEN = ("config.json", "tokenizer_config.json")
"""The small files of which PaddleNLP sees an edited copy; everything else is a link."""

HIDDEN = (*REWRITTEN, JSON)
"""Beside them, the chat template's own file: what it says stands in the tokenizer's config."""


class UnloadableModelError(ValueError):
    """A Hugging Face folder that PaddleNLP cannot load; the message is a sentence for the person."""


def config_for_paddlenlp(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config.json in PaddleNLP 3.0's spelling: it ignores newer keys instead of refusing them."""
    config = dict(config)
    rope = config.pop("rope_parameters", None) or {}
    if "rope_theta" in rope:
        config.setdefault("rope_theta", rope["rope_theta"])
    if rope.get("rope_type", "default") != "default":
        config.setdefault("rope_scaling", {key: value for key, value in rope.items() if key != "rope_theta"})
    if "dtype" in config:
        config.setdefault("torch_dtype", config.pop("dtype"))
    return config


def tokenizer_config_for_paddlenlp(folder: Path) -> dict[str, Any]:
    """Return the folder's tokenizer_config with PaddleNLP's class name and the chat template inside.

    The class is always the generic fast one: it runs tokenizer.json as it is, while the model-specific
    slow classes drop the newline between chat turns (measured on Qwen2).
    """
    path = folder / "tokenizer_config.json"
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if (folder / "tokenizer.json").exists():
        values["tokenizer_class"] = "PretrainedTokenizerFast"
    try:
        template = template_text(folder)
    except TemplateFileError as error:
        raise UnloadableModelError(str(error)) from error
    if template is not None:
        values["chat_template"] = template
    return values


@contextlib.contextmanager
def linked_view(folder: str | Path) -> Iterator[Path]:
    """Yield a temporary folder that looks like `folder` to PaddleNLP; writes into it never reach `folder`."""
    source = Path(folder).resolve()
    if not (source / "config.json").exists():
        raise UnloadableModelError(
            say("{source} is no Hugging Face model folder: it has no config.json.", source=source)
        )
    with tempfile.TemporaryDirectory(prefix="steersman-view-") as name:
        view = Path(name)
        for entry in source.iterdir():
            if entry.is_file() and entry.name not in HIDDEN and not entry.name.endswith(".pdparams"):
                (view / entry.name).symlink_to(entry.resolve())
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        (view / "config.json").write_text(json.dumps(config_for_paddlenlp(config)), encoding="utf-8")
        (view / "tokenizer_config.json").write_text(
            json.dumps(tokenizer_config_for_paddlenlp(source)), encoding="utf-8"
        )
        (view / "model_state.pdparams").touch()
        yield view


def tensor_names(folder: str | Path) -> set[str]:
    """Return the names of all tensors in the folder's safetensors files; nothing but the headers is read."""
    from safetensors import safe_open

    names: set[str] = set()
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(str(path), framework="np") as file:
            names.update(file.keys())
    return names


def tied_names(model: Any) -> set[str]:
    """Return the names of weights that are another one's; gemma shares its head without naming it."""
    if not model.config.tie_word_embeddings:
        return set()
    shared = getattr(getattr(model, "lm_head", None), "weight", None) is model.get_input_embeddings().weight
    return set(model._tied_weights_keys or ()) | ({"lm_head.weight"} if shared else set())


def check_every_weight_is_given(model: Any, given: set[str]) -> None:
    """Raise `UnloadableModelError` unless each parameter of `model` comes from a tensor of the folder.

    PaddleNLP initialises a parameter without a source at random and only warns.
    """
    sources = {mapping.target_name: mapping.source_name for mapping in model._get_name_mappings(model.config)}
    tied = tied_names(model)
    missing = [
        name
        for name in model.state_dict()
        if name not in tied and sources.get(name, "not known to PaddleNLP") not in given
    ]
    if missing:
        raise UnloadableModelError(
            say(
                "{count} weights have no tensor in the folder, the first is {first}.",
                count=len(missing),
                first=missing[0],
            )
        )


def load_hf_model(folder: str | Path, dtype: str = "float32") -> Any:
    """Return a Hugging Face folder's causal language model in PaddleNLP, in eval mode, cast to `dtype`.

    The folder is only read. Raises `UnloadableModelError` when it lacks safetensors or any weight.
    """
    if is_paddleformers():
        from runtime.workers.paddleformers.loading import load_model

        return load_model(folder, dtype)
    from paddlenlp.transformers import AutoModelForCausalLM
    from paddlenlp.transformers.model_utils import no_init_weights

    names = tensor_names(folder)
    if not names:
        raise UnloadableModelError(say("{folder} holds no safetensors weights.", folder=folder))
    with linked_view(folder) as view, no_init_weights(_enable=True):  # the check below sees to it instead
        model = AutoModelForCausalLM.from_pretrained(str(view), convert_from_torch=True, dtype=dtype)
    check_every_weight_is_given(model, names)
    model.eval()
    return model


def load_hf_tokenizer(folder: str | Path) -> Any:
    """Return a Hugging Face folder's tokenizer in PaddleNLP, chat template included; only reads."""
    from paddlenlp.transformers import AutoTokenizer

    with linked_view(folder) as view:
        return AutoTokenizer.from_pretrained(str(view))
