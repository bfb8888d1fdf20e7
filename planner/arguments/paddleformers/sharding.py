"""Rules of PaddleFormers about sharding and pipelines, where sharding is on by default."""

from __future__ import annotations

from planner.arguments import degrees
from planner.arguments.case import Case
from planner.arguments.paddlenlp import pipeline as nlp_pipeline
from planner.arguments.paddlenlp.sharding import SWITCHES
from planner.arguments.rule import Rule
from planner.language import template

ARGS = "trainer/training_args.py"
PIPELINE_SWITCHES = nlp_pipeline.SWITCHES | {
    "enable_offload_queue", "forward_backward_overlap_scheduler", "enable_dynamic_shape",
    "sync_moment", "sync_param",
}  # fmt: skip
"""Words of `pipeline_parallel_config` (training_args.py:1956-1974)."""


def words(case: Case) -> tuple[str, ...]:
    """Return the words of `sharding`: nothing is sharded over one process, and a degree of 1 drops it."""
    return degrees.words(case["sharding"]) if case.world.processes > 1 else ()


def active(case: Case) -> bool:
    """Return whether optimizer states are sharded over more than one process."""
    return case.degrees.hybrid and case.degrees.sharding > 1


def piped(case: Case) -> bool:
    """Return whether the blocks are split into stages."""
    return case.degrees.hybrid and case.degrees.pipeline > 1


def overlaps(case: Case) -> bool:
    """Return whether the pipeline overlaps gradient communication."""
    return piped(case) and bool(case["pp_sharding_comm_overlap"] or case["dp_comm_overlap"])


