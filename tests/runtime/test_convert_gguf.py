"""GGUF: every quantisation that the library decodes, gemma, and SentencePiece tokenizers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf.quants import _type_traits, dequantize
from safetensors.numpy import load_file

from planner.errors import BadInput
from runtime.acquire.gguf_sentencepiece import build_sentencepiece
from runtime.acquire.gguf_to_hf import decoded_numbers, gguf_to_hf
from runtime.acquire.local import check_complete
from runtime.acquire.report import silent
from runtime.workers.numpy_llama import forward
from tests.runtime.test_gguf import TOKENS, write_gguf
from tests.runtime.tiny_gemma import write_tiny_gemma

DECODED = sorted(_type_traits, key=lambda kind: kind.value)


def test_gemma_comes_back_with_norms_from_zero_and_no_row_moved(tmp_path: Path) -> None:
    """llama.cpp stores 1 + weight; left so, every norm would count twice."""
    source = write_tiny_gemma(tmp_path / "source")
    expected = load_file(source / "model.safetensors")
    plus_one = {name: v + 1 if name.endswith("norm.weight") else v for name, v in expected.items()}
    folder = tmp_path / "hf"
    folder.mkdir()
    stored = write_gguf(source, tmp_path / "gemma.gguf", change=lambda name, value: plus_one[name])
    assert stored.keys() == expected.keys()
    gguf_to_hf(tmp_path / "gemma.gguf", folder, silent)
    check_complete(folder)
    found = load_file(folder / "model.safetensors")
    for name, weight in expected.items():
        np.testing.assert_allclose(found[name], weight, atol=1e-6, err_msg=name)
    config = json.loads((folder / "config.json").read_text())
    assert (config["model_type"], config["hidden_activation"]) == ("gemma", "gelu_pytorch_tanh")
    original = json.loads((source / "config.json").read_text())
    difference = np.abs(forward(folder, config, TOKENS) - forward(source, original, TOKENS)).max()
    assert difference < 1e-4
    naive = {**config, "model_type": "llama", "hidden_act": "silu"}
    assert np.abs(forward(folder, naive, TOKENS) - forward(source, original, TOKENS)).max() > 0.1


@pytest.mark.parametrize("kind", DECODED, ids=[kind.name for kind in DECODED])
def test_every_quantisation_is_decoded_as_the_library_decodes_it(kind: Any, tmp_path: Path) -> None:
    """Any bytes are some numbers; written to a file and read from it, they are the same numbers."""
    width, size = gguf.GGML_QUANT_SIZES[kind]
    raw = np.random.default_rng(kind.value).integers(0, 60, (4, 256 // width * size), dtype=np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "one.gguf", "llama")
    writer.add_tensor("blk.0.ffn_up.weight", raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tensor = gguf.GGUFReader(tmp_path / "one.gguf").tensors[0]
    found = decoded_numbers(tensor)
    expected = dequantize(raw, kind).astype(np.float32)
    assert found.size == 4 * 256
    np.testing.assert_array_equal(found.ravel(), expected.ravel())


def test_what_cannot_be_decoded_is_refused_by_name(tmp_path: Path) -> None:
    kind = gguf.GGMLQuantizationType.Q8_K
    width, size = gguf.GGML_QUANT_SIZES[kind]
    writer = gguf.GGUFWriter(tmp_path / "one.gguf", "llama")
    writer.add_tensor("blk.0.ffn_up.weight", np.zeros((2, size), np.uint8), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert width == 256
    with pytest.raises(BadInput, match="as Q8_K, which cannot be decoded"):
        decoded_numbers(gguf.GGUFReader(tmp_path / "one.gguf").tensors[0])


SENTENCEPIECE = """
import json, random, sys
import sentencepiece as spm
random.seed(0)
words = ["river", "rise", "mountain", "cross", "three", "country", "reach", "sea", "the", "a", "12", "x"]
text = [" ".join(random.choices(words, k=12)) for _ in range(400)]
open(sys.argv[1] + "/t.txt", "w").write("\\n".join(text))
spm.SentencePieceTrainer.train(input=sys.argv[1] + "/t.txt", model_prefix=sys.argv[1] + "/m", vocab_size=350,
    hard_vocab_limit=False,
    model_type="bpe", byte_fallback=True, normalization_rule_name="identity", minloglevel=2,
    remove_extra_whitespaces=False, add_dummy_prefix=sys.argv[2] == "1", user_defined_symbols=["<turn>"])
sp = spm.SentencePieceProcessor(model_file=sys.argv[1] + "/m.model")
def kind(i):
    return (2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i)
            else 4 if sp.id_to_piece(i) == "<turn>" else 1)
n = range(sp.get_piece_size())
texts = json.loads(sys.argv[3])
print(json.dumps({"tokens": [sp.id_to_piece(i) for i in n], "scores": [sp.get_score(i) for i in n],
                  "types": [kind(i) for i in n], "ids": [sp.encode(t) for t in texts]}))
"""

TEXTS = [
    "the river rises in three countries",
    "a  sea of  mountains",
    "caf\u00e9 \u6c34 12 rivers\nreach the sea",
    "x",
    "cross the country <",
]


@pytest.mark.engine
@pytest.mark.parametrize("prefix", [True, False])
def test_a_sentencepiece_tokenizer_gives_the_ids_of_the_library(
    prefix: bool, engine_python: Path, tmp_path: Path
) -> None:
    """Gemma adds no space before a text, llama does; characters without a piece are spelled in bytes."""
    command = [str(engine_python), "-c", SENTENCEPIECE, str(tmp_path), str(int(prefix)), json.dumps(TEXTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    fields = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": said["tokens"],
        "tokenizer.ggml.scores": said["scores"],
        "tokenizer.ggml.token_type": said["types"],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.add_space_prefix": prefix,
    }
    tokenizer = build_sentencepiece(fields)
    for text, ids in zip(TEXTS, said["ids"], strict=True):
        assert tokenizer.encode(text, add_special_tokens=False).ids == ids, text
        assert tokenizer.decode(ids) == text
        assert tokenizer.encode(text).ids == [1, *ids]
