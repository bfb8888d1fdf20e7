"""Rules of PaddleNLP about pipeline parallelism."""

from __future__ import annotations

from planner.arguments.case import Case
from planner.arguments.rule import Rule
from planner.language import template

ARGS = "trainer/training_args.py"
SWITCHES = frozenset({
    "disable_p2p_cache_shape", "disable_partial_send_recv", "enable_delay_scale_loss",
    "enable_dp_comm_overlap",
    "enable_sharding_comm_overlap", "enable_timer", "enable_release_grads", "enable_clear_every_step_cache",
    "enable_overlap_p2p_comm", "disable_batch_p2p_comm", "best_unbalanced_scheduler", "use_dualpipev",
})  # fmt: skip
"""Words of `pipeline_parallel_config` (training_args.py:1258-1272)."""
OVERLAPS = frozenset({"enable_sharding_comm_overlap", "enable_dp_comm_overlap"})


def piped(case: Case) -> bool:
    """Return whether the blocks are split into stages."""
    return case.degrees.hybrid and case.degrees.pipeline > 1


def overlaps(case: Case) -> bool:
    """Return whether the pipeline overlaps gradient communication."""
    return piped(case) and bool(OVERLAPS & set(case.tokens("pipeline_parallel_config")))


def preference_piped(case: Case) -> bool:
    """Return whether preference training runs in a pipeline."""
    return piped(case) and case.script in ("run_dpo", "run_kto")


