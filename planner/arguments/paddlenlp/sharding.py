"""Rules of PaddleNLP about sharding (ZeRO) and expert parallelism, which lives inside the sharding "
"group."""

from __future__ import annotations

from planner.arguments import degrees
from planner.arguments.case import Case
from planner.arguments.rule import Rule
from planner.language import template

ARGS = "trainer/training_args.py"
SWITCHES = frozenset({
    "enable_stage1_tensor_fusion", "enable_stage1_overlap", "enable_stage2_overlap", "split_param",
    "disable_stage1_reduce_avg", "enable_stage1_broadcast_overlap", "enable_stage1_allgather_overlap",
    "enable_release_grads", "enable_fuse_optimizer_states",
})  # fmt: skip
"""Words of `sharding_parallel_config` (training_args.py:1461-1471)."""


def words(case: Case) -> tuple[str, ...]:
    """Return the words of `sharding` as the parser sees them: nothing is sharded over one process."""
    return degrees.words(case["sharding"]) if case.world.processes > 1 else ()


def active(case: Case) -> bool:
    """Return whether optimizer states are sharded over more than one process."""
    return case.degrees.hybrid and case.degrees.sharding > 1


def has(case: Case, switch: str) -> bool:
    """Return whether an active sharding has a switch on."""
    return active(case) and switch in case.tokens("sharding_parallel_config")


def stages(case: Case) -> int:
    """Return how many stages `sharding` names."""
    return sum(word != "offload" for word in words(case))


