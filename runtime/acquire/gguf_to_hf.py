"""A GGUF file becomes a Hugging Face folder: config, float32 safetensors, tokenizer, chat template.

Quantised blocks are decoded by the `gguf` library. Two things differ from the Hugging Face layout and are
undone here: tensor names, and the order of the query and key rows of the llama architecture, which
llama.cpp's converter interleaves because its rotary embedding turns neighbouring pairs (Hugging Face turns
the two halves of a head).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.quants import dequantize
from numpy.typing import NDArray
from safetensors.numpy import save_file

from planner.errors import BadInput
from planner.language import say
from runtime.acquire.disk import require_room
from runtime.acquire.gguf_tokenizer import special_ids, write_tokenizer
from runtime.acquire.report import Progress

Array = NDArray[np.float32]

SHARD_BYTES = 2 * 1024**3
"""Weights are written in files of at most about this size, so that one file at a time is held in memory."""

ARCHITECTURES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "gemma": "GemmaForCausalLM"}
PERMUTED = {"llama"}
"""Architectures whose query and key rows are interleaved (`permute` in llama.cpp's convert_hf_to_gguf.py)."""

NORMS_FROM_ZERO = {"gemma"}
"""Architectures whose norms multiply by 1 + weight; llama.cpp's converter stores the sum."""

GEMMA_ACTIVATION = "gelu_pytorch_tanh"
"""Not stored in the file; the one of every published gemma (transformers, GemmaConfig)."""

BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TOP_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
DERIVED = {"rope_freqs.weight"}
"""Tensors that are no weights: they follow from the config."""


def unpermute(weight: Array, heads: int) -> Array:
    """Return the rows of a query or key projection in Hugging Face order.

    `weight` is [heads * head_dim, in] (or [heads * head_dim] for a bias). Row 2i + j of a head goes to row j
    * head_dim/2 + i.
    """
    half = weight.shape[0] // heads // 2
    pairs = weight.reshape(heads, half, 2, *weight.shape[1:])
    halves: Array = pairs.swapaxes(1, 2).reshape(weight.shape)
    return halves


def hf_name(name: str) -> str:
    """Return the Hugging Face name of a GGUF tensor; BadInput if this architecture's layout is not known."""
    if name in TOP_NAMES:
        return TOP_NAMES[name]
    match = re.fullmatch(r"blk\.(\d+)\.(\w+)\.(weight|bias)", name)
    if match is None or match[2] not in BLOCK_NAMES:
        raise BadInput(
            say(
                "The GGUF file has a tensor {name} that a plain model does not have.",
                name=repr(name),
            )
        )
    return f"model.layers.{match[1]}.{BLOCK_NAMES[match[2]]}.{match[3]}"


def read_gguf(path: Path) -> tuple[dict[str, Any], list[gguf.ReaderTensor]]:
    """Return the fields (key -> value) and the tensors (still quantised, memory-mapped) of a GGUF file."""
    try:
        reader = gguf.GGUFReader(path)
        fields = {key: field.contents() for key, field in reader.fields.items()}
    except FileNotFoundError:
        raise BadInput(say("There is no GGUF file at {path}.", path=path)) from None
    except (
        Exception
    ) as error:  # The library raises ValueError, IndexError, UnicodeDecodeError... on a broken file.
        raise BadInput(
            say("{path} cannot be read as a GGUF file.", path=path),
            why=f"{error}.",
            remedy=say("Fetch it again."),
        ) from error
    return fields, list(reader.tensors)


def hf_config(fields: Mapping[str, Any], tensors: list[gguf.ReaderTensor]) -> dict[str, Any]:
    """Return the config.json of the model that a GGUF file describes."""
    architecture = fields.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise BadInput(
            say("The GGUF file holds a {kind} model.", kind=repr(architecture)),
            why=say("Steersman decodes GGUF files of {kinds}.", kinds=", ".join(ARCHITECTURES)),
            remedy=say("Use the model's Hugging Face folder instead."),
        )

    def field(name: str, default: Any = None) -> Any:
        value = fields.get(f"{architecture}.{name}", default)
        if value is None:
            raise BadInput(
                say("The GGUF file lacks the field {field}.", field=f"{architecture}.{name}"),
                remedy=say("Fetch it again."),
            )
        # Stored as float32: 1e-5 would read 9.999999747378752e-06.
        return float(str(np.float32(value))) if isinstance(value, float) else value

    shapes = {tensor.name: [int(size) for size in reversed(tensor.shape)] for tensor in tensors}
    heads, hidden = field("attention.head_count"), field("embedding_length")
    config = {
        "architectures": [ARCHITECTURES[architecture]],
        "model_type": architecture,
        "hidden_size": hidden,
        "intermediate_size": field("feed_forward_length"),
        "num_hidden_layers": field("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": field("attention.head_count_kv", heads),
        "head_dim": field("attention.key_length", hidden // heads),
        "vocab_size": shapes["token_embd.weight"][0],
        "max_position_embeddings": field("context_length"),
        "rms_norm_eps": field("attention.layer_norm_rms_epsilon"),
        "rope_theta": field("rope.freq_base", 10000.0),
        "hidden_act": "silu",
        "attention_bias": "blk.0.attn_q.bias" in shapes,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "tie_word_embeddings": "output.weight" not in shapes,
        "use_cache": True,
        "torch_dtype": "float32",
        **{name: value for name, value in special_ids(fields).items() if name != "unk_token_id"},
    }
    if architecture == "gemma":
        config["hidden_act"] = config["hidden_activation"] = GEMMA_ACTIVATION
    if architecture == "qwen2":
        del config["attention_bias"]  # Always there in this architecture, and no field of its config.
    if scaling := _rope_scaling(config, fields, tensors):
        config["rope_scaling"] = scaling
    return config


def llama3_factors(head_dim: int, theta: float, factor: float) -> Array:
    """Return by how much llama 3.1 divides each rotary frequency (original context 8192, bounds 1 and 4)."""
    wavelength = 2 * np.pi * theta ** (np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    smooth = np.clip((8192 / wavelength - 1.0) / (4.0 - 1.0), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


def _rope_scaling(
    config: Mapping[str, Any], fields: Mapping[str, Any], tensors: list[gguf.ReaderTensor]
) -> dict[str, Any] | None:
    """Recognise llama 3's scaling by the factors that the file stores; refuse what cannot be recognised."""
    stored = next(
        (np.asarray(tensor.data).ravel() for tensor in tensors if tensor.name == "rope_freqs.weight"), None
    )
    declared = fields.get(f"{config['model_type']}.rope.scaling.type", "none")
    if stored is None and declared == "none":
        return None
    for factor in (8.0, 32.0):
        expected = llama3_factors(config["head_dim"], config["rope_theta"], factor)
        if stored is not None and stored.shape == expected.shape and np.allclose(stored, expected, rtol=1e-4):
            return {
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
            }
    raise BadInput(
        say("The GGUF file scales its rotary positions in a way that Steersman does not know."),
        remedy=say("Use the model's Hugging Face folder instead."),
    )


def decoded_numbers(tensor: gguf.ReaderTensor) -> Array:
    """Return a tensor's numbers as float32; BadInput for a quantisation that the library cannot decode."""
    try:
        return dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
    except NotImplementedError:
        raise BadInput(
            say(
                "The GGUF file stores {name} as {kind}, which cannot be decoded.",
                name=repr(tensor.name),
                kind=tensor.tensor_type.name,
            ),
            remedy=say("Take another quantisation of the model, such as Q8_0, or its Hugging Face folder."),
        ) from None


def decoded(tensors: list[gguf.ReaderTensor], config: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
    """Yield Hugging Face name and float32 weight ([out, in]) of every tensor, one at a time."""
    permuted, from_zero = config["model_type"] in PERMUTED, config["model_type"] in NORMS_FROM_ZERO
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    for tensor in tensors:
        if tensor.name in DERIVED:
            continue
        shape = tuple(int(size) for size in reversed(tensor.shape))
        weight = decoded_numbers(tensor).reshape(shape)
        if from_zero and tensor.name.endswith("norm.weight"):
            weight = weight - 1
        part = tensor.name.split(".")[2] if tensor.name.startswith("blk.") else ""
        if permuted and part in heads:
            weight = unpermute(weight, heads[part])
        yield hf_name(tensor.name), np.ascontiguousarray(weight)


def write_weights(
    weights: Iterator[tuple[str, Array]], total_bytes: int, folder: Path, progress: Progress
) -> None:
    """Write the weights as one model.safetensors, or as shards with an index above `SHARD_BYTES`."""
    shards: list[list[str]] = []
    held: dict[str, Array] = {}
    done = size = 0

    def flush() -> None:
        # Float32 keeps every decoded value exactly; 16 bits would round them a second time.
        save_file(held, str(folder / f"shard-{len(shards)}"), metadata={"format": "pt"})
        shards.append(list(held))
        held.clear()

    for name, weight in weights:
        if held and size + weight.nbytes > SHARD_BYTES:
            flush()
            size = 0
        held[name] = weight
        size += weight.nbytes
        done += weight.nbytes
        progress(done, total_bytes, "bytes", say("decoding weights"))
    flush()
    if len(shards) == 1:
        (folder / "shard-0").rename(folder / "model.safetensors")
        return
    weight_map = {}
    for number, names in enumerate(shards):
        file = f"model-{number + 1:05d}-of-{len(shards):05d}.safetensors"
        (folder / f"shard-{number}").rename(folder / file)
        weight_map.update(dict.fromkeys(names, file))
    _write_json(
        folder / "model.safetensors.index.json", {"metadata": {"total_size": done}, "weight_map": weight_map}
    )


def gguf_to_hf(path: Path, folder: Path, progress: Progress) -> None:
    """Write the Hugging Face folder of the GGUF file at `path` into the existing, empty `folder`.

    Raises BadInput if the file is broken, if its weights do not fit on the disk, or if it holds an
    architecture, tokenizer or position scaling that is not known.
    """
    progress(0, 1, "files", say("reading the GGUF file"))
    fields, tensors = read_gguf(path)
    config = hf_config(fields, tensors)
    _write_json(folder / "config.json", config)
    ids = {name: config[name] for name in config if name.endswith("_token_id")}
    _write_json(folder / "generation_config.json", ids)
    write_tokenizer(fields, folder, config["max_position_embeddings"])
    total_bytes = sum(4 * int(tensor.n_elements) for tensor in tensors if tensor.name not in DERIVED)
    require_room(folder, total_bytes, say("The decoded model"))
    write_weights(decoded(tensors, config), total_bytes, folder, progress)


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
