"""Configs that break one rule each: code -> engine, script, values, and the world. `BASE` and `FORMERS` break
none. The engines' own parsers judge the same table in test_arguments_engine.py."""

from __future__ import annotations

from typing import Any, NamedTuple

from planner.arguments import World
from planner.facts import ModelFacts
from planner.model_catalogue import find_model

NLP, FORMERS = "paddlenlp", "paddleformers"


class Broken(NamedTuple):
    """One config and the rule that it breaks."""

    code: str
    engine: str
    script: str
    values: dict[str, Any]
    world: World


BASES: dict[str, dict[str, Any]] = {
    "run_finetune": {
        "model_name_or_path": "m", "dataset_name_or_path": "d", "output_dir": "o", "do_train": True,
        "bf16": True,
        "fp16_opt_level": "O2", "src_length": 512, "max_length": 1024, "logging_steps": 1,
    },
    "run_dpo": {
        "model_name_or_path": "m", "output_dir": "o", "do_train": True, "bf16": True, "fp16_opt_level": "O2",
    },
    "run_kto": {
        "model_name_or_path": "m", "output_dir": "o", "do_train": True, "bf16": True, "fp16_opt_level": "O2",
    },
    "run_pretrain": {
        "model_name_or_path": "m", "input_dir": "d", "output_dir": "o", "do_train": True, "max_steps": 10,
        "bf16": True, "fp16_opt_level": "O2",
    },
    "run_reward": {"model_name_or_path": "m", "output_dir": "o", "do_train": True},
    "run_embedding": {
        "model_name_or_path": "m", "dataset_name_or_path": "d", "output_dir": "o", "do_train": True,
        "src_length": 512, "max_length": 1024,
    },
    "run_quantization": {"model_name_or_path": "m", "dataset_name_or_path": "d", "output_dir": "o",
        "do_ptq": True},
    "predictor": {"model_name_or_path": "m", "dtype": "bfloat16"},
    "export_model": {"model_name_or_path": "m", "dtype": "bfloat16", "output_path": "o"},
    "train": {
        "stage": "SFT", "model_name_or_path": "m", "output_dir": "o", "train_dataset_path": "t",
        "fine_tuning": "full",
        "do_train": True, "fp16_opt_level": "O2",
    },
    "export": {"model_name_or_path": "m", "output_dir": "o", "fine_tuning": "LoRA"},
}  # fmt: skip
"""Script -> a config that breaks no rule."""


def model(name: str) -> ModelFacts:
    """Return the facts of a catalogue model."""
    found = find_model(name)
    assert found is not None
    return found


def nlp(code: str, values: dict[str, Any], script: str = "run_finetune", **world: Any) -> Broken:
    """Return a PaddleNLP config: the script's base with some values changed; None removes one."""
    return Broken(code, NLP, script, merged(script, values), World(**world))


def formers(code: str, values: dict[str, Any], script: str = "train", **world: Any) -> Broken:
    """Return a PaddleFormers config."""
    return Broken(code, FORMERS, script, merged(script, values), World(**world))


