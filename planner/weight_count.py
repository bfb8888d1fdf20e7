"""How many weights a model has, from its shapes: every matrix, bias and norm, tied embeddings once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.architectures import Architecture
from planner.facts import ModelFacts


def count_weights(facts: ModelFacts, row: Architecture, config: Mapping[str, Any]) -> int:
    """Return the number of weights of the model that `config` describes, as its architecture's `row` says.

    Blocks that predict later tokens (`next_token_layers`) are not counted: fine-tuning does not load them.
    """
    blocks = facts.num_hidden_layers
    dense = blocks - facts.expert_blocks
    block = _attention(facts, row, config) + row.norms_per_block * _norm(facts, facts.hidden_size)
    expert_block = _experts(facts, row) if facts.experts else 0
    mlp = _mlp(facts, facts.intermediate_size, row.is_on(row.bias_mlp, config))
    return blocks * block + dense * mlp + facts.expert_blocks * expert_block + _ends(facts, row, config)


def _norm(facts: ModelFacts, width: int) -> int:
    return width if facts.norm == "rms" else 2 * width


def _attention(facts: ModelFacts, row: Architecture, config: Mapping[str, Any]) -> int:
    if facts.latent_attention is not None:
        return _latent(facts)
    hidden = facts.hidden_size
    query, key = facts.num_attention_heads * facts.head_dim, facts.num_key_value_heads * facts.head_dim
    total = 2 * hidden * query + 2 * hidden * key
    if facts.attention_bias:
        total += query + 2 * key
    if row.is_on(row.bias_out, config):
        total += hidden
    if row.is_on(row.query_key_norm, config):
        total += 2 * _norm(facts, facts.head_dim)
    if row.sinks:
        total += facts.num_attention_heads
    if row.filtering:  # two convolutions over two tokens with biases, and a norm (arXiv:2311.15786)
        total += 2 * hidden * hidden + hidden // 2 + hidden + _norm(facts, hidden)
    return total


def _latent(facts: ModelFacts) -> int:
    """Return the weights of multi-head latent attention (arXiv:2405.04434, section 2.1; two small norms)."""
    latent = facts.latent_attention
    assert latent is not None
    hidden, heads = facts.hidden_size, facts.num_attention_heads
    head = latent.qk_nope_head_dim + latent.qk_rope_head_dim
    rank = latent.q_lora_rank
    queries = hidden * rank + rank + rank * heads * head if rank else hidden * heads * head
    down = hidden * (latent.kv_lora_rank + latent.qk_rope_head_dim) + latent.kv_lora_rank
    up = latent.kv_lora_rank * heads * (latent.qk_nope_head_dim + latent.v_head_dim)
    return queries + down + up + heads * latent.v_head_dim * hidden


def _mlp(facts: ModelFacts, width: int, bias: bool) -> int:
    inward = 2 if facts.gated_mlp else 1
    matrices = (inward + 1) * facts.hidden_size * width
    return matrices + (inward * width + facts.hidden_size if bias else 0)


def _experts(facts: ModelFacts, row: Architecture) -> int:
    experts, keys = facts.experts, row.experts
    assert experts is not None
    assert keys is not None
    total = experts.count * (_mlp(facts, experts.intermediate_size, keys.bias) + facts.hidden_size)
    if experts.shared_intermediate_size:
        total += _mlp(facts, experts.shared_intermediate_size, bias=False)
        total += facts.hidden_size if keys.shared_gate else 0
    return total + experts.count * (keys.router_bias + keys.router_correction)


def _ends(facts: ModelFacts, row: Architecture, config: Mapping[str, Any]) -> int:
    """Return what lies before and after the blocks: embeddings, positions, last norm, output head."""
    hidden, rows = facts.hidden_size, facts.vocab_size
    narrow = row.value(config, row.embedding_width) if row.embedding_width else None
    width = narrow if isinstance(narrow, int) and narrow > 0 else hidden
    total = rows * width * (1 if facts.tie_word_embeddings else 2)
    if width != hidden:
        total += 2 * width * hidden
    if facts.position == "learned":
        total += row.position_tables * (facts.max_position_embeddings + row.position_extra) * hidden
    norms = int(row.embedding_norm) + int(row.is_on(row.final_norm, config))
    return total + norms * _norm(facts, hidden) + (rows if row.is_on(row.head_bias, config) else 0)
