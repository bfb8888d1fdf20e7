"""A config.json of any family becomes facts: other keys, experts, latent attention, nested text models."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.architectures import architecture, architectures
from planner.errors import BadInput
from planner.facts import ExpertFacts, LatentAttentionFacts, ModelFacts, ModelSource
from planner.model_catalogue import config_of, rows
from planner.model_facts import findings, from_config

HERE = ModelSource(kind="local", id="/mine")
LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
}


def read(config: dict[str, Any]) -> ModelFacts:
    return from_config(config, "mine", HERE)


PUBLISHED: list[tuple[str, int, dict[str, Any]]] = [
    (
        "facebook/opt-350m: embeddings narrower than the blocks, no last norm",
        331_196_416,
        {"model_type": "opt", "hidden_size": 1024, "ffn_dim": 4096, "num_hidden_layers": 24,
         "num_attention_heads": 16, "vocab_size": 50272, "max_position_embeddings": 2048,
         "word_embed_proj_dim": 512, "do_layer_norm_before": False},
    ),
    (
        "tiiuae/falcon-rw-1b: ALiBi, biases, all heads have keys",
        1_311_625_216,
        {"model_type": "falcon", "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32,
         "vocab_size": 50304, "bias": True, "multi_query": False, "parallel_attn": False, "alibi": True},
    ),
    (
        "gpt2-medium",
        354_823_168,
        {"model_type": "gpt2", "n_embd": 1024, "n_layer": 24, "n_head": 16, "vocab_size": 50257,
         "n_positions": 1024},
    ),
    (
        "EleutherAI/pythia-160m",
        162_322_944,
        {"model_type": "gpt_neox", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
         "num_attention_heads": 12, "vocab_size": 50304, "max_position_embeddings": 2048},
    ),
    (
        "google/gemma-3-4b-it without its picture encoder: text_config leaves out what its class defaults to",
        3_880_263_168,
        {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", "hidden_size": 2560,
         "intermediate_size": 10240, "num_hidden_layers": 34}, "vision_config": {"hidden_size": 1152}},
    ),
    (
        "bigcode/starcoderbase",
        15_517_456_384,
        {"model_type": "gpt_bigcode", "n_embd": 6144, "n_inner": 24576, "n_layer": 40, "n_head": 48,
         "vocab_size": 49152, "n_positions": 8192, "multi_query": True},
    ),
    (
        "internlm/internlm2-1_8b",
        1_889_110_016,
        {"model_type": "internlm2", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24,
         "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 92544, "bias": False},
    ),
    (
        "openai/gpt-oss-20b: biased experts and router, attention sinks",
        20_914_757_184,
        {"model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24,
         "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 201088,
         "num_local_experts": 32, "num_experts_per_tok": 4},
    ),
    (
        "Qwen/Qwen-1_8B: half of the written MLP width",
        1_836_828_672,
        {"model_type": "qwen", "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 24,
         "num_attention_heads": 16, "vocab_size": 151936, "seq_length": 8192, "kv_channels": 128},
    ),
]  # fmt: skip
"""Weights as the hub's safetensors summary or the model card states them."""


@pytest.mark.parametrize(("name", "published", "config"), PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_weights_are_counted_as_published(name: str, published: int, config: dict[str, Any]) -> None:
    facts = read(config)
    assert facts.parameters == published
    assert facts.parameters_exact


TINY_IN_PADDLENLP = [
    ("gpt", 20_192, {"intermediate_size": 48, "max_position_embeddings": 64}),
    ("glm", 32_704, {"max_sequence_length": 64, "block_position_encoding": True}),
    ("chatglm", 28_544, {"inner_hidden_size": 128, "max_sequence_length": 64}),
    (
        "deepseek_v2",
        29_552,
        {"intermediate_size": 48, "kv_lora_rank": 16, "q_lora_rank": 24, "qk_nope_head_dim": 8,
         "qk_rope_head_dim": 4, "v_head_dim": 8, "n_routed_experts": 4,
         "n_shared_experts": 2, "moe_intermediate_size": 16,
         "num_experts_per_tok": 2, "first_k_dense_replace": 1},
    ),
]  # fmt: skip
"""Weights of tiny models, as PaddleNLP 3.0.0b4 builds them (sum over model.parameters())."""


@pytest.mark.parametrize(("model_type", "built", "figures"), TINY_IN_PADDLENLP)
def test_weights_are_counted_as_the_engine_builds_them(
    model_type: str, built: int, figures: dict[str, Any]
) -> None:
    shared = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 96}
    assert read({"model_type": model_type, **shared, **figures}).parameters == built


def test_experts_of_every_layout() -> None:
    assert read(config_of("deepseek-v3")).experts == ExpertFacts(
        count=256, per_token=8, intermediate_size=2048, shared_intermediate_size=2048, first_block=3
    )
    assert read(config_of("qwen2-57b-a14b")).experts == ExpertFacts(
        count=64, per_token=8, intermediate_size=2560, shared_intermediate_size=20480
    )
    assert read(config_of("mixtral-8x7b-v0.1")).experts == ExpertFacts(
        count=8, per_token=2, intermediate_size=14336
    )
    every_second = read({**config_of("qwen3-30b-a3b"), "decoder_sparse_step": 2})
    assert every_second.experts is not None
    assert (every_second.experts.first_block, every_second.experts.every) == (1, 2)
    assert every_second.expert_blocks == 24
    vision = {
        **config_of("ernie-4.5-21b-a3b"),
        "moe_num_experts": [64, 64],
        "moe_intermediate_size": [1536, 512],
    }
    assert read(vision).experts == read(config_of("ernie-4.5-21b-a3b")).experts


