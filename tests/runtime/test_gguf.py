"""GGUF files made on the spot become Hugging Face folders with the very weights and tokens that went in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize, quantize
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from planner.errors import BadInput
from runtime.acquire import gguf_to_hf as conversion
from runtime.acquire.gguf_to_hf import gguf_to_hf, llama3_factors
from runtime.acquire.local import check_complete
from runtime.acquire.report import silent
from runtime.workers.numpy_llama import forward, inverse_frequencies
from tests.tiny_model import CHAT_TEMPLATE, write_tiny_llama

MERGED = ("Ġt", "he", "12")
TOKENS = [5, 17, 42, 99, 3, 200, 255]
NAMES = {new: old for old, new in conversion.TOP_NAMES.items()}
PARTS = {new: old for old, new in conversion.BLOCK_NAMES.items()}


def interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder query or key rows as llama.cpp's converter does: the halves of a head become neighbours."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))


def gguf_name(name: str) -> str:
    if name in NAMES:
        return NAMES[name]
    _, _, layer, *part, kind = name.split(".")
    return f"blk.{layer}.{PARTS['.'.join(part)]}.{kind}"


def write_gguf(
    source: Path,
    path: Path,
    *,
    quantisation: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    pre: str = "smollm",
    tokenizer_model: str = "gpt2",
    architecture: str = "",
    factors: np.ndarray | None = None,
    change: Callable[[str, np.ndarray], np.ndarray] = lambda name, weight: weight,
) -> dict[str, np.ndarray]:
    """Write the tiny model in `source` as a GGUF file; return the weights that a reader must find."""
    config = json.loads((source / "config.json").read_text())
    architecture = architecture or config["model_type"]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    vocabulary = json.loads((source / "tokenizer.json").read_text())["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    for byte, merged in zip("õö÷", MERGED, strict=True):  # Bytes that never occur in UTF-8.
        tokens[tokens.index(byte)] = merged
    writer.add_tokenizer_model(tokenizer_model)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token.startswith("<|") else 1 for token in tokens])
    writer.add_token_merges(["Ġ t", "h e", "1 2"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_chat_template(CHAT_TEMPLATE)
    expected = {}
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for name, original in load_file(source / "model.safetensors").items():
        weight = change(name, original)
        if weight.ndim == 2 and quantisation != gguf.GGMLQuantizationType.F32:
            data = quantize(weight, quantisation)
            weight = dequantize(data, quantisation)
        expected[name] = weight
        part = name.split(".")[-2]
        stored = interleave(weight, heads[part]) if part in heads and architecture == "llama" else weight
        if weight.ndim == 2 and quantisation != gguf.GGMLQuantizationType.F32:
            writer.add_tensor(gguf_name(name), quantize(stored, quantisation), raw_dtype=quantisation)
        else:
            writer.add_tensor(gguf_name(name), stored)
    if factors is not None:
        writer.add_tensor("rope_freqs.weight", factors)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


def convert(source: Path, folder: Path, **options: Any) -> tuple[Path, dict[str, np.ndarray]]:
    folder.mkdir()
    expected = write_gguf(source, folder.with_suffix(".gguf"), **options)
    gguf_to_hf(folder.with_suffix(".gguf"), folder, silent)
    return folder, expected


def logits(folder: Path) -> np.ndarray:
    return forward(folder, json.loads((folder / "config.json").read_text()), TOKENS)


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_gguf_file_gives_the_original_model_back(family: str, tied: bool, tmp_path: Path) -> None:
    source = write_tiny_llama(tmp_path / "source", model_type=family, tied=tied)
    folder, expected = convert(source, tmp_path / "hf")
    check_complete(folder)
    found = load_file(folder / "model.safetensors")
    assert set(found) == set(expected)
    for name, weight in expected.items():
        np.testing.assert_array_equal(found[name], weight, err_msg=name)
    assert np.abs(logits(folder) - logits(source)).max() == 0
    original, written = (json.loads((path / "config.json").read_text()) for path in (source, folder))
    assert {key: written[key] for key in original} == original
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == 2


def test_leaving_the_rows_interleaved_fails_the_logits_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_tiny_llama(tmp_path / "source")
    monkeypatch.setattr(conversion, "PERMUTED", set())
    folder, _ = convert(source, tmp_path / "hf")
    assert np.abs(logits(folder) - logits(source)).max() > 1e-2


@pytest.mark.parametrize("name", ["Q8_0", "Q4_1", "F16", "BF16"])
def test_quantised_blocks_are_decoded_exactly(name: str, tmp_path: Path) -> None:
    source = write_tiny_llama(tmp_path / "source")
    folder, expected = convert(source, tmp_path / "hf", quantisation=gguf.GGMLQuantizationType[name])
    for tensor, weight in load_file(folder / "model.safetensors").items():
        np.testing.assert_array_equal(weight, expected[tensor], err_msg=tensor)


def test_large_models_are_written_in_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "SHARD_BYTES", 100_000)
    source = write_tiny_llama(tmp_path / "source")
    folder, expected = convert(source, tmp_path / "hf")
    check_complete(folder)
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 2 and not (folder / "model.safetensors").exists()
    assert {name for shard in shards for name in load_file(shard)} == set(expected)
    assert np.abs(logits(folder) - logits(source)).max() == 0


def test_the_tokenizer_splits_digits_merges_and_keeps_special_tokens(tmp_path: Path) -> None:
    folder, _ = convert(write_tiny_llama(tmp_path / "source"), tmp_path / "hf")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode("he thin 12").tokens == ["he", "Ġt", "h", "i", "n", "Ġ", "1", "2"]
    chat = "<|im_start|>user\nGrüße 🎉<|im_end|>\n<|im_start|>assistant\n"
    encoded = tokenizer.encode(chat)
    assert encoded.tokens[0] == "<|im_start|>" and "<|im_end|>" in encoded.tokens
    assert tokenizer.decode(encoded.ids, skip_special_tokens=False) == chat
    assert tokenizer.decode(encoded.ids) == "user\nGrüße 🎉\nassistant\n"
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    assert (settings["bos_token"], settings["eos_token"]) == ("<|im_start|>", "<|im_end|>")
    assert settings["chat_template"] == CHAT_TEMPLATE


def test_splitting_rules_differ_in_digits(tmp_path: Path) -> None:
    source = write_tiny_llama(tmp_path / "source")
    found = {}
    for pre in ("smollm", "gpt-2", "qwen2", "llama-bpe"):
        folder, _ = convert(source, tmp_path / pre, pre=pre)
        found[pre] = Tokenizer.from_file(str(folder / "tokenizer.json")).encode("12").tokens
    assert found == {"smollm": ["1", "2"], "qwen2": ["1", "2"], "gpt-2": ["12"], "llama-bpe": ["12"]}


def test_llama3_position_scaling_is_recognised_by_its_factors(tmp_path: Path) -> None:
    source = write_tiny_llama(tmp_path / "source")
    factors = llama3_factors(16, 10000.0, 8.0)
    folder, _ = convert(source, tmp_path / "hf", factors=factors)
    config = json.loads((folder / "config.json").read_text())
    assert config["rope_scaling"]["factor"] == 8.0
    plain = inverse_frequencies({"rope_theta": 10000.0}, 16)
    np.testing.assert_allclose(inverse_frequencies(config, 16), plain / factors, rtol=1e-6)
    with pytest.raises(BadInput, match="scales its rotary positions"):
        convert(source, tmp_path / "other", factors=factors * np.float32(1.5))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"architecture": "phi3"}, "holds a 'phi3' model"),
        ({"tokenizer_model": "t5"}, "cannot rebuild the GGUF file's 't5' tokenizer"),
        ({"pre": "deepseek-coder"}, "splitting rule 'deepseek-coder'"),
    ],
)
def test_what_is_not_known_is_refused_in_a_sentence(
    options: dict[str, str], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=expected):
        convert(write_tiny_llama(tmp_path / "source"), tmp_path / "hf", **options)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a gguf file at all, only text" * 10])
def test_a_broken_file_is_refused_in_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read as a GGUF file"):
        gguf_to_hf(path, tmp_path, silent)


def test_a_torn_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    write_gguf(write_tiny_llama(tmp_path / "source"), tmp_path / "whole.gguf")
    data = (tmp_path / "whole.gguf").read_bytes()
    for share in (0.2, 0.6, 0.95):
        torn = tmp_path / f"torn-{share}.gguf"
        torn.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(BadInput, match="cannot be read as a GGUF file"):
            gguf_to_hf(torn, tmp_path, silent)
