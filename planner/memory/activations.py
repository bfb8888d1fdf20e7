"""What the forward pass keeps for the backward pass: counted tensor by tensor for one block, in numbers per
token; then in bytes over the blocks and micro-batches that a pipeline stage keeps at once.

Counting follows arXiv:2205.05198, section 4, with gated MLPs, grouped queries, experts and latent attention
added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner import weights
from planner.facts import ModelFacts
from planner.memory.profile import Profile
from planner.memory.stage import Stage
from planner.setup import CORE_ATTENTION, FULL_ATTENTION, NO_RECOMPUTE, Real, Setup


@dataclass(frozen=True)
class Block:
    """Numbers per token that one block keeps, by how they are split.

    `whole` parts are as wide as the residual stream: tensor parallelism splits them only by sequence
    parallelism. `gathered` parts no sequence parallelism splits either.
    """

    attention_whole: Real
    attention_split: Real
    attention_gathered: Real
    scores: Real
    mlp_whole: Real
    mlp_split: Real
    mlp_gathered: Real

    def attention(self, setup: Setup) -> Real:
        """Numbers per token and process of the attention half, scores left out."""
        return (
            self.attention_whole / whole_split(setup)
            + self.attention_split / setup.tensor
            + self.attention_gathered
        )

    def mlp(self, setup: Setup) -> Real:
        """Numbers per token and process of the MLP half."""
        return self.mlp_whole / whole_split(setup) + self.mlp_split / setup.tensor + self.mlp_gathered


def whole_split(setup: Setup) -> Real:
    """Return by how many processes the residual stream is split: sequence parallelism splits it by tokens."""
    split: Real = np.where(setup.sequence_parallel, np.asarray(setup.tensor, dtype=np.float64), 1.0)
    return split


def tokens(setup: Setup) -> Real:
    """Return the tokens of one forward pass that one process holds: context parallelism splits them."""
    number: Real = setup.micro_batch_tokens / np.asarray(setup.context, dtype=np.float64)
    return number


def count(model: ModelFacts, setup: Setup, profile: Profile) -> Block:
    """Return the numbers per token of an average block."""
    hidden = model.hidden_size
    query, key, value = attention_widths(model)
    idle = idle_inputs(setup, profile)
    norm = hidden * norm_numbers(model, setup, profile, idle)
    drop = 0.5 * hidden * (model.dropout > 0) * setup.trains_all
    columns, mlp_columns = column_inputs(model, setup, profile)
    rope = 0.0 if setup.fused_rope or model.position != "rotary" else profile.rope_copies
    expand = 2.0 * (query - key) if profile.expand_keys else 0.0
    return Block(
        attention_whole=hidden + norm + drop + columns[0],
        attention_split=2.0 * query + key + value + rope * (query + key) + expand + latent_width(model),
        attention_gathered=columns[1],
        scores=score_numbers(model, setup, profile),
        mlp_whole=hidden + norm + drop + mlp_columns[0] * (1 - idle),
        mlp_split=mlp_width(model, profile, idle + setup.fused_ffn) + adapter_width(model, setup, profile),
        mlp_gathered=mlp_columns[1] + routed_inputs(model, idle),
    )


def norm_numbers(model: ModelFacts, setup: Setup, profile: Profile, idle: int) -> float:
    """Return numbers per hidden channel that an RMSNorm made of several operations keeps beside its input and
    output; none when it is one kernel, as LayerNorm is."""
    if setup.fused_norm or model.norm == "layer":
        return 0.0
    copies = profile.norm_copies if setup.activation_bytes < 4 else min(1.0, profile.norm_copies)
    return max(0.0, copies - idle)


def attention_widths(model: ModelFacts) -> tuple[int, int, int]:
    """Return the widths of all queries, keys and values together; latent attention unpacks all heads."""
    latent, heads = model.latent_attention, model.num_attention_heads
    if latent is None:
        key_value = model.num_key_value_heads * model.head_dim
        return heads * model.head_dim, key_value, key_value
    key = heads * (latent.qk_nope_head_dim + latent.qk_rope_head_dim)
    return key, key, heads * latent.v_head_dim


def latent_width(model: ModelFacts) -> int:
    """Return the widths of compressed queries, keys and values, kept before and after their norm."""
    latent = model.latent_attention
    if latent is None:
        return 0
    return 2 * ((latent.q_lora_rank or 0) + latent.kv_lora_rank) + latent.qk_rope_head_dim


def column_inputs(
    model: ModelFacts, setup: Setup, profile: Profile
) -> tuple[tuple[Real, Real], tuple[Real, Real]]:
    """Return (whole, gathered) numbers of the inputs of attention and of MLP: the norms' outputs.

    Paddle's column-parallel layers each keep a copy of their own, not split by sequence parallelism:
    query, key and value, gate and up (fleet/layers/mpu/mp_ops.py, `_c_identity` returns a new tensor).
    """
    hidden = float(model.hidden_size)
    if not profile.column_copies:
        return (hidden, 0.0), (hidden, 0.0)
    split = np.asarray(setup.tensor) > 1
    attention_layers = 1.0 if setup.fused_qkv else 3.0
    mlp_layers = 2.0 if model.gated_mlp and not setup.fused_ffn else 1.0
    attention: tuple[Real, Real] = (
        np.where(split, 0.0, hidden),
        np.where(split, attention_layers * hidden, 0.0),
    )
    mlp: tuple[Real, Real] = np.where(split, 0.0, hidden), np.where(split, mlp_layers * hidden, 0.0)
    return attention, mlp


def score_numbers(model: ModelFacts, setup: Setup, profile: Profile) -> float:
    """Return attention scores per token, where they are stored: one per head and key; dropout adds a mask of
    one byte and the dropped copy."""
    if setup.attention != "dense":
        return 0.0
    alone = model.model_type in profile.masked_softmax
    each = 2.0 if alone else profile.score_bytes
    each += 3.0 if model.dropout > 0 and setup.trains_all else 0.0
    if setup.activation_bytes == 4:
        each += 4.0
    return model.num_attention_heads * setup.sequence_length * each / setup.activation_bytes


def idle_inputs(setup: Setup, profile: Profile) -> int:
    """Return 1 where the MLP's layers are frozen and keep no input: adapters on attention alone."""
    frozen = not setup.trains_all and setup.lora_target_modules == "attention"
    return int(frozen and not profile.keeps_frozen_inputs)