RULES = (
    Rule(
        "sharding.word", "rejects", "sharding", lambda c: set(words(c)) - set(degrees.STAGES),
        template("`sharding` is {sharding}; it is stage1, stage2 or stage3, with offload after it if "
            "wanted."),
        template("Use stage1."), f"{ARGS}:2764",
    ),
    Rule(
        "sharding.offload-alone", "rejects", "sharding", lambda c: words(c) == ("offload",),
        template("`sharding` offload cannot stand alone."), template("Use stage2 offload, or remove it."),
        f"{ARGS}:2766",
    ),
    Rule(
        "sharding.two-stages", "rejects", "sharding",
        lambda c: sum(word != "offload" for word in words(c)) > 1,
        template("`sharding` names more than one stage ({sharding})."), template("Keep one "
            "stage."), f"{ARGS}:2771",
    ),
    Rule(
        "sharding.offload", "ignored", "sharding", lambda c: c.degrees.hybrid and c.degrees.offload,
        template("The engine warns that `sharding` offload is not supported now; the states stay on the "
            "card."),
        template("Use `tensorwise_offload_optimizer` instead."), f"{ARGS}:1940",
    ),
    Rule(
        "sharding.degree-without-stage", "warns", "sharding_parallel_size",
        lambda c: c.world.processes > 1 and c.degrees.sharding > 1 and not words(c),
        template("`sharding_parallel_size` {sharded} without `sharding` shards nothing, but takes those "
            "processes out of data parallelism."),
        template("Set `sharding` to stage1."), f"{ARGS}:2787",
    ),
    Rule(
        "sharding.pipeline-stage", "rejects", "sharding", lambda c: piped(c) and c.degrees.stage in (2, 3),
        template("Pipeline parallelism ({pipeline}) works with sharding stage 1 only, and stage {zero} is "
            "asked."),
        template("Use stage1."), f"{ARGS}:1943",
    ),
    Rule(
        "sharding.tensor-stage3", "fails", "sharding",
        lambda c: c.degrees.tensor > 1 and c.degrees.pipeline <= 1 and c.degrees.stage == 3,
        template("Tensor parallelism ({tensor}) works with sharding stage 1 or 2, and stage 3 is asked: "
            "the trainer stops when it wraps the model."),
        template("Use stage2."), "trainer/trainer.py:3810",
    ),
    Rule(
        "sharding.optimizer-offload", "rejects", "tensorwise_offload_optimizer",
        lambda c: c["tensorwise_offload_optimizer"] and c.degrees.data > 1,
        template("`tensorwise_offload_optimizer` does not work with data parallelism, and it is {data}."),
        template("Shard over all processes: `sharding_parallel_size` -1."), f"{ARGS}:1907",
    ),
    Rule(
        "sharding.switch", "rejects", "sharding_parallel_config",
        lambda c: active(c) and not set(c.tokens("sharding_parallel_config")) <= SWITCHES,
        template("`sharding_parallel_config` ({sharding_parallel_config}) has a word that the engine does "
            "not know."),
        template("Use the switches of their own, such as `stage1_overlap`."), f"{ARGS}:2232-2245",
    ),
    Rule(
        "sharding.config-old", "ignored", "sharding_parallel_config",
        lambda c: bool(c.text("sharding_parallel_config")),
        template("The words of `sharding_parallel_config` are checked and no longer change anything."),
        template("Use the switches of their own, such as `stage1_overlap`."), f"{ARGS}:2247",
    ),
    Rule(
        "sharding.reduce-avg", "rejects", "stage1_reduce_avg",
        lambda c: active(c) and not c["stage1_reduce_avg"] and words(c) != ("stage1",),
        template("`stage1_reduce_avg` can be turned off with `sharding` stage1 alone, and it is "
            "{sharding}."),
        template("Remove `stage1_reduce_avg`."), f"{ARGS}:2251",
    ),
    Rule(
        "sharding.group-call", "rejects", "sharding_comm_group_call_opt",
        lambda c: active(c) and c["sharding_comm_group_call_opt"] and c["optim"] != "muon",
        template("`sharding_comm_group_call_opt` works with the muon optimizer only."),
        template("Remove it."), f"{ARGS}:2273",
    ),
    Rule(
        "sharding.split-param", "rejects", "split_param",
        lambda c: active(c) and c["split_param"] and not c["amp_master_grad"],
        template("`split_param` (on by default) needs `amp_master_grad`."),
        template("Set `amp_master_grad` to true, or `split_param` to false."), f"{ARGS}:2279",
    ),
    Rule(
        "sharding.stage2-overlap", "rejects", "stage2_overlap",
        lambda c: active(c) and c["stage2_overlap"] and ("stage2" not in words(c)
        or c.number("logging_steps") <= 1),
        template("`stage2_overlap` needs `sharding` stage2 and `logging_steps` above 1 (they are "
            "{sharding} and {logging_steps})."),
        template("Set both, or remove it."), f"{ARGS}:2308",
    ),
    Rule(
        "sharding.broadcast-overlap", "rejects", "stage1_broadcast_overlap",
        lambda c: active(c) and c["stage1_broadcast_overlap"] and ("stage1" not in words(c)
        or c["split_param"]),
        template("`stage1_broadcast_overlap` needs `sharding` stage1 and `split_param` off."),
        template("Set `split_param` to false, or remove it."), f"{ARGS}:2316-2325",
    ),
    Rule(
        "sharding.allgather-overlap", "rejects", "stage1_allgather_overlap",
        lambda c: active(c) and c["stage1_allgather_overlap"] and ("stage1" not in words(c)
        or not c["split_param"]),
        template("`stage1_allgather_overlap` needs `sharding` stage1 and `split_param` on."),
        template("Remove it."), f"{ARGS}:2327-2333",
    ),
    Rule(
        "sharding.overlap-lora", "fails", "stage1_overlap",
        lambda c: active(c) and c["stage1_overlap"] and c.text("fine_tuning").lower() == "lora",
        template("`stage1_overlap` does not work with LoRA when the states are sharded over {sharded} "
            "processes."),
        template("Turn `stage1_overlap` off."), "cli/train/sft/workflow.py:773",
    ),
    Rule(
        "sharding.overlap-pipeline", "notes", "stage1_overlap",
        lambda c: active(c) and piped(c) and (c["stage1_overlap"] or c["stage1_tensor_fusion"]),
        template("Under pipeline parallelism `stage1_overlap` and `stage1_tensor_fusion` do nothing."),
        template("Use `pp_sharding_comm_overlap`."), f"{ARGS}:2296",
    ),
    Rule(
        "pipeline.switch", "rejects", "pipeline_parallel_config",
        lambda c: piped(c) and not set(c.tokens("pipeline_parallel_config")) <= PIPELINE_SWITCHES,
        template("`pipeline_parallel_config` ({pipeline_parallel_config}) has a word that the engine does "
            "not know."),
        template("Use the switches of their own, such as `overlap_p2p_comm`."), f"{ARGS}:1954-1982",
    ),
    Rule(
        "pipeline.config-old", "ignored", "pipeline_parallel_config",
        lambda c: bool(c.text("pipeline_parallel_config")),
        template("The words of `pipeline_parallel_config` are checked and no longer change anything."),
        template("Use the switches of their own, such as `clear_every_step_cache`."), f"{ARGS}:1977",
    ),
    Rule(
        "pipeline.both-overlaps", "rejects", "dp_comm_overlap", lambda c: overlaps(c) and c.degrees.data > 1,
        template("Overlapping gradient communication in the pipeline with data parallelism ({data}) has an "
            "accuracy fault, and the engine refuses it."),
        template("Turn `dp_comm_overlap` and `pp_sharding_comm_overlap` off."), f"{ARGS}:2039",
    ),
    Rule(
        "pipeline.overlap-master-grad", "rejects", "pp_sharding_comm_overlap",
        lambda c: overlaps(c) and c.degrees.sharding > 1 and not c["amp_master_grad"],
        template("`pp_sharding_comm_overlap` needs `amp_master_grad`."),
        template("Set `amp_master_grad` to true."), f"{ARGS}:2007",
    ),
    Rule(
        "pipeline.evaluation-batch", "rejects", "per_device_eval_batch_size",
        lambda c: piped(c) and c.evaluates
        and c["per_device_eval_batch_size"] != c["per_device_train_batch_size"],
        template("In a pipeline with evaluation, `per_device_eval_batch_size` "
            "({per_device_eval_batch_size}) must equal `per_device_train_batch_size` "
            "({per_device_train_batch_size})."),
        template("Set both to {per_device_train_batch_size}."), f"{ARGS}:2042",
    ),
    Rule(
        "pipeline.virtual-without", "notes", "virtual_pipeline_model_parallel_size",
        lambda c: c.number("virtual_pipeline_model_parallel_size", 1) > 1 and c.degrees.pipeline <= 1,
        template("`virtual_pipeline_model_parallel_size` needs pipeline parallelism, which is off."),
        template("Remove it."), "nn/pp_model.py:160",
    ),
    Rule(
        "pipeline.family", "fails", "pipeline_model_parallel_size",
        lambda c: piped(c) and c.family and not c.family.pipeline,
        template("The engine has no pipeline version of {model_type}."),
        template("Set `pipeline_model_parallel_size` to 1."), "transformers/*/modeling.py",
    ),
    Rule(
        "pipeline.preference-cache", "fails", "clear_every_step_cache",
        lambda c: c.degrees.pipeline > 1 and c.preference and not c["clear_every_step_cache"],
        template("Preference batches change their shape, so a pipeline needs `clear_every_step_cache`."),
        template("Set `clear_every_step_cache` to true."), "cli/train/dpo/workflow.py:96",
    ),
    Rule(
        "pipeline.preference-partial", "fails", "partial_send_recv",
        lambda c: c.degrees.pipeline > 1 and c.preference and c["sequence_parallel"]
        and c["partial_send_recv"],
        template("Preference training with a pipeline and sequence parallelism needs `partial_send_recv` "
            "off."),
        template("Set `partial_send_recv` to false."), "cli/train/dpo/workflow.py:102",
    ),
    Rule(
        "pipeline.generation", "fails", "eval_with_do_generation",
        lambda c: c.degrees.pipeline > 1 and c["eval_with_do_generation"] and c["do_eval"],
        template("Evaluation by generation does not work in a pipeline."),
        template("Turn `eval_with_do_generation` off."), "cli/train/sft/workflow.py:366",
    ),
)  # fmt: skip
"""Rules about sharding and pipelines."""
