"""How a training toolkit spends memory, where toolkits differ: one named, sourced field for each behaviour.

The planner forecasts PaddleNLP and PaddleFormers. `bench/published` describes the other toolkits with the
same fields, so that measurements of all of them test the same formulas.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from planner.phrases import GIB, MIB

QUANTISED_BITS = {
    "nf4": 4.5,
    "fp4": 4.5,
    "int4": 4.5,
    "gptq": 4.156,
    "weight_only_int8": 8.0,
    "weight_only_int4": 4.0,
}
"""Bits of one stored weight with its scales: 4-bit blocks of 64 with a float32 scale (arXiv:2305.14314,
section 3); GPTQ groups of 128 with a 16-bit scale and a 4-bit zero (arXiv:2210.17323: 4 + 16/128 + 4/128);
Paddle's weight-only formats have one scale per channel, which is nothing beside the weights."""

DOUBLE_QUANT_BITS = 4.127
"""The same with scales stored in 8 bits (arXiv:2305.14314, section 3: 0.127 bits per weight)."""


@dataclass(frozen=True)
class Profile:
    """What one toolkit keeps in memory. The defaults describe plain mixed-precision training."""

    name: str
    source: str
    master_weights: bool = True
    """Whether 16-bit trained weights have a float32 copy."""
    moment_bytes: float = 8.0
    """Bytes of the optimizer's states per trained weight; two float32 moments of Adam."""
    gradients_persist: bool = True
    """Whether gradients lie in memory during the forward pass: they do while micro-batches accumulate and
    wherever they live in a buffer; otherwise they come when activations go."""
    step_copies: float = 0.0
    """Copies of the trained weights that the optimizer step makes, in the width of a gradient."""
    adapter_bytes: int | None = None
    """Bytes of an adapter weight; None: that of the base weights."""
    trained_ends: bool = False
    """Whether embedding and head are trained beside adapters, as copies of their own."""
    column_copies: bool = False
    """Whether each column-parallel layer keeps a copy of its own input under tensor parallelism."""
    norm_copies: float = 0.0
    """Numbers per hidden channel and RMSNorm kept beside its input and output, where it is not fused and
    numbers have 16 bits: float32 ones count twice. In float32 one is kept, the normalised one. LayerNorm is
    one kernel."""
    rope_copies: float = 0.0
    """Copies of queries and keys kept beside the rotated ones, where rotation is not fused."""
    keeps_frozen_inputs: bool = True
    """Whether frozen linear layers keep their input; torch keeps it only for a weight's gradient, and a norm
    then keeps one tensor less."""
    float8_copies: float = 0.0
    """Bytes of 8-bit copies per weight, where products run in 8 bits."""
    gated_copies: int = 4
    """Tensors of the MLP's width kept by a gated MLP: gate, up, activated gate, product; 3 where one kernel
    makes the product."""
    expand_keys: bool = False
    """Whether keys and values are repeated for every query head."""
    score_bytes: float = 4.0
    """Bytes kept per attention score where scores are stored: 16-bit scores and their softmax."""
    masked_softmax: tuple[str, ...] = ()
    """Model types whose softmax applies the causal mask itself and keeps its 16-bit result alone."""
    experts_in_turn: bool = False
    """Whether experts run one after another, so that only one has its gradients at a time."""
    accumulates_whole: bool = False
    """Whether gradients that accumulate over micro-batches are whole in every sharding stage."""
    adapter_inputs: bool = True
    """Whether adapters keep a copy of their input (dropout, cast)."""
    logit_copies: float = 1.0
    """Copies of the scores over the vocabulary in the format of activations."""
    loss_copies: float = 3.0
    """Float32 copies of them: cast, softmax, gradient."""
    split_vocabulary: bool = True
    """Whether tensor parallelism also splits those copies (parallel cross entropy)."""
    residual_bytes: int | None = None
    """Bytes of one number of the residual stream; None: those of an activation."""
    whole_tensors: bool = False
    """Whether sharding deals out whole tensors, so that no share is smaller than the largest one."""
    late_reduce: bool = False
    """Whether whole gradients exist at the end of the backward pass even where stage2 spreads them."""
    update_in_backward: bool = False
    """Whether each weight moves as soon as its gradient is there, so that gradients never exist together."""
    offload_activations: bool = False
    """Whether kept activations wait in host memory."""
    loss_chunks: int = 0
    """Pieces of a loss computed in pieces; 0: as many as vocabulary / hidden size (arXiv:2410.10989)."""
    gathers: Literal["none", "block", "billion"] = "none"
    """What sharding stage3 gathers at a time: nothing is counted; one block, embedding and head; or up to
    10^9 weights (DeepSpeed's stage3_max_live_parameters)."""
    frozen_block_gradients: bool = False
    """Whether gradients of every block's input stay until the backward pass ends (sharded frozen blocks)."""
    allocator: float = 0.08
    """Share of the tensors' sum that the allocator holds in gaps."""
    allocator_floor: int = 0
    """Bytes that it holds in gaps however small the model is."""
    context: int = int(1.0 * GIB)
    """Bytes of the device that no tensor uses: context, kernels, library workspaces."""
    communication: int = 300 * MIB
    """Bytes that collectives hold, where there is more than one process."""


PADDLENLP = Profile(
    name="PaddleNLP",
    source="paddlenlp 3.0.0b4: transformers/llama/modeling.py (LlamaRMSNorm: float32 copy of the input "
    "twice, and its 16-bit product), mistral/modeling.py:197 (activated gate kept apart); Paddle 3.3: "
    "fleet/layers/mpu/mp_ops.py:79 (each column-parallel layer copies its input); gpt/modeling.py:369 "
    "(softmax_mask_fuse_upper_triangle); mixtral/modeling.py:524 (a loop over experts)",
    column_copies=True,
    norm_copies=5.0,
    rope_copies=1.0,
    gated_copies=4,
    masked_softmax=("gpt", "gpt2"),
    experts_in_turn=True,
    adapter_inputs=False,
    logit_copies=1.0,
    loss_copies=3.0,
    split_vocabulary=False,
    gathers="block",
    late_reduce=True,
    allocator=0.04,
    whole_tensors=True,
    context=2 * GIB,
    communication=400 * MIB,
)

"""Context and reserve: nvidia-smi is 2 to 3 GB above max_memory_allocated (PaddleNLP
llm/docs/pretrain.rst), of which the allocator's gaps were 1.4 % in a small run
(llm/docs/pretrain_tutorial.md: 12.307 allocated, 12.483 reserved)."""

PADDLEFORMERS = replace(
    PADDLENLP,
    name="PaddleFormers",
    source="paddleformers 1.x trains PaddleNLP's layers; experts may run as one grouped product "
    "(qwen3_moe/modeling.py:823)",
    experts_in_turn=False,
)