RULES = (
    Rule(
        "sharding.word", "rejects", "sharding", lambda c: set(words(c)) - set(degrees.STAGES),
        template("`sharding` is {sharding}; it is stage1, stage2 or stage3, with offload after it if "
            "wanted."),
        template("Use stage1."), f"{ARGS}:1113",
    ),
    Rule(
        "sharding.offload-alone", "rejects", "sharding", lambda c: words(c) == ("offload",),
        template("`sharding` offload cannot stand alone."), template("Use stage2 offload, or remove it."),
        f"{ARGS}:1115",
    ),
    Rule(
        "sharding.two-stages", "rejects", "sharding", lambda c: stages(c) > 1,
        template("`sharding` names more than one stage ({sharding})."), template("Keep one "
            "stage."), f"{ARGS}:1121",
    ),
    Rule(
        "sharding.offload", "ignored", "sharding", lambda c: c.degrees.hybrid and c.degrees.offload,
        template("The engine warns that `sharding` offload is not supported now; the states stay on the "
            "card."),
        template("Use `offload_optim` instead."), f"{ARGS}:1241",
    ),
    Rule(
        "sharding.pipeline-stage", "rejects", "sharding",
        lambda c: c.degrees.hybrid and c.degrees.pipeline > 1 and c.degrees.stage in (2, 3),
        template("Pipeline parallelism ({pipeline}) works with sharding stage 1 only, and stage {zero} is "
            "asked."),
        template("Use stage1."), f"{ARGS}:1244",
    ),
    Rule(
        "sharding.tensor-stage3", "fails", "sharding",
        lambda c: c.degrees.tensor > 1 and c.degrees.pipeline <= 1 and c.degrees.stage == 3,
        template("Tensor parallelism ({tensor}) works with sharding stage 1 or 2, and stage 3 is asked: "
            "the trainer stops when it wraps the model."),
        template("Use stage2."), "trainer/trainer.py:2197-2201",
    ),
    Rule(
        "sharding.master-grad-data-parallel", "fails", "amp_master_grad",
        lambda c: c.degrees.stage in (2, 3) and c["amp_master_grad"] and c.half and c.degrees.data != 1,
        template("Sharding stage {zero} with `amp_master_grad` needs data parallelism 1, and it is "
            "{data}."),
        template("Shard over all processes: set `sharding_parallel_degree` to {processes} divided by the "
            "other degrees."),
        "trainer/trainer.py:2229-2232",
    ),
    Rule(
        "sharding.degree-without-stage", "warns", "sharding_parallel_degree",
        lambda c: c.world.processes > 1 and c.degrees.sharding > 1 and not words(c),
        template("`sharding_parallel_degree` {sharded} without `sharding` shards nothing, but takes those "
            "processes out of data parallelism."),
        template("Add `sharding`: stage1."), f"{ARGS}:1131",
    ),
    Rule(
        "sharding.degree-one", "notes", "sharding",
        lambda c: c.world.processes > 1 and bool(words(c)) and c.degrees.sharding == 1,
        template("The other degrees leave a sharding degree of 1, so `sharding` is "
            "dropped."), "", f"{ARGS}:1164",
    ),
    Rule(
        "sharding.saved-parts", "fails", "save_sharded_model",
        lambda c: c["save_sharded_model"] and c.degrees.stage in (2, 3),
        template("`save_sharded_model` works with sharding stage 1 only, and stage {zero} is asked."),
        template("Use stage1, or turn `save_sharded_model` off."), "trainer/trainer.py:2231",
    ),
    Rule(
        "sharding.loaded-parts", "fails", "load_sharded_model",
        lambda c: c["load_sharded_model"] and c.degrees.stage in (2, 3),
        template("`load_sharded_model` works with sharding stage 1 only, and stage {zero} is asked."),
        template("Use stage1, or turn `load_sharded_model` off."), "trainer/trainer.py:2231",
    ),
    Rule(
        "sharding.switch", "rejects", "sharding_parallel_config",
        lambda c: active(c) and not set(c.tokens("sharding_parallel_config")) <= SWITCHES,
        template("`sharding_parallel_config` ({sharding_parallel_config}) has a word that the engine does "
            "not know; after a comma there must be no blank."),
        template("Known are enable_stage1_tensor_fusion, enable_stage1_overlap, enable_stage2_overlap, "
            "split_param, disable_stage1_reduce_avg, enable_stage1_broadcast_overlap, "
            "enable_stage1_allgather_overlap, enable_release_grads and enable_fuse_optimizer_states."),
        f"{ARGS}:1461-1471",
    ),
    Rule(
        "sharding.reduce-avg", "rejects", "sharding_parallel_config",
        lambda c: has(c, "disable_stage1_reduce_avg") and words(c) != ("stage1",),
        template("disable_stage1_reduce_avg works with `sharding` stage1 alone, and it is {sharding}."),
        template("Remove disable_stage1_reduce_avg."), f"{ARGS}:1477",
    ),
    Rule(
        "sharding.split-param", "rejects", "sharding_parallel_config",
        lambda c: has(c, "split_param") and not (c["amp_master_grad"] and c.half),
        template("split_param needs `amp_master_grad` with 16-bit training."),
        template("Set `amp_master_grad` to true."), f"{ARGS}:1495",
    ),
    Rule(
        "sharding.split-param-stage", "warns", "sharding_parallel_config",
        lambda c: has(c, "split_param") and c.degrees.stage != 1,
        template("split_param is made for sharding stage 1, and stage {zero} is asked."),
        template("Use stage1."), f"{ARGS}:1561",
    ),
    Rule(
        "sharding.pipeline-fusion", "notes", "sharding_parallel_config",
        lambda c: active(c) and c.degrees.pipeline > 1
        and {"enable_stage1_tensor_fusion",
        "enable_stage1_overlap"} & set(c.tokens("sharding_parallel_config")),
        template("Under pipeline parallelism enable_stage1_tensor_fusion and enable_stage1_overlap do "
            "nothing."),
        template("Use enable_sharding_comm_overlap in `pipeline_parallel_config`."), f"{ARGS}:1513",
    ),
    Rule(
        "sharding.stage2-overlap", "rejects", "sharding_parallel_config",
        lambda c: has(c, "enable_stage2_overlap") and ("stage2" not in words(c)
        or c.number("logging_steps") <= 1),
        template("enable_stage2_overlap needs `sharding` stage2 and `logging_steps` above 1 (they are "
            "{sharding} and {logging_steps})."),
        template("Set both, or remove the switch."), f"{ARGS}:1524",
    ),
    Rule(
        "sharding.broadcast-overlap", "rejects", "sharding_parallel_config",
        lambda c: has(c, "enable_stage1_broadcast_overlap")
        and ("stage1" not in words(c) or has(c, "split_param") or c.number("logging_steps") <= 1),
        template("enable_stage1_broadcast_overlap needs `sharding` stage1, no split_param, and "
            "`logging_steps` above 1."),
        template("Remove the switch."), f"{ARGS}:1532",
    ),
    Rule(
        "sharding.allgather-overlap", "rejects", "sharding_parallel_config",
        lambda c: has(c, "enable_stage1_allgather_overlap")
        and ("stage1" not in words(c) or not has(c, "split_param") or c.number("logging_steps") <= 1),
        template("enable_stage1_allgather_overlap needs `sharding` stage1, split_param, and "
            "`logging_steps` above 1."),
        template("Remove the switch."), f"{ARGS}:1546",
    ),
    Rule(
        "sharding.overlap-lora", "fails", "sharding_parallel_config",
        lambda c: has(c, "enable_stage1_overlap") and c["lora"],
        template("enable_stage1_overlap does not work with LoRA when the states are sharded over {sharded} "
            "processes."),
        template("Remove enable_stage1_overlap."), "llm/run_finetune.py:535-538",
        ("run_finetune", "run_dpo", "run_kto"),
    ),
    Rule(
        "moe.expert-needs-sharding", "rejects", "expert_parallel_degree",
        lambda c: c.world.processes > 1 and c.degrees.expert > 1 and c.degrees.data > 1,
        template("Expert parallelism ({expert}) works inside the sharding group, so data parallelism must "
            "be 1; it is {data}."),
        template("Shard over the rest: set `sharding` to stage1 and `sharding_parallel_degree` to "
            "-1."), f"{ARGS}:1183",
    ),
    Rule(
        "moe.expert-divides-sharding", "rejects", "expert_parallel_degree",
        lambda c: c.degrees.sharding > 1 and c.degrees.sharding % c.degrees.expert != 0,
        template("The sharding degree ({sharded}) must be a multiple of the expert-parallel degree "
            "({expert})."),
        template("Choose an expert-parallel degree that divides {sharded}."), f"{ARGS}:1170",
    ),
    Rule(
        "moe.expert-family", "ignored", "expert_parallel_degree",
        lambda c: c.degrees.expert > 1 and c.family and not c.family.expert_parallel,
        template("{model_type} has no experts that could be spread over processes."),
        template("Set `expert_parallel_degree` to 1."), "llm/run_finetune.py:179",
    ),
    Rule(
        "moe.fp16-pipeline-experts", "fails", "use_expert_parallel",
        lambda c: c["use_expert_parallel"] and c["fp16"] and c.degrees.pipeline > 1,
        template("`fp16` with pipeline parallelism does not work with `use_expert_parallel`."),
        template("Use `bf16`."), "trainer/trainer.py:1230",
    ),
)  # fmt: skip
"""Rules about sharding and expert parallelism."""