def mlp_width(model: ModelFacts, profile: Profile, absent: int = 0) -> float:
    """Return numbers per token inside the MLP of an average block: gate, up, activated gate and product;
    without a gate the layer and its activation; `absent` of them are not kept."""
    tensors = max(1, (profile.gated_copies if model.gated_mlp else 2) - absent)
    if model.experts is None:
        return float(tensors * model.intermediate_size)
    share = model.expert_blocks / model.num_hidden_layers
    routed = (
        model.experts.per_token * model.experts.intermediate_size + model.experts.shared_intermediate_size
    )
    return tensors * (share * routed + (1 - share) * model.intermediate_size)


def routed_inputs(model: ModelFacts, idle: int = 0) -> float:
    """Return numbers per token that routing adds: each visited expert's input (unless its layers are `idle`)
    and output, and router scores with their softmax in float32."""
    if model.experts is None:
        return 0.0
    share = model.expert_blocks / model.num_hidden_layers
    ends = (2.0 - idle) * model.experts.per_token * model.hidden_size
    return share * (ends + 4.0 * model.experts.count)


def adapter_width(model: ModelFacts, setup: Setup, profile: Profile) -> float:
    """Return numbers per token that adapters add to an average block: the narrow activations, and copies of
    their inputs where the toolkit makes them."""
    if setup.method not in ("lora", "qlora", "vera", "lokr"):
        return 0.0
    if model.experts is None:
        shapes = list(weights.adapter_targets(model, setup).values())
    else:
        shapes = [
            weights.Shape(*shape, model.num_hidden_layers)
            for shape in weights.attention_shapes(model).values()
        ]
    narrow = setup.lora_rank * sum(shape.number for shape in shapes)
    inputs = sum(shape.inputs * shape.number for shape in shapes) if profile.adapter_inputs else 0
    return (narrow + inputs) / model.num_hidden_layers