def merged(script: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the base of a script with changes; the word REMOVED takes a key out."""
    whole = {**BASES[script], **values}
    return {key: value for key, value in whole.items() if value != "REMOVED"}


def tokens(name: str, words: str, **more: Any) -> dict[str, Any]:
    """Return a list of switches of PaddleNLP."""
    return {f"{name}_parallel_config": words, **more}


TP2 = {"tensor_parallel_degree": 2}
PP2 = {"pipeline_parallel_degree": 2}
STAGE1 = {"sharding": "stage1"}

NLP_CASES = (
    nlp("parser.unknown", {"learning_speed": 1}),
    nlp("parser.ambiguous", {"per_device": 1}),
    nlp("parser.prefix", {"eval_step": 5}),
    nlp("parser.value", {"max_steps": 1.0}),
    nlp("parser.value", {"evaluation_strategy": "never"}),
    nlp("parser.null", {"max_steps": None}),
    nlp("parser.null-text", {"lora_path": None}),
    nlp("parser.output-dir", {"output_dir": "REMOVED"}),
    nlp("precision.both", {"fp16": True}),
    nlp("precision.both-evaluation", {"fp16_full_eval": True, "bf16_full_eval": True}),
    nlp("precision.o2-without-half", {"bf16": False}),
    nlp("precision.o1-float32-weights", {"fp16_opt_level": "O1"}),
    nlp("precision.master-grad-without-half", {"bf16": False, "fp16_opt_level": "O1",
        "amp_master_grad": True}),
    nlp("precision.bf16-old-card", {}, capability=7.0),
    nlp("precision.optimizer-name", {"optim": "lion"}),
    nlp("precision.adafactor", {"optim": "adafactor"}),
    nlp("precision.adamw-mini-tensor", {"optim": "adamw_mini", **TP2}, processes=2),
    nlp("precision.schedule-name", {"lr_scheduler_type": "exponential"}),
    nlp("precision.warmup-ratio", {"warmup_ratio": 3.0}),
    nlp("precision.warmup-both", {"warmup_ratio": 0.1, "warmup_steps": 3}),
    nlp("precision.flatten-grads", {"flatten_param_grads": True}),
    nlp("precision.scale-loss", {"bf16": False, "fp16_opt_level": "O1", "scale_loss": 1024}),
    nlp("parallel.one-card", TP2),
    nlp("parallel.sharding-one-card", STAGE1),
    nlp("parallel.world-not-divisible", {"tensor_parallel_degree": 3}, processes=8),
    nlp("parallel.too-many", {**TP2, "sharding": "stage1", "sharding_parallel_degree": 8}, processes=8),
    nlp("parallel.leftover", {"sharding": "stage1", "sharding_parallel_degree": 3}, processes=8),
    nlp("parallel.sep-and-context", {"sep_parallel_degree": 2, "context_parallel_degree": 2}, processes=4),
    nlp("parallel.expert-tensor", {"expert_tensor_parallel_degree": 2}, processes=4),
    nlp("parallel.topology", {"hybrid_parallel_topo_order": "dp_first"}),
    nlp("parallel.data-config", {"data_parallel_config": "x", **TP2}, processes=2),
    nlp("parallel.static-graph", {"to_static": True}, processes=2),
    nlp("parallel.auto-script", {"enable_auto_parallel": True}),
    nlp("parallel.distributed-loader", {"distributed_dataloader": True}),
    nlp("parallel.tensor-switch", tokens("tensor", "sync_param, sync_grad", **TP2), processes=2),
    nlp("parallel.tensor-switch-alone", tokens("tensor", "enable_mp_skip_c_identity", **TP2), processes=2),
    nlp("parallel.sequence-without-tensor", {"sequence_parallel": True}, "run_pretrain"),
    nlp("parallel.sequence-off", {"sequence_parallel": True}, "run_dpo"),
    nlp("parallel.sequence-alone", {"sequence_parallel": True}),
    nlp("parallel.context-length", {"context_parallel_degree": 2, "max_seq_length": 1023,
        "use_flash_attention": True}, "run_pretrain", processes=2),
    nlp("parallel.context-flash", {"context_parallel_degree": 2}, processes=2),
    nlp("parallel.context-family", {"context_parallel_degree": 2}, processes=2, model_type="qwen2"),
    nlp("parallel.sep-family", {"sep_parallel_degree": 2}, processes=2, model_type="qwen2"),
    nlp("parallel.sep-heads", {"sep_parallel_degree": 16}, processes=16, model=model("llama-3-8b")),
    nlp("parallel.tensor-heads", {"tensor_parallel_degree": 8}, processes=8, model=model("qwen2.5-7b")),
    nlp("parallel.tensor-kv-heads", {"tensor_parallel_degree": 8}, processes=8, model=model("qwen2.5-7b")),
    nlp("parallel.sequence-family", {"sequence_parallel": True, **TP2}, processes=2, model_type="mistral"),
    nlp("sharding.word", {"sharding": "stage4"}, processes=2),
    nlp("sharding.offload-alone", {"sharding": "offload"}, processes=2),
    nlp("sharding.two-stages", {"sharding": "stage1 stage2"}, processes=2),
    nlp("sharding.offload", {"sharding": "stage2 offload"}, processes=2),
    nlp("sharding.pipeline-stage", {"sharding": "stage2", **PP2}, processes=4),
    nlp("sharding.tensor-stage3", {"sharding": "stage3", **TP2}, processes=4),
    nlp("sharding.master-grad-data-parallel", {"sharding": "stage2", "sharding_parallel_degree": 2,
        "amp_master_grad": True}, processes=4),
    nlp("sharding.degree-without-stage", {"sharding_parallel_degree": 2}, processes=4),
    nlp("sharding.degree-one", {**STAGE1, **TP2}, processes=2),
    nlp("sharding.saved-parts", {"sharding": "stage2", "save_sharded_model": True}, processes=2),
    nlp("sharding.loaded-parts", {"sharding": "stage2", "load_sharded_model": True}, processes=2),
    nlp("sharding.switch", tokens("sharding", "faster", **STAGE1), processes=2),
    nlp("sharding.reduce-avg", tokens("sharding", "disable_stage1_reduce_avg", sharding="stage2"),
        processes=2),
    nlp("sharding.split-param", tokens("sharding", "split_param", **STAGE1), processes=2),
    nlp("sharding.split-param-stage", tokens("sharding", "split_param", sharding="stage2",
        amp_master_grad=True),
        processes=2),
    nlp("sharding.pipeline-fusion", tokens("sharding", "enable_stage1_tensor_fusion", **STAGE1, **PP2),
        processes=4),
    nlp("sharding.stage2-overlap", tokens("sharding", "enable_stage2_overlap", **STAGE1), processes=2),
    nlp("sharding.broadcast-overlap", tokens("sharding", "enable_stage1_broadcast_overlap", **STAGE1),
        processes=2),
    nlp("sharding.allgather-overlap", tokens("sharding", "enable_stage1_allgather_overlap", logging_steps=5,
        **STAGE1), processes=2),
    nlp("sharding.overlap-lora", tokens("sharding", "enable_stage1_overlap", lora=True, **STAGE1),
        processes=2),
    nlp("moe.expert-needs-sharding", {"expert_parallel_degree": 2}, processes=4),
    nlp("moe.expert-divides-sharding", {"expert_parallel_degree": 4, "sharding": "stage1",
        "sharding_parallel_degree": 2}, processes=2),
    nlp("moe.expert-family", {"expert_parallel_degree": 2, **STAGE1}, processes=2, model_type="llama"),
    nlp("moe.fp16-pipeline-experts", {"use_expert_parallel": True, "fp16": True, "bf16": False, **PP2},
        processes=2),
    nlp("pipeline.switch", tokens("pipeline", "faster", **PP2), processes=2),
    nlp("pipeline.both-overlaps", tokens("pipeline", "enable_dp_comm_overlap", **PP2), processes=4),
    nlp("pipeline.overlap-master-grad", tokens("pipeline", "enable_sharding_comm_overlap", **PP2, **STAGE1),
        processes=4),
    nlp("pipeline.evaluation-batch", {"do_eval": True, "evaluation_strategy": "epoch",
        "gradient_accumulation_steps": 4, **PP2}, processes=2),
    nlp("pipeline.family", PP2, processes=2, model_type="mistral"),
    nlp("pipeline.virtual-without", {"virtual_pp_degree": 2}, processes=2),
    nlp("pipeline.virtual-blocks", {"virtual_pp_degree": 3, **PP2}, processes=2, model=model("llama-3-8b")),
    nlp("pipeline.recompute-interval", {"pp_recompute_interval": 20, **PP2}, processes=2,
        model=model("llama-3-8b")),
    nlp("pipeline.few-micro-batches", PP2, processes=2),
    nlp("pipeline.generation", {"do_eval": True, "eval_with_do_generation": True, **PP2}, processes=2),
    nlp("pipeline.no-recompute-layers", {"no_recompute_layers": [0, 1], **PP2}, processes=2),
    nlp("pipeline.preference-cache", PP2, "run_dpo", processes=2),
    nlp("pipeline.preference-partial", tokens("pipeline", "enable_clear_every_step_cache",
        sequence_parallel=True,
        **PP2, **TP2), "run_dpo", processes=4),
    nlp("pipeline.preference-family", PP2, "run_dpo", processes=2, model_type="qwen2_moe"),
    nlp("pipeline.kto", PP2, "run_kto", processes=2),
    nlp("pipeline.reward", PP2, "run_reward", processes=2),
    nlp("method.two-methods", {"lora": True, "prefix_tuning": True}),
    nlp("method.lora-rank", {"lora": True, "lora_rank": 0}),
    nlp("method.lora-family", {"lora": True}, model_type="gemma"),
    nlp("method.lora-pipeline-family", {"lora": True, **PP2}, processes=2, model_type="qwen"),
    nlp("method.prefix-pipeline", {"prefix_tuning": True, **PP2}, processes=2),
    nlp("method.prefix-family", {"prefix_tuning": True}, model_type="qwen2_moe"),
    nlp("method.vera-split", {"vera": True, **TP2}, processes=2),
    nlp("method.lokr-split", {"lokr": True, **PP2}, processes=2),
    nlp("method.mora-split", {"lora": True, "use_mora": True, **TP2}, processes=2),
    nlp("method.mixer-split", {"lora": True, "lora_use_mixer": True, **TP2}, processes=2),
    nlp("method.pissa-tensor", {"lora": True, "pissa": True, **TP2}, processes=2),
    nlp("method.reft-tensor", {"reft": True, **TP2}, processes=2),
    nlp("method.reft-cpu", {"reft": True, "device": "cpu"}),
    nlp("method.ssa-family", {"use_ssa": True}, model_type="qwen2"),
    nlp("method.long-strategy", {"use_long_sequence_strategies": True}),
    nlp("method.lora-rank-unused", {"lora_rank": 16}),
    nlp("quantisation.algorithm", {"weight_quantize_algo": "int3", "lora": True}),
    nlp("quantisation.tensor-lora", {"weight_quantize_algo": "nf4", "lora": True, **TP2}, processes=2),
    nlp("quantisation.int8-lora", {"weight_quantize_algo": "llm.int8", "lora": True}),
    nlp("quantisation.without-adapter", {"weight_quantize_algo": "nf4"}),
    nlp("quantisation.cpu", {"weight_quantize_algo": "nf4", "lora": True, "device": "cpu"}),
    nlp("quantisation.sequence-parallel", {"weight_quantize_algo": "weight_only_int8", "lora": True,
        "sequence_parallel": True, **TP2}, processes=2),
    nlp("quantisation.block-size", {"weight_double_quant": True}),
    nlp("kernels.use-flash-attention-cpu", {"use_flash_attention": True, "device": "cpu"}),
    nlp("kernels.flash-mask-cpu", {"flash_mask": True, "device": "cpu"}),
    nlp("kernels.use-fused-rms-norm-cpu", {"use_fused_rms_norm": True, "device": "cpu"}),
    nlp("kernels.use-fused-linear-cross-entropy-cpu", {"use_fused_linear_cross_entropy": True,
        "device": "cpu"}),
    nlp("kernels.enable-linear-fused-grad-add-cpu", {"enable_linear_fused_grad_add": True, "device": "cpu"},
        "run_pretrain"),
    nlp("kernels.use-fast-layer-norm-cpu", {"use_fast_layer_norm": True, "device": "cpu"}),
    nlp("kernels.block-attn-cpu", {"block_attn": True, "device": "cpu"}, "predictor"),
    nlp("kernels.append-attn-cpu", {"append_attn": True, "device": "cpu"}, "predictor"),
    nlp("kernels.rope-cpu", {"use_fused_rope": True, "device": "cpu"}),
    nlp("kernels.device", {}, device="cpu"),
    nlp("kernels.flash-old-card", {"use_flash_attention": True, "bf16": False, "fp16": True}, capability=7.0),
    nlp("kernels.flash-float32", {"use_flash_attention": True, "bf16": False, "fp16_opt_level": "O1"}),
    nlp("kernels.flash-mask-forces", {"flash_mask": True}),
    nlp("kernels.flash-mask-family", {"flash_mask": True}, "run_kto", model_type="mistral"),
    nlp("kernels.fused-loss-tensor", {"use_fused_linear_cross_entropy": True, **TP2}, processes=2),
    nlp("kernels.fused-loss-family", {"use_fused_linear_cross_entropy": True}, model_type="bloom"),
    nlp("kernels.fused-norm-family", {"use_fused_rms_norm": True}, model_type="bloom"),
    nlp("kernels.fused-rope-family", {"use_fused_rope": True}, model_type="bloom"),
    nlp("kernels.fuse-qkv-family", {"fuse_attention_qkv": True}, model_type="mistral"),
    nlp("kernels.fuse-ffn-family", {"fuse_attention_ffn": True}, model_type="mistral"),
    nlp("kernels.fuse-qkv-heads", {"fuse_attention_qkv": True, "tensor_parallel_degree": 16}, processes=16,
        model=model("llama-3-8b")),
    nlp("kernels.fuse-ffn-lora", {"fuse_attention_ffn": True, "lora": True}, model_type="qwen2"),
    nlp("kernels.preference-fuse", {"fuse_attention_ffn": True}, "run_dpo"),
    nlp("kernels.recompute-granularity", {"recompute": True, "recompute_granularity": "core_attn"},
        model_type="mistral"),
    nlp("kernels.refined-syntax", {"recompute": True, "refined_recompute": "flash_attn"}),
    nlp("kernels.refined-tensor", {"recompute": True, "refined_recompute": "mlp_row_ln:1"}),
    nlp("kernels.refined-reentrant", {"recompute": True, "refined_recompute": "flash_attn:1",
        "recompute_use_reentrant": True}),
    nlp("kernels.refined-family", {"recompute": True, "refined_recompute": "flash_attn:1"},
        model_type="bloom"),
    nlp("kernels.refined-off", {"refined_recompute": "flash_attn:1"}),
    nlp("kernels.offload-inputs", {"offload_recompute_inputs": True}),
    nlp("kernels.offload-optimizer-cpu", {"offload_optim": True, "device": "cpu"}),
    nlp("data.model-missing", {"model_name_or_path": "REMOVED"}),
    nlp("data.dataset-missing", {"dataset_name_or_path": "REMOVED"}),
    nlp("data.input-missing", {"input_dir": "REMOVED"}, "run_pretrain"),
    nlp("data.pretrain-steps", {"max_steps": -1}, "run_pretrain"),
    nlp("data.lazy-steps", {"lazy": True}),
    nlp("data.greedy-without-packing", {"greedy_zero_padding": True}),
    nlp("data.prompt-length", {"src_length": 2048}),
    nlp("data.prompt-length-preference", {"max_prompt_len": 4096}, "run_dpo"),
    nlp("data.save-generation", {"save_generation_output": True}),
    nlp("data.pose", {"use_pose_convert": True}),
    nlp("data.tokenizer", {"tokenizer_name_or_path": "t"}),
    nlp("data.max-seq-length", {"max_seq_length": 4096}),
    nlp("data.nothing-to-do", {"do_train": False}),
    nlp("data.batch-size", {"per_device_train_batch_size": 0}),
    nlp("data.embedding-family", {}, "run_embedding", model_type="llama"),
    nlp("data.reward-family", {"process_reward": True}, "run_reward", model_type="qwen2"),
    nlp("evaluation.strategy-reset", {"do_eval": True}),
    nlp("evaluation.steps-missing", {"evaluation_strategy": "steps", "logging_steps": -1}),
    nlp("evaluation.logging-steps", {"logging_steps": 0}),
    nlp("evaluation.best-strategy", {"load_best_model_at_end": True, "evaluation_strategy": "epoch"}),
    nlp("evaluation.best-steps", {"load_best_model_at_end": True, "evaluation_strategy": "steps",
        "eval_steps": 3,
        "save_steps": 10}),
    nlp("evaluation.embedding", {"do_eval": True}, "run_embedding"),
    nlp("evaluation.generation-packing", {"eval_with_do_generation": True, "zero_padding": True}),
    nlp("checkpoints.unified-stage3", {"unified_checkpoint": True, "sharding": "stage3"}, processes=2),
    nlp("checkpoints.unified-option", {"unified_checkpoint": True, "unified_checkpoint_config": "fast"}),
    nlp("checkpoints.unified-exclusive", {"unified_checkpoint": True,
        "unified_checkpoint_config": "skip_save_model_weight ignore_merge_optimizer"}),
    nlp("checkpoints.unified-off", {"unified_checkpoint_config": "async_save"}),
    nlp("checkpoints.unified-method", {"unified_checkpoint": True, "vera": True}),
    nlp("checkpoints.ordered-async", {"ordered_save_group_size": 1, "use_async_save": True}),
    nlp("checkpoints.ordered-tensor", {"ordered_save_group_size": 3, **TP2}, processes=2),
    nlp("preference.loss", {"loss_type": "ppo"}, "run_dpo"),
    nlp("preference.reference-free", {"loss_type": "dpop", "reference_free": True}, "run_dpo"),
    nlp("preference.reference-forced", {"loss_type": "simpo"}, "run_dpo"),
    nlp("preference.simpo-gamma", {"simpo_gamma": 1.0}, "run_dpo"),
    nlp("preference.dpop-lambda", {"dpop_lambda": 5.0}, "run_dpo"),
    nlp("preference.quantised", {"weight_quantize_algo": "nf4"}, "run_dpo"),
    nlp("preference.lora-alpha", {"lora_alpha": 32}, "run_kto"),
    nlp("preference.epochs", {"max_steps": 10, "num_train_epochs": 3}, "run_dpo"),
    nlp("preference.family", {}, "run_dpo", model_type="opt"),
    nlp("quantisation.several", {"do_gptq": True}, "run_quantization"),
    nlp("quantisation.none", {"do_ptq": False}, "run_quantization"),
    nlp("quantisation.qat", {"do_ptq": False, "do_qat": True}, "run_quantization"),
    nlp("quantisation.type", {"quant_type": "int3"}, "run_quantization"),
    nlp("quantisation.fp8-card", {"quant_type": "a8w8_fp8"}, "run_quantization", capability=8.0),
    nlp("quantisation.smooth-family", {"smooth": True}, "run_quantization", model_type="mistral"),
    nlp("quantisation.smooth-parts", {"smooth_step": 16}, "run_quantization"),
    nlp("predict.dtype", {"dtype": "REMOVED"}, "predictor"),
    nlp("predict.mode", {"mode": "eager"}, "predictor"),
    nlp("predict.strategy", {"decode_strategy": "greedy"}, "predictor"),
    nlp("predict.total-length", {"src_length": 4000}, "predictor"),
    nlp("predict.append", {"append_attn": True}, "predictor"),
    nlp("predict.output-path", {"output_path": "REMOVED"}, "export_model"),
    nlp("predict.fused-family", {"inference_model": True}, "predictor", model_type="gemma"),
)  # fmt: skip
"""One config or more for every rule of PaddleNLP."""
