"""Every setting that a plan decides: its name, type, range and meaning.

Names are the field's own, and equal the engine's argument wherever the engine has one. The help of `--set`,
the validation of pins and the check of an edited plan file all read this table.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.schema import Record

Count = Annotated[int, Field(ge=1)]


class MethodSettings(Record):
    """What is trained."""

    engine: Literal["paddlenlp"] = Field(description="Training toolkit that runs the plan.")
    engine_build: Literal["cpu", "cu118", "cu126", "cu129"] = Field(
        description="Accelerator build of Paddle."
    )
    method: Literal["full", "lora"] = Field(
        description="full trains every weight; lora trains small adapters beside frozen ones."
    )
    lora_rank: Count = Field(description="Width of the adapters; larger learns more and costs more.")
    lora_alpha: Count = Field(
        description="Adapter scale; the adapter's output is multiplied by alpha / rank."
    )
    lora_dropout: float = Field(ge=0, lt=1, description="Share of adapter inputs dropped while training.")
    lora_target_modules: Literal["all-linear", "attention"] = Field(
        description="Which linear layers get an adapter."
    )


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


class PrecisionSettings(Record):
    """Number formats and kernels."""

    precision: Literal["fp32", "bf16", "fp16"] = Field(
        description="Number format of weights and activations."
    )
    fp16_opt_level: Literal["O1", "O2"] = Field(
        description="O2 keeps the weights themselves in 16 bits; O1 casts per operation."
    )
    amp_master_grad: bool = Field(description="Accumulate gradients in float32.")
    use_flash_attention: bool = Field(description="FlashAttention-2 kernel; Ampere or newer.")
    flash_mask: bool = Field(description="Sparse attention mask for packed rows; needs FlashAttention.")
    recompute: bool = Field(
        description="Recompute activations in the backward pass: less memory, about a third more time."
    )


class ParallelSettings(Record):
    """How processes share the work."""

    num_processes: Count = Field(description="Training processes over all nodes.")
    tensor_parallel_degree: Count = Field(description="Processes that split each weight matrix.")
    pipeline_parallel_degree: Count = Field(description="Processes that split the layers.")
    sharding: Literal["none", "stage1", "stage2", "stage3"] = Field(
        description="What is spread over data-parallel processes."
    )
    sharding_parallel_degree: Count = Field(description="Processes over which optimizer states are spread.")
    data_parallel_degree: Count = Field(description="Replicas that see different rows.")


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
    save_steps: Count = Field(description="Steps between checkpoints.")
    save_total_limit: Count = Field(description="Checkpoints kept; older ones are removed.")
    unified_checkpoint: bool = Field(
        description="Checkpoint layout that is independent of the parallel degrees."
    )


class WorkerSettings(Record):
    """The environment of the training processes."""

    omp_num_threads: Count = Field(description="Compute threads of each process.")
    mkl_debug_cpu_type: Annotated[int, Field(ge=0)] = Field(
        description="5 makes the bundled MKL take its AVX2 path on AMD processors; 0 leaves it alone."
    )
    tracker: Literal["none", "swanlab-offline", "swanlab-cloud"] = Field(
        description="Experiment tracker; offline sends nothing."
    )
    max_new_tokens: Count = Field(description="Longest answer in the generate stage.")


GROUPS: dict[str, type[Record]] = {
    "method": MethodSettings,
    "data": DataSettings,
    "precision": PrecisionSettings,
    "parallel": ParallelSettings,
    "batch": BatchSettings,
    "optimisation": OptimisationSettings,
    "checkpoints": CheckpointSettings,
    "worker": WorkerSettings,
}
"""Subject -> settings, in the order in which a plan shows them."""
