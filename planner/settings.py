"""Every setting that a plan decides: its name, type, range and meaning.

Names are the field's own, and equal PaddleNLP's argument wherever it has one; `planner.render` translates
for other engines. The help of `--set`, the validation of pins and the check of an edited plan file all read
this table.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.schema import Record

Count = Annotated[int, Field(ge=1)]


class MethodSettings(Record):
    """What is trained."""

    engine: Literal["paddlenlp", "paddleformers"] = Field(description="Training toolkit that runs the plan.")
    engine_build: Literal["cpu", "cu118", "cu126", "cu129", "xpu", "npu", "dcu"] = Field(
        description="Accelerator build of Paddle."
    )
    method: Literal["full", "lora", "qlora", "prefix_tuning", "vera", "lokr", "reft"] = Field(
        description="full trains every weight; lora small adapters beside frozen ones; qlora the same beside "
        "weights stored in few bits."
    )
    lora_variant: Literal["plain", "rslora", "lora_plus", "rslora_plus", "pissa", "mora", "moslora"] = Field(
        description="How LoRA adapters are scaled, started and shaped."
    )
    lora_plus_scale: float = Field(ge=1, description="Learning rate of the B matrices relative to A (LoRA+).")
    lora_rank: Count = Field(
        description="Width of the adapters: rank of LoRA, VeRA and ReFT, dim of LoKr. More costs more."
    )
    lora_alpha: Count = Field(
        description="Adapter scale: the adapter's output times alpha / rank (alpha / sqrt(rank) with rslora)."
    )
    lora_dropout: float = Field(ge=0, lt=1, description="Share of adapter inputs dropped while training.")
    lora_target_modules: Literal["all-linear", "attention"] = Field(
        description="Which linear layers get an adapter."
    )
    weight_quantize_algo: Literal["none", "nf4", "fp4", "weight_only_int8", "weight_only_int4"] = Field(
        description="How the frozen base weights are stored."
    )
    weight_double_quant: bool = Field(description="Quantise the block scales too; nf4 and fp4 only.")
    num_prefix_tokens: Count = Field(description="Virtual tokens of prefix tuning.")
    neftune: bool = Field(description="Add noise to the embeddings while training.")
    neftune_noise_alpha: float = Field(gt=0, description="Strength of that noise.")
    use_ssa: bool = Field(description="Shifted sparse attention for long rows (LongLoRA).")


class PreferenceSettings(Record):
    """How preferred answers are learned (DPO, KTO, ORPO, SimPO)."""

    loss_type: Literal[
        "sigmoid", "hinge", "ipo", "kto_pair", "sppo_hard", "nca_pair", "dpop", "or", "simpo"
    ] = Field(description="Preference loss.")
    beta: float = Field(gt=0, description="How strongly answers are held to the reference model.")
    simpo_gamma: float = Field(ge=0, description="Margin of SimPO.")
    pref_loss_ratio: float = Field(ge=0, description="Weight of the preference loss.")
    sft_loss_ratio: float = Field(ge=0, description="Weight of plain learning of the preferred answer.")
    reference_free: bool = Field(description="Whether there is no reference model beside the trained one.")


class DataSettings(Record):
    """How rows become batches."""

    max_length: Annotated[int, Field(ge=16)] = Field(
        description="Most tokens of one row, and the packed length."
    )
    src_length: Annotated[int, Field(ge=8)] = Field(description="Most tokens of the prompt part of a row.")
    zero_padding: bool = Field(
        description="Pack several rows into one sequence, isolated by the attention mask."
    )
    greedy_zero_padding: bool = Field(
        description="Pack by best fit over a buffer instead of in order; needs zero_padding."
    )
    seed: Annotated[int, Field(ge=0)] = Field(
        description="Seed of split, shuffle, initialisation and dropout."
    )
    dataset_type: Literal["messages", "erniekit"] = Field(
        description="Layout of PaddleFormers' rows: messages, or erniekit's text or src and tgt."
    )
    group_size: Count = Field(
        description="Passages beside each query of an embedding model: its own and the row's wrong ones."
    )
    mix_strategy: Literal["concat", "random", "interleave_under", "interleave_over"] = Field(
        description="How PaddleFormers draws from several files."
    )


class PrecisionSettings(Record):
    """Number formats."""

    precision: Literal["fp32", "bf16", "fp16"] = Field(
        description="Number format of weights and activations."
    )
    fp16_opt_level: Literal["O1", "O2"] = Field(
        description="O2 keeps the weights themselves in 16 bits; O1 casts per operation."
    )
    amp_master_grad: bool = Field(description="Accumulate gradients in float32.")
    scale_loss: float = Field(gt=0, description="First loss scale; fp16 only.")
    optim: Literal["adamw", "adamw_16bit_moment", "adamw_mini"] = Field(description="Optimizer.")


class KernelSettings(Record):
    """Kernels, and what is kept, recomputed or moved to the host."""

    use_flash_attention: bool = Field(description="FlashAttention-2 kernel; Ampere or newer.")
    flash_mask: bool = Field(description="Sparse attention mask for packed rows; needs FlashAttention.")
    attn_implementation: Literal["flashmask", "sdpa", "eager"] = Field(
        description="Attention of PaddleFormers: FlashMask, Paddle's own fused one, or plain products."
    )
    use_fused_rms_norm: bool = Field(description="One kernel for RMSNorm.")
    use_fused_rope: bool = Field(description="One kernel for rotary positions.")
    fuse_attention_qkv: bool = Field(description="One matrix product for query, key and value.")
    fuse_attention_ffn: bool = Field(description="One matrix product for gate and up.")
    use_fused_linear_cross_entropy: bool = Field(
        description="Output layer and loss in pieces, so that scores over the vocabulary are never whole."
    )
    recompute: bool = Field(
        description="Recompute activations in the backward pass: less memory, about a third more time."
    )
    recompute_granularity: Literal["full", "full_attn", "core_attn"] = Field(
        description="What is recomputed: whole blocks, attention with its projections, attention alone."
    )
    recompute_method: Literal["uniform", "block"] = Field(
        description="Whether PaddleFormers recomputes every block, or only the first ones."
    )
    recompute_num_layers: Count = Field(description="Blocks that PaddleFormers recomputes at a time.")
    offload_optim: bool = Field(description="Keep optimizer states in host memory between steps.")


class ParallelSettings(Record):
    """How processes share the work."""

    num_processes: Count = Field(description="Training processes over all nodes.")
    tensor_parallel_degree: Count = Field(description="Processes that split each weight matrix.")
    sequence_parallel: bool = Field(
        description="Split norms and dropout by tokens inside tensor parallelism."
    )
    pipeline_parallel_degree: Count = Field(description="Processes that split the layers.")
    virtual_pp_degree: Count = Field(description="Chunks of layers on each pipeline stage.")
    sharding: Literal["none", "stage1", "stage2", "stage3"] = Field(
        description="What is spread over data-parallel processes."
    )
    sharding_parallel_degree: Count = Field(description="Processes over which optimizer states are spread.")
    data_parallel_degree: Count = Field(description="Replicas that see different rows.")
    context_parallel_degree: Count = Field(description="Processes that split one sequence (ring attention).")
    sep_parallel_degree: Count = Field(description="Processes that split one sequence by heads (Ulysses).")
    expert_parallel_degree: Count = Field(description="Processes over which experts are spread.")
    tensor_parallel_output: bool = Field(description="Keep scores over the vocabulary split for the loss.")
    tensor_parallel_config: str = Field(description="Switches of tensor parallelism, separated by blanks.")
    pipeline_parallel_config: str = Field(description="Switches of the pipeline, separated by blanks.")
    sharding_parallel_config: str = Field(description="Switches of sharding, separated by blanks.")
    enable_auto_parallel: bool = Field(
        description="Semi-automatic parallelism, by upstream's own scripts of llm/auto_parallel."
    )
    to_static: bool = Field(description="Whether auto-parallel trains a static graph.")


class BatchSettings(Record):
    """How many rows a step sees."""

    per_device_train_batch_size: Count = Field(
        description="Micro-batch: sequences per process and forward pass."
    )
    gradient_accumulation_steps: Count = Field(description="Forward passes before one optimizer step.")
    per_device_eval_batch_size: Count = Field(description="Sequences per process in evaluation.")
    dataloader_num_workers: Annotated[int, Field(ge=0)] = Field(
        description="Loader processes; 0 loads in the training process."
    )


class OptimisationSettings(Record):
    """How weights move."""

    learning_rate: float = Field(gt=0, description="Peak learning rate.")
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = Field(
        description="Shape of the decay."
    )
    warmup_steps: Annotated[int, Field(ge=0)] = Field(
        description="Steps from zero to the peak learning rate."
    )
    min_learning_rate: float = Field(ge=0, description="Where the decay ends; pretraining only.")
    embedding_temperature: float = Field(
        gt=0, description="Sharpness of an embedding model's comparison; lower lets the nearest count more."
    )
    weight_decay: float = Field(ge=0, description="AdamW decay.")
    max_grad_norm: float = Field(gt=0, description="Gradient clipping by global norm.")
    num_train_epochs: Count = Field(description="Passes over the data.")
    max_steps: Count = Field(description="Optimizer steps in total, computed from rows, packing and batch.")


class CheckpointSettings(Record):
    """When to look and when to save."""

    logging_steps: Count = Field(description="Steps between loss lines.")
    evaluation_strategy: Literal["no", "steps", "epoch"] = Field(
        description="When to evaluate on the dev rows."
    )
    eval_steps: Count = Field(description="Steps between evaluations.")
    eval_with_do_generation: bool = Field(
        description="Also answer dev rows at each evaluation, and score the answers (BLEU-4, ROUGE)."
    )
    early_stopping_patience: Annotated[int, Field(ge=0)] = Field(
        description="Evaluations without a lower dev loss after which training ends; 0: it never ends early."
    )
    load_best_model_at_end: bool = Field(description="Finish with the checkpoint of the lowest dev loss.")
    save_steps: Count = Field(description="Steps between checkpoints.")
    save_total_limit: Count = Field(description="Checkpoints kept; older ones are removed.")
    unified_checkpoint: bool = Field(
        description="Checkpoint layout that is independent of the parallel degrees."
    )
    async_save: bool = Field(description="Write checkpoints while training goes on.")
    save_checkpoint_format: Literal["flex_checkpoint", "unified_checkpoint", "sharding_io"] = Field(
        description="Layout of PaddleFormers' checkpoints."
    )


class WorkerSettings(Record):
    """The environment of the training processes."""

    omp_num_threads: Count = Field(description="Compute threads of each process.")
    mkl_debug_cpu_type: Annotated[int, Field(ge=0)] = Field(
        description="5 makes the bundled MKL take its AVX2 path on AMD processors; 0 leaves it alone."
    )
    network_interface: str = Field(description="Network card between nodes (NCCL_SOCKET_IFNAME); empty: any.")
    tracker: Literal["none", "swanlab-offline", "swanlab-cloud", "visualdl"] = Field(
        description="Experiment tracker; offline and VisualDL send nothing."
    )


class SafetySettings(Record):
    """What a run does for its own safety."""

    on_oom: Literal["stop", "ask", "replan"] = Field(
        description="When memory runs out: stop and offer a smaller step, "
        "wait for an answer, or take the step."
    )
    rehearsal: bool = Field(
        description="Save, kill, resume and merge two steps at full size before training begins."
    )


class AfterSettings(Record):
    """What happens to the trained model."""

    merge: bool = Field(description="Fold the adapter into the base weights.")
    max_new_tokens: Count = Field(description="Longest answer in the generate stage.")
    export: Literal["none", "huggingface", "paddle_static", "fastdeploy"] = Field(
        description="Format in which the finished model is left."
    )
    quantise: Literal["none", "a8w8", "weight_only_int8", "weight_only_int4", "gptq", "awq"] = Field(
        description="Post-training quantisation of the finished model."
    )


GROUPS: dict[str, type[Record]] = {
    "method": MethodSettings,
    "preference": PreferenceSettings,
    "data": DataSettings,
    "precision": PrecisionSettings,
    "kernels": KernelSettings,
    "parallel": ParallelSettings,
    "batch": BatchSettings,
    "optimisation": OptimisationSettings,
    "checkpoints": CheckpointSettings,
    "worker": WorkerSettings,
    "safety": SafetySettings,
    "after": AfterSettings,
}
"""Subject -> settings, in the order in which a plan shows them."""
