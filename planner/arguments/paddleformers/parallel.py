"""Rules of PaddleFormers about how processes are split. Context parallelism lies inside the sharding
group, and experts in a group of their own."""

from __future__ import annotations

from planner.arguments import degrees
from planner.arguments.case import Case
from planner.arguments.paddlenlp.parallel import TENSOR_SWITCHES
from planner.arguments.rule import Rule
from planner.language import template

ARGS = "trainer/training_args.py"


def several(case: Case) -> bool:
    """Return whether more than one process trains."""
    return case.world.processes > 1


def product(case: Case) -> int:
    """Return tensor x pipeline as written, which the engine divides the processes by."""
    tensor, pipeline = case["tensor_model_parallel_size"], case["pipeline_model_parallel_size"]
    return degrees.whole(tensor) * degrees.whole(pipeline)


def moe_sharding(case: Case) -> int:
    """Return how many processes share the states of one expert (training_args.py:2824)."""
    split = case.degrees
    return max(case.world.processes // (split.pipeline * split.expert), 1) if split.expert > 1 else 1


RULES = (
    Rule(
        "parallel.one-card", "ignored", "tensor_model_parallel_size",
        lambda c: not several(c) and max(degrees.whole(c["tensor_model_parallel_size"]),
                                         degrees.whole(c["pipeline_model_parallel_size"])) > 1,
        template("With one process the engine turns tensor and pipeline parallelism off (asked: "
            "{tensor_model_parallel_size} x {pipeline_model_parallel_size})."),
        template("Start as many processes as cards, or set both degrees to 1."), f"{ARGS}:1775",
    ),
    Rule(
        "parallel.world-not-divisible", "rejects", "tensor_model_parallel_size",
        lambda c: several(c) and (product(c) == 0 or c.world.processes % product(c) != 0),
        template("{processes} processes cannot be split into tensor ({tensor}) x pipeline ({pipeline}) "
            "groups."),
        template("Choose degrees whose product divides {processes}."), f"{ARGS}:2801",
    ),
    Rule(
        "parallel.too-many", "fails", "sharding_parallel_size",
        lambda c: several(c) and (c.degrees.data == 0
        or c.degrees.data * c.degrees.tensor * c.degrees.pipeline
                                  * c.degrees.sharding * c.degrees.sep != c.world.processes),
        template("Tensor {tensor} x pipeline {pipeline} x sharding {sharded} x segment {sep} does not "
            "divide {processes} processes: building the groups fails."),
        template("Choose degrees whose product divides {processes}."), f"{ARGS}:2820",
    ),
    Rule(
        "parallel.sep-and-context", "rejects", "context_parallel_size",
        lambda c: several(c) and c.degrees.sep > 1 and c.degrees.context > 1,
        template("Segment ({sep}) and context ({context}) parallelism cannot be used together."),
        template("Set one of them to 1."), f"{ARGS}:2805",
    ),
    Rule(
        "parallel.context-sharding", "rejects", "context_parallel_size",
        lambda c: several(c) and c.degrees.hybrid and c.degrees.sharding % c.degrees.context != 0,
        template("The sharding degree ({sharded}) must be a multiple of the context-parallel degree "
            "({context})."),
        template("Choose a context-parallel degree that divides {sharded}."), f"{ARGS}:2979-2995",
    ),
    Rule(
        "parallel.context-without-experts", "fails", "context_parallel_size",
        lambda c: several(c) and c.degrees.context > 1 and c.degrees.expert <= 1,
        template("On Paddle 3.3.1 context parallelism works only together with expert parallelism, and "
            "`expert_model_parallel_size` is {expert}."),
        template("Set `context_parallel_size` to 1."), "paddle distributed/fleet/base/topology.py:769,1351",
    ),
    Rule(
        "parallel.expert-tensor", "rejects", "expert_tensor_model_parallel_size",
        lambda c: several(c) and degrees.whole(c["expert_tensor_model_parallel_size"]) > 1,
        template("`expert_tensor_model_parallel_size` must be 1: splitting single experts is not "
            "implemented."),
        template("Remove it."), f"{ARGS}:2797",
    ),
    Rule(
        "parallel.topology", "rejects", "hybrid_parallel_topo_order",
        lambda c: c["hybrid_parallel_topo_order"] not in (None, "pp_first", "sharding_first"),
        template("`hybrid_parallel_topo_order` is {hybrid_parallel_topo_order}; it is pp_first or "
            "sharding_first."),
        template("Remove it: sharding_first is the default."), f"{ARGS}:2882",
    ),
    Rule(
        "parallel.data-config", "rejects", "data_parallel_config",
        lambda c: c.degrees.hybrid and c["data_parallel_config"] != "",
        template("`data_parallel_config` belongs to auto-parallel training; with these degrees it must be "
            "empty."),
        template("Remove it."), f"{ARGS}:1952",
    ),
    Rule(
        "parallel.static-graph", "rejects", "to_static",
        lambda c: c["to_static"] and several(c) and not c["enable_auto_parallel"],
        template("`to_static` trains one process only, and {processes} would train."),
        template("Remove `to_static`."), f"{ARGS}:1912",
    ),
    Rule(
        "parallel.auto-one-card", "rejects", "enable_auto_parallel",
        lambda c: c["enable_auto_parallel"] and not several(c),
        template("Auto-parallel training needs more than one process."),
        template("Remove `enable_auto_parallel`."), f"{ARGS}:2364",
    ),
    Rule(
        "parallel.auto-static", "rejects", "enable_auto_parallel",
        lambda c: c["enable_auto_parallel"] and several(c) and c["to_static"],
        template("Auto-parallel training does not work with `to_static` yet."),
        template("Remove `to_static`."), f"{ARGS}:2366",
    ),
    Rule(
        "parallel.auto-pipeline", "rejects", "enable_auto_parallel",
        lambda c: c["enable_auto_parallel"] and several(c) and c.degrees.pipeline > 1,
        template("Auto-parallel training does not work with pipeline parallelism ({pipeline}) yet."),
        template("Set `pipeline_model_parallel_size` to 1."), f"{ARGS}:2376",
    ),
    Rule(
        "parallel.distributed-loader", "notes", "distributed_dataloader",
        lambda c: c["distributed_dataloader"] and c.degrees.tensor <= 1 and c.degrees.pipeline <= 1,
        template("`distributed_dataloader` only helps with tensor or pipeline parallelism; the engine "
            "turns it off."),
        "", f"{ARGS}:1919",
    ),
    Rule(
        "parallel.tensor-switch", "rejects", "tensor_parallel_config",
        lambda c: c.degrees.hybrid and c.degrees.tensor > 1
        and not set(c.tokens("tensor_parallel_config")) <= TENSOR_SWITCHES,
        template("`tensor_parallel_config` ({tensor_parallel_config}) has a word that the engine does not "
            "know."),
        template("Use the switches of their own, such as `mp_async_allreduce`."), f"{ARGS}:2057",
    ),
    Rule(
        "parallel.tensor-config-old", "ignored", "tensor_parallel_config",
        lambda c: bool(c.text("tensor_parallel_config")),
        template("The words of `tensor_parallel_config` are checked and no longer change anything."),
        template("Use the switches of their own, such as `mp_async_allreduce`."), f"{ARGS}:2062",
    ),
    Rule(
        "parallel.tensor-switch-alone", "warns", "mp_async_allreduce",
        lambda c: c.degrees.tensor > 1 and not c["mp_async_allreduce"]
        and (c["mp_skip_c_identity"] or c["mp_fused_linear_param_grad_add"]),
        template("`mp_skip_c_identity` and `mp_fused_linear_param_grad_add` only work together with "
            "`mp_async_allreduce`."),
        template("Turn `mp_async_allreduce` on."), f"{ARGS}:2076",
    ),
    Rule(
        "parallel.sequence-alone", "notes", "sequence_parallel",
        lambda c: c["sequence_parallel"] and c.degrees.tensor <= 1,
        template("`sequence_parallel` works inside tensor parallelism, which is off."),
        template("Turn `sequence_parallel` off."), "cli/train/dpo/workflow.py:105",
    ),
    Rule(
        "parallel.tensor-heads", "fails", "tensor_model_parallel_size",
        lambda c: c.degrees.tensor > 1 and c.world.model
        and c.world.model.num_attention_heads % c.degrees.tensor,
        template("{heads} attention heads do not divide by tensor parallelism {tensor}."),
        template("Choose a degree that divides {heads}."), "transformers/*/modeling.py",
    ),
    Rule(
        "moe.expert-switch", "rejects", "use_expert_parallel",
        lambda c: several(c) and c.degrees.hybrid and c.degrees.expert > 1
        and c["use_expert_parallel"] is not True,
        template("Expert parallelism ({expert}) needs `use_expert_parallel`."),
        template("Set `use_expert_parallel` to true."), f"{ARGS}:2204",
    ),
    Rule(
        "moe.expert-data-parallel", "rejects", "expert_model_parallel_size",
        lambda c: several(c) and c.degrees.expert > 1 and c.degrees.data > 1,
        template("Expert parallelism ({expert}) works inside the sharding group, so data parallelism must "
            "be 1; it is {data}."),
        template("Set `sharding_parallel_size` to -1."), f"{ARGS}:2832-2844",
    ),
    Rule(
        "moe.expert-sharding", "rejects", "expert_model_parallel_size",
        lambda c: several(c) and c.degrees.sharding > 1 and moe_sharding(c) > 1
        and c.degrees.sharding % moe_sharding(c) != 0,
        template("The sharding degree ({sharded}) must be a multiple of the processes divided by pipeline "
            "({pipeline}) x expert ({expert}) parallelism."),
        template("Choose other degrees."), f"{ARGS}:2837",
    ),
    Rule(
        "moe.expert-fusion-sharding", "rejects", "moe_expert_fusion",
        lambda c: several(c) and not c.world.least and c["moe_expert_fusion"] and c.degrees.sharding <= 1,
        template("`moe_expert_fusion` needs sharding over more than one process, or checkpoints cannot be "
            "saved; the sharding degree is {sharded}."),
        template("Turn `moe_expert_fusion` off, or use more processes."), f"{ARGS}:2875",
    ),
    Rule(
        "moe.model-expert-switch", "fails", "use_expert_parallel",
        lambda c: c.degrees.data > 1 and not c["use_expert_parallel"] and not c.preference
        and c.world.model_type in ("qwen2_moe", "deepseek_v2", "deepseek_v3"),
        template("{model_type} with data parallelism ({data}) needs `use_expert_parallel`."),
        template("Set `use_expert_parallel` to true."), "cli/train/sft/workflow.py:283-289",
    ),
    Rule(
        "moe.group-sequence", "fails", "moe_group",
        lambda c: c.degrees.pipeline > 1 and c.text("moe_group") in ("mp", "model", "tp", "mpdp")
        and not c["sequence_parallel"],
        template("`moe_group` {moe_group} in a pipeline needs `sequence_parallel`."),
        template("Turn `sequence_parallel` on, or set `moe_group` to dummy."), "nn/pp_model.py:556-563",
    ),
    Rule(
        "moe.subbatch-recompute", "rejects", "moe_subbatch_token_num_before_dispatch",
        lambda c: c.number("moe_subbatch_token_num_before_dispatch") > 0
        and c["recompute_granularity"] == "full",
        template("`moe_subbatch_token_num_before_dispatch` does not work with full recomputation."),
        template("Set `recompute_granularity` to selective and name the modules."), f"{ARGS}:1901",
    ),
    Rule(
        "moe.deep-gemm", "notes", "moe_deep_gemm",
        lambda c: "moe_deep_gemm" in c.given and c["moe_deep_gemm"] and not c["moe_expert_fusion"],
        template("`moe_deep_gemm` acts with `moe_expert_fusion` only, which is off."),
        "", "transformers/configuration_utils.py:397",
    ),
)  # fmt: skip
"""Rules about tensor, sequence, segment, context and expert parallelism."""