def test_latent_attention_and_later_tokens() -> None:
    facts = read(config_of("deepseek-v3"))
    assert facts.latent_attention == LatentAttentionFacts(
        q_lora_rank=1536, kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128
    )
    assert facts.next_token_layers == 1
    lite = read(config_of("deepseek-v2-lite")).latent_attention
    assert lite is not None and lite.q_lora_rank is None


@pytest.mark.parametrize(
    ("row", "model_type", "key_value_heads", "position"),
    [
        ("chatglm-6b", "chatglm", 32, "rotary"),
        ("chatglm2-6b", "chatglm_v2", 2, "rotary"),
        ("glm-4-9b", "chatglm_stretched", 2, "rotary"),
        ("baichuan2-7b", "baichuan", 32, "rotary"),
        ("baichuan2-13b", "baichuan", 40, "alibi"),
        ("bloom-7b1", "bloom", 32, "alibi"),
        ("gpt2", "gpt2", 12, "learned"),
        ("santacoder-1.1b", "gpt_bigcode", 1, "learned"),
        ("falcon-7b", "falcon", 1, "rotary"),
    ],
)
def test_variants_of_a_model_type_are_told_apart(
    row: str, model_type: str, key_value_heads: int, position: str
) -> None:
    facts = read(config_of(row))
    assert (facts.model_type, facts.num_key_value_heads, facts.position) == (
        model_type,
        key_value_heads,
        position,
    )


def test_dropout_norm_mlp_and_bias_are_read() -> None:
    gpt2, qwen2, bloom = (read(config_of(row)) for row in ("gpt2", "qwen2.5-7b", "bloom-7b1"))
    assert (gpt2.dropout, gpt2.norm, gpt2.gated_mlp, gpt2.attention_bias) == (0.1, "layer", False, True)
    assert (qwen2.dropout, qwen2.norm, qwen2.gated_mlp, qwen2.attention_bias) == (0.0, "rms", True, True)
    assert (bloom.intermediate_size, bloom.tie_word_embeddings) == (4 * 4096, True)


def test_a_known_number_of_weights_is_taken() -> None:
    assert from_config(LLAMA, "mine", HERE, parameters=123).parameters == 123


def test_what_the_table_does_not_know_is_counted_like_llama_and_said() -> None:
    strange = {**LLAMA, "model_type": "octopus"}
    facts = read(strange)
    assert facts.parameters == read(LLAMA).parameters and not facts.parameters_exact
    (finding,) = findings(strange, "mine")
    assert (finding.code, finding.severity) == ("model.unknown-architecture", "warns")
    assert "octopus" in finding.because
    assert findings(LLAMA, "mine") == ()


@pytest.mark.parametrize(
    ("quantisation", "severity", "part"),
    [
        ({"quant_method": "gptq", "bits": 4}, "fails", "gptq, 4 bits"),
        ({"quant_method": "awq", "bits": 4}, "fails", "awq"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": False, "load_in_4bit": True}, "fails", "4 bits"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "warns", "converted to bfloat16"),
    ],
)
def test_weights_that_are_quantised_already_are_said(
    quantisation: dict[str, Any], severity: str, part: str
) -> None:
    (finding,) = findings({**LLAMA, "quantization_config": quantisation}, "mine")
    assert (finding.code, finding.severity) == ("model.quantised-weights", severity)
    assert part in finding.because


def test_a_nested_text_model_is_said() -> None:
    nested = {"model_type": "qwen2_5_vl", "text_config": {**LLAMA, "model_type": "qwen2"}}
    assert read(nested).model_type == "qwen2"
    assert [finding.code for finding in findings(nested, "mine")] == ["model.text-part"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"hidden_size": None}, "no usable hidden_size"),
        ({"num_hidden_layers": 0}, "no usable num_hidden_layers"),
        ({"vocab_size": "many"}, "no usable vocab_size"),
        ({"num_attention_heads": True}, "no usable num_attention_heads"),
        ({"intermediate_size": -1}, "no usable intermediate_size"),
        ({"model_type": None}, "no model_type"),
        ({"num_attention_heads": 3}, "no usable num_attention_heads"),
        ({"num_key_value_heads": 3}, "no usable num_key_value_heads"),
        ({"attention_dropout": 2}, "no usable attention_dropout"),
        ({"model_type": "deepseek_v3"}, "no usable kv_lora_rank"),
        (
            {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 9},
            "no usable num_experts_per_tok",
        ),
        ({"model_type": "mixtral", "num_local_experts": 8}, "no usable num_experts_per_tok"),
    ],
)
def test_a_config_that_cannot_be_planned_for_names_the_field(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(BadInput, match=expected):
        read({**LLAMA, **change})


GARBAGE: st.SearchStrategy[Any] = st.sampled_from([None, 0, -1, 1, "x", True, [], {}, 1.5, [1], 10**9])


@given(st.sampled_from(sorted(rows())), st.data())
def test_a_garbled_config_is_read_or_refused(row: str, data: st.DataObject) -> None:
    config = config_of(row)
    for key in data.draw(st.lists(st.sampled_from(sorted(config)), max_size=3)):
        config[key] = data.draw(GARBAGE)
    try:
        facts = read(config)
    except BadInput as refusal:
        assert "config.json of mine" in refusal.sentence()
    else:
        assert 0 < facts.active_parameters <= facts.parameters
        findings(config, "mine")


def test_every_row_of_the_table_says_where_it_is_read() -> None:
    for name, row in architectures().items():
        assert row.source
        assert row.model_type or architecture({"model_type": name}) is not None or row.needs