RULES = (
    Rule(
        "pipeline.switch", "rejects", "pipeline_parallel_config",
        lambda c: piped(c) and not set(c.tokens("pipeline_parallel_config")) <= SWITCHES,
        template("`pipeline_parallel_config` ({pipeline_parallel_config}) has a word that the engine does "
            "not know; after a comma there must be no blank."),
        template("Separate the words by single blanks."), f"{ARGS}:1258-1277",
    ),
    Rule(
        "pipeline.both-overlaps", "rejects", "pipeline_parallel_config",
        lambda c: overlaps(c) and c.degrees.data > 1,
        template("Overlapping gradient communication in the pipeline with data parallelism ({data}) has an "
            "accuracy fault, and the engine refuses it."),
        template("Remove enable_dp_comm_overlap and enable_sharding_comm_overlap."), f"{ARGS}:1320",
    ),
    Rule(
        "pipeline.overlap-master-grad", "rejects", "pipeline_parallel_config",
        lambda c: overlaps(c) and c.degrees.sharding > 1 and not (c["amp_master_grad"] and c.half),
        template("enable_sharding_comm_overlap needs `amp_master_grad`."),
        template("Set `amp_master_grad` to true."), f"{ARGS}:1303",
    ),
    Rule(
        "pipeline.evaluation-batch", "notes", "per_device_eval_batch_size",
        lambda c: piped(c) and c.evaluates
        and c.number("per_device_train_batch_size") * c.number("gradient_accumulation_steps")
        != c.number("per_device_eval_batch_size"),
        template("In a pipeline, evaluation uses the training batch: `per_device_eval_batch_size` becomes "
            "`per_device_train_batch_size` x `gradient_accumulation_steps`."),
        "", f"{ARGS}:1323-1335",
    ),
    Rule(
        "pipeline.family", "fails", "pipeline_parallel_degree",
        lambda c: piped(c) and c.family and not c.family.pipeline,
        template("The engine has no pipeline version of {model_type}."),
        template("Set `pipeline_parallel_degree` to 1."), "trainer/trainer.py:374-379",
    ),
    Rule(
        "pipeline.virtual-without", "ignored", "virtual_pp_degree",
        lambda c: c.number("virtual_pp_degree", 1) > 1 and c.degrees.pipeline <= 1 and c.world.processes > 1,
        template("`virtual_pp_degree` {virtual_pp_degree} needs pipeline parallelism, which is off."),
        template("Remove it."), "transformers/configuration_utils.py:248",
    ),
    Rule(
        "pipeline.virtual-blocks", "fails", "virtual_pp_degree",
        lambda c: piped(c) and c.world.model and c.degrees.virtual > 1
        and c.world.model.num_hidden_layers % (c.degrees.pipeline * c.degrees.virtual),
        template("{blocks} blocks do not divide into {pipeline} stages x {virtual} virtual stages."),
        template("Set `virtual_pp_degree` to 1."), "transformers/qwen2/modeling_pp.py:332",
    ),
    Rule(
        "pipeline.recompute-interval", "fails", "pp_recompute_interval",
        lambda c: piped(c) and c.world.model and c.number("pp_recompute_interval", 1)
        > c.world.model.num_hidden_layers // (c.degrees.pipeline * c.degrees.virtual),
        template("`pp_recompute_interval` {pp_recompute_interval} is more than the blocks of one stage "
            "({blocks} blocks in {pipeline} x {virtual} stages)."),
        template("Set it to 1."), "transformers/qwen2/modeling_pp.py:332",
    ),
    Rule(
        "pipeline.few-micro-batches", "warns", "gradient_accumulation_steps",
        lambda c: piped(c) and c.number("gradient_accumulation_steps", 1) < c.degrees.pipeline,
        template("{gradient_accumulation_steps} micro-batches cannot fill a pipeline of {pipeline} stages: "
            "most stages wait."),
        template("Set `gradient_accumulation_steps` to {pipeline} or more."), "arXiv:1811.06965, section "
            "2.3",
    ),
    Rule(
        "pipeline.generation", "fails", "eval_with_do_generation",
        lambda c: piped(c) and c["eval_with_do_generation"] and c["do_eval"],
        template("Evaluation by generation does not work in a pipeline."),
        template("Turn `eval_with_do_generation` off."), "llm/run_finetune.py:230-232",
    ),
    Rule(
        "pipeline.no-recompute-layers", "fails", "no_recompute_layers",
        lambda c: piped(c) and c["no_recompute_layers"] and c["recompute_granularity"] == "full",
        template("`no_recompute_layers` must be empty in a pipeline with full recomputation."),
        template("Remove it."), "transformers/qwen2/modeling_pp.py:279",
    ),
    Rule(
        "pipeline.preference-cache", "fails", "pipeline_parallel_config",

               lambda c: preference_piped(c)
        and "enable_clear_every_step_cache" not in c.tokens("pipeline_parallel_config"),
        template("Preference batches change their shape, so a pipeline needs enable_clear_every_step_cache "
            "in `pipeline_parallel_config`."),
        template("Add enable_clear_every_step_cache."), "llm/alignment/dpo/run_dpo.py:78-91",
    ),
    Rule(
        "pipeline.preference-partial", "fails", "pipeline_parallel_config",
        lambda c: preference_piped(c) and c["sequence_parallel"]
        and "disable_partial_send_recv" not in c.tokens("pipeline_parallel_config"),
        template("Preference training with a pipeline and sequence parallelism needs "
            "disable_partial_send_recv in `pipeline_parallel_config`."),
        template("Add disable_partial_send_recv."), "llm/alignment/dpo/run_dpo.py:78-91",
    ),
    Rule(
        "pipeline.preference-family", "fails", "pipeline_parallel_degree",
        lambda c: piped(c) and c.family and not c.family.preference_pipeline,
        template("The pipeline version of {model_type} has no preference loss."),
        template("Set `pipeline_parallel_degree` to 1."), "transformers/*/modeling_pp.py "
            "get_loss_fn", ("run_dpo",),
    ),
    Rule(
        "pipeline.kto", "fails", "pipeline_parallel_degree", piped,
        template("No pipeline version of any model knows the KTO loss."),
        template("Set `pipeline_parallel_degree` to 1."), "transformers/*/modeling_pp.py "
            "get_loss_fn", ("run_kto",),
    ),
    Rule(
        "pipeline.reward", "fails", "pipeline_parallel_degree", piped,
        template("Reward and embedding models cannot be trained in a pipeline."),
        template("Set `pipeline_parallel_degree` to 1."),
        "llm/alignment/rm/flashmask/run_reward.py:156; "
        "llm/run_embedding.py:59", ("run_reward", "run_embedding"),
    ),
)  # fmt: skip
"""Rules about pipelines."""