def kept_bytes(model: ModelFacts, setup: Setup, stage: Stage, block: Block, profile: Profile) -> Real:
    """Return bytes that lie in memory when the backward pass starts.

    Without recompute every block in full; core_attn leaves out the scores; full_attn keeps attention's input
    alone; full keeps each block's input alone.
    """
    attention, mlp = block.attention(setup), block.mlp(setup)
    scores = block.scores / np.asarray(setup.tensor, dtype=np.float64)
    entry = model.hidden_size / whole_split(setup)
    level = np.asarray(setup.recompute)
    each = np.select(
        [level == NO_RECOMPUTE, level == CORE_ATTENTION, level == FULL_ATTENTION],
        [attention + scores + mlp, attention + mlp, 2 * entry + mlp],
        default=entry * checkpoint_width(profile, setup),
    )
    kept: Real = stage.blocks_kept * each * tokens(setup) * setup.activation_bytes
    return kept * (0.0 if profile.offload_activations else 1.0)


def checkpoint_width(profile: Profile, setup: Setup) -> float:
    """Return how much wider a recomputed block's input is than an activation: the residual stream may be."""
    return (profile.residual_bytes or setup.activation_bytes) / setup.activation_bytes


def lingering_bytes(model: ModelFacts, setup: Setup, stage: Stage, profile: Profile) -> Real:
    """Return bytes of gradients of block inputs that stay until the backward pass ends, where they do."""
    if not profile.frozen_block_gradients or setup.trains_all:
        return 0.0
    entry = model.hidden_size / whole_split(setup) * tokens(setup) * setup.activation_bytes
    lingering: Real = np.where(np.asarray(setup.sharding) == 3, stage.layers * entry, 0.0)
    return lingering


def working_bytes(model: ModelFacts, setup: Setup, block: Block, profile: Profile) -> Real:
    """Return bytes that the backward pass of one block adds: what recompute brings back, and gradients of the
    widest tensors beside it."""
    scores = block.scores / np.asarray(setup.tensor, dtype=np.float64)
    level = np.asarray(setup.recompute)
    again = np.select(
        [level == NO_RECOMPUTE, level == CORE_ATTENTION, level == FULL_ATTENTION],
        [np.zeros(()), scores, block.attention(setup) + scores],
        default=block.attention(setup) + scores + block.mlp(setup) + widened(block, setup, profile),
    )
    width = checkpoint_width(profile, setup)
    inner = 2.0 * gradient_width(model, profile) / np.asarray(setup.tensor)
    grads = np.maximum(inner + 2.0 * width * model.hidden_size / whole_split(setup), scores)
    working: Real = (again + grads) * tokens(setup) * setup.activation_bytes
    return working


def gradient_width(model: ModelFacts, profile: Profile) -> float:
    """Return numbers per token of one gradient of the MLP's width. Where experts run one after another, only
    one of them has its gradients at a time: its share of the routed tokens."""
    if model.experts is None or not profile.experts_in_turn:
        return mlp_width(model, profile) / 4
    routed = model.experts.per_token * model.experts.intermediate_size / model.experts.count
    dense = model.intermediate_size if model.expert_blocks < model.num_hidden_layers else 0
    return float(max(routed, model.experts.shared_intermediate_size, dense))


def widened(block: Block, setup: Setup, profile: Profile) -> Real:
    """Return numbers per token by which a recomputed block is wider under a residual stream wider than
    activations: frozen quantised layers answer in the format of their input."""
    inner: Real = (block.attention_split + block.mlp_split) / np.asarray(setup.tensor, dtype=np.float64)
    return inner * (checkpoint_width(profile, setup) - 1.0)
