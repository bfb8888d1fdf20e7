"""Rules of PaddleNLP about how processes are split: tensor, pipeline, sequence, context and expert "
"parallelism."""

from __future__ import annotations

from planner.arguments import degrees
from planner.arguments.case import Case
from planner.arguments.rule import Rule
from planner.language import template

ARGS = "trainer/training_args.py"
TENSOR_SWITCHES = frozenset({
    "enable_mp_async_allreduce", "enable_mp_skip_c_identity", "enable_mp_fused_linear_param_grad_add",
    "enable_sp_async_reduce_scatter", "enable_delay_scale_loss", "sync_param", "sync_grad", "sync_moment",
})  # fmt: skip
"""Words of `tensor_parallel_config` (training_args.py:1342-1351)."""


def several(case: Case) -> bool:
    """Return whether more than one process trains."""
    return case.world.processes > 1


def product(case: Case) -> int:
    """Return tensor x pipeline as written, which the engine divides the processes by."""
    return degrees.whole(case["tensor_parallel_degree"]) * degrees.whole(case["pipeline_parallel_degree"])


RULES = (
    Rule(
        "parallel.one-card", "ignored", "tensor_parallel_degree",
        lambda c: not several(c) and max(degrees.whole(c["tensor_parallel_degree"]),
                                         degrees.whole(c["pipeline_parallel_degree"])) > 1,
        template("With one process the engine turns tensor and pipeline parallelism off (asked: "
            "{tensor_parallel_degree} x {pipeline_parallel_degree})."),
        template("Start as many processes as cards, or set both degrees to 1."), f"{ARGS}:1024-1029",
    ),
    Rule(
        "parallel.sharding-one-card", "notes", "sharding",
        lambda c: not several(c) and bool(degrees.words(c["sharding"])),
        template("With one process there is nothing to shard over; the engine turns `sharding` off."),
        "", f"{ARGS}:1024-1029",
    ),
    Rule(
        "parallel.world-not-divisible", "rejects", "tensor_parallel_degree",
        lambda c: several(c) and (product(c) == 0 or c.world.processes % product(c) != 0),
        template("{processes} processes cannot be split into tensor ({tensor}) x pipeline ({pipeline}) "
            "groups."),
        template("Choose degrees whose product divides {processes}."), f"{ARGS}:1148",
    ),
    Rule(
        "parallel.too-many", "fails", "tensor_parallel_degree",
        lambda c: several(c) and c.degrees.data == 0,
        template("The degrees multiply to {product}, but only {processes} processes train: the parser "
            "accepts it, and building the groups fails."),
        template("Lower a degree until the product divides {processes}."), f"{ARGS}:1175",
    ),
    Rule(
        "parallel.leftover", "fails", "sharding_parallel_degree",
        lambda c: several(c) and c.degrees.data > 0
        and c.degrees.data * c.figures["product"] != c.world.processes,
        template("The degrees multiply to {product} and do not divide {processes} processes: some would "
            "belong to no group."),
        template("Choose degrees whose product divides {processes}."), f"{ARGS}:1175",
    ),
    Rule(
        "parallel.sep-and-context", "rejects", "context_parallel_degree",
        lambda c: several(c) and c.degrees.sep > 1 and c.degrees.context > 1,
        template("Segment ({sep}) and context ({context}) parallelism cannot be used together."),
        template("Set one of them to 1."), f"{ARGS}:1152",
    ),
    Rule(
        "parallel.expert-tensor", "rejects", "expert_tensor_parallel_degree",
        lambda c: several(c) and degrees.whole(c["expert_tensor_parallel_degree"]) > 1,
        template("`expert_tensor_parallel_degree` must be 1: splitting single experts is not implemented."),
        template("Remove it."), f"{ARGS}:1143",
    ),
    Rule(
        "parallel.topology", "rejects", "hybrid_parallel_topo_order",
        lambda c: c["hybrid_parallel_topo_order"] not in (None, "pp_first", "sharding_first"),
        template("`hybrid_parallel_topo_order` is {hybrid_parallel_topo_order}; it is pp_first or "
            "sharding_first."),
        template("Remove it: pp_first is the default."), f"{ARGS}:1217",
    ),
    Rule(
        "parallel.data-config", "rejects", "data_parallel_config",
        lambda c: c.degrees.hybrid and c.text("data_parallel_config") != "",
        template("`data_parallel_config` belongs to auto-parallel training; with these degrees it must be "
            "empty."),
        template("Remove it."), f"{ARGS}:1253",
    ),
    Rule(
        "parallel.static-graph", "rejects", "to_static",
        lambda c: c["to_static"] and several(c) and not c["enable_auto_parallel"],
        template("`to_static` trains one process only, and {processes} would train."),
        template("Remove `to_static`, or use the auto-parallel scripts."), f"{ARGS}:1222",
    ),
    Rule(
        "parallel.auto-script", "fails", "enable_auto_parallel",
        lambda c: c["enable_auto_parallel"],
        template("`enable_auto_parallel` needs upstream's auto_parallel scripts; this script trains "
            "without it and stops."),
        template("Remove it."), f"{ARGS}:965",
    ),
    Rule(
        "parallel.distributed-loader", "notes", "distributed_dataloader",
        lambda c: c["distributed_dataloader"] and c.degrees.tensor <= 1 and c.degrees.pipeline <= 1,
        template("`distributed_dataloader` only helps with tensor or pipeline parallelism; the engine "
            "turns it off."),
        "", f"{ARGS}:1229",
    ),
    Rule(
        "parallel.tensor-switch", "rejects", "tensor_parallel_config",
        lambda c: c.degrees.hybrid and c.degrees.tensor > 1
        and not set(c.tokens("tensor_parallel_config")) <= TENSOR_SWITCHES,
        template("`tensor_parallel_config` ({tensor_parallel_config}) has a word that the engine does not "
            "know; after a comma there must be no blank."),
        template("Known are enable_mp_async_allreduce, enable_mp_skip_c_identity, "
            "enable_mp_fused_linear_param_grad_add, enable_sp_async_reduce_scatter, "
            "enable_delay_scale_loss, sync_param, sync_grad and sync_moment."),
        f"{ARGS}:1342-1357",
    ),
    Rule(
        "parallel.tensor-switch-alone", "warns", "tensor_parallel_config",
        lambda c: c.degrees.tensor > 1
        and {"enable_mp_skip_c_identity",
        "enable_mp_fused_linear_param_grad_add"} & set(c.tokens("tensor_parallel_config"))
        and "enable_mp_async_allreduce" not in c.tokens("tensor_parallel_config"),
        template("enable_mp_skip_c_identity and enable_mp_fused_linear_param_grad_add only work together "
            "with enable_mp_async_allreduce."),
        template("Add enable_mp_async_allreduce, or remove them."), f"{ARGS}:1366-1373",
    ),
    Rule(
        "parallel.sequence-without-tensor", "fails", "sequence_parallel",
        lambda c: c["sequence_parallel"] and c.degrees.tensor <= 1,
        template("`sequence_parallel` works inside tensor parallelism, and `tensor_parallel_degree` is 1: "
            "run_pretrain.py stops."),
        template("Turn `sequence_parallel` off."), "llm/run_pretrain.py:438", ("run_pretrain",),
    ),
    Rule(
        "parallel.sequence-off", "notes", "sequence_parallel",
        lambda c: c["sequence_parallel"] and c.degrees.tensor <= 1,
        template("`sequence_parallel` works inside tensor parallelism, and `tensor_parallel_degree` is 1: "
            "it is turned off."),
        template("Turn `sequence_parallel` "
            "off."), "llm/alignment/dpo/run_dpo.py:78-91", ("run_dpo", "run_kto"),
    ),
    Rule(
        "parallel.sequence-alone", "warns", "sequence_parallel",
        lambda c: c["sequence_parallel"] and c.degrees.tensor <= 1,
        template("`sequence_parallel` works inside tensor parallelism, and `tensor_parallel_degree` is 1; "
            "it only pads every row to `max_length`."),
        template("Turn `sequence_parallel` off."), "llm/run_finetune.py:300-310", ("run_finetune",),
    ),
    Rule(
        "parallel.context-length", "fails", "context_parallel_degree",
        lambda c: c.degrees.context > 1 and c.has("max_seq_length")
        and c.number("max_seq_length") % c.degrees.context != 0,
        template("{max_seq_length} tokens do not divide into {context} context-parallel parts."),
        template("Choose a length that is a multiple of "
            "{context}."), "llm/run_pretrain.py:443", ("run_pretrain",),
    ),
    Rule(
        "parallel.context-flash", "fails", "context_parallel_degree",
        lambda c: c.degrees.context > 1 and c.has("use_flash_attention") and not c["use_flash_attention"],
        template("Context parallelism is ring attention over FlashAttention, and `use_flash_attention` is "
            "off."),
        template("Turn `use_flash_attention` on."), "transformers/llama/modeling.py:254",
    ),
    Rule(
        "parallel.context-family", "fails", "context_parallel_degree",
        lambda c: c.degrees.context > 1 and c.family and not c.family.context_parallel,
        template("Context parallelism exists for llama only, not for {model_type}."),
        template("Set `context_parallel_degree` to 1."), "transformers/llama/modeling.py:1714",
    ),
    Rule(
        "parallel.sep-family", "fails", "sep_parallel_degree",
        lambda c: c.degrees.sep > 1 and c.family and not c.family.sep_parallel,
        template("Segment parallelism exists for llama and gemma only, not for {model_type}."),
        template("Set `sep_parallel_degree` to 1."), "transformers/llama/modeling.py:864",
    ),
    Rule(
        "parallel.sep-heads", "fails", "sep_parallel_degree",
        lambda c: c.degrees.sep > 1 and c.world.model
        and (c.world.model.num_attention_heads % c.degrees.sep
        or c.world.model.num_key_value_heads % c.degrees.sep),
        template("{heads} query and {kv_heads} key/value heads do not divide by segment parallelism "
            "{sep}."),
        template("Choose a degree that divides both."), "transformers/llama/modeling.py:864",
    ),
    Rule(
        "parallel.tensor-heads", "fails", "tensor_parallel_degree",
        lambda c: c.degrees.tensor > 1 and c.world.model
        and c.world.model.num_attention_heads % c.degrees.tensor,
        template("{heads} attention heads do not divide by tensor parallelism {tensor}."),
        template("Choose a degree that divides {heads}."), "transformers/llama/modeling.py:724",
    ),
    Rule(
        "parallel.tensor-kv-heads", "fails", "tensor_parallel_degree",
        lambda c: c.degrees.tensor > 1 and c.world.model and c.family and c.family.kv_heads_must_divide
        and c.world.model.num_key_value_heads % c.degrees.tensor,
        template("{kv_heads} key/value heads do not divide by tensor parallelism {tensor}, which "
            "{model_type} needs."),
        template("Choose a degree that divides {kv_heads}."), "transformers/qwen2/modeling.py:536",
    ),
    Rule(
        "parallel.sequence-family", "ignored", "sequence_parallel",
        lambda c: c["sequence_parallel"] and c.degrees.tensor > 1 and c.family
        and not c.family.sequence_parallel,
        template("The layers of {model_type} do not know sequence parallelism."),
        template("Turn `sequence_parallel` off."), "transformers/*/modeling.py: sequence_parallel",
    ),
)  # fmt: skip
"""Rules about tensor, sequence, segment and context parallelism."""
