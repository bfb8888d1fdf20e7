"""A tiny but complete Hugging Face ERNIE-4.5: seeded weights, a byte-level tokenizer, a chat template.

Heads are wider than hidden size / heads, as those of ERNIE-4.5-0.3B are (16 heads of 128 beside a hidden size
of 1024), and two query heads share a key, so that no wrong cut of a fused layer has the right shape by chance
alone.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.tiny_model import write_tokenizer

SIZES = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 6}
KEY_HEADS, HEAD_WIDTH = 2, 16


def write_tiny_ernie(folder: Path, *, tied: bool = True, biases: bool = False, seed: int = 0) -> Path:
    """Write a Hugging Face folder (config, safetensors in [out, in] order, tokenizer) and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab = write_tokenizer(folder)
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (random.standard_normal((rows, columns)) * 0.08).astype(np.float32)

    hidden, inner, heads = SIZES["hidden_size"], SIZES["intermediate_size"], SIZES["num_attention_heads"]
    shapes = {
        "self_attn.q_proj": (heads * HEAD_WIDTH, hidden),
        "self_attn.k_proj": (KEY_HEADS * HEAD_WIDTH, hidden),
        "self_attn.v_proj": (KEY_HEADS * HEAD_WIDTH, hidden),
        "self_attn.o_proj": (hidden, heads * HEAD_WIDTH),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    tensors = {"model.embed_tokens.weight": matrix(vocab, hidden)}
    for layer in range(SIZES["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}.{norm}.weight"] = 1 + matrix(1, hidden)[0]
        for name, (rows, columns) in shapes.items():
            tensors[f"{prefix}.{name}.weight"] = matrix(rows, columns)
            if biases:
                tensors[f"{prefix}.{name}.bias"] = matrix(1, rows)[0]
    tensors["model.norm.weight"] = 1 + matrix(1, hidden)[0]
    if not tied:
        tensors["lm_head.weight"] = matrix(vocab, hidden)
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    config = {
        "architectures": ["Ernie4_5ForCausalLM"],
        "model_type": "ernie4_5",
        **SIZES,
        "num_key_value_heads": KEY_HEADS,
        "head_dim": HEAD_WIDTH,
        "vocab_size": vocab,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_scaling": None,
        "rope_theta": 500000.0,
        "hidden_act": "silu",
        "use_bias": biases,
        "tie_word_embeddings": tied,
        "use_cache": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    generation = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2), encoding="utf-8")
    return folder
