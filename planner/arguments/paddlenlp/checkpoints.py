"""Rules of PaddleNLP about evaluation and checkpoints."""

from __future__ import annotations

from planner.arguments.case import Case
from planner.arguments.rule import Rule
from planner.language import template

ARGS = "trainer/training_args.py"
OPTIONS = frozenset({
    "skip_save_model_weight", "master_weight_compatible", "remove_master_weight", "async_save",
    "enable_all_options", "ignore_merge_optimizer",
})  # fmt: skip
"""Words of `unified_checkpoint_config`, separated by blanks (training_args.py:1812-1825)."""


def unified(case: Case) -> bool:
    """Return whether unified checkpoints stay on after the parser."""
    return bool(case["unified_checkpoint"]) and not (case.degrees.stage == 3 and case.world.processes > 1)


def unified_words(case: Case) -> set[str]:
    """Return the words of `unified_checkpoint_config`, which blanks alone separate."""
    return {part for part in case.text("unified_checkpoint_config").split(" ") if part}


def eval_steps(case: Case) -> float:
    """Return the evaluation interval: `logging_steps` where none is given."""
    return case.number("eval_steps") or case.number("logging_steps")


RULES = (
    Rule(
        "evaluation.strategy-reset", "notes", "do_eval",
        lambda c: c["do_eval"] and c["evaluation_strategy"] == "no",
        template("`do_eval` is on and `evaluation_strategy` is no: the engine evaluates by steps all the "
            "same."),
        template("Set `evaluation_strategy` to steps or epoch."), f"{ARGS}:1059-1063",
    ),
    Rule(
        "evaluation.steps-missing", "rejects", "evaluation_strategy",
        lambda c: c.evaluation == "steps" and not c.number("eval_steps") and c.number("logging_steps") <= 0,
        template("Evaluation by steps needs `eval_steps` or `logging_steps`, and both are 0."),
        template("Set `eval_steps`."), f"{ARGS}:1067",
    ),
    Rule(
        "evaluation.logging-steps", "rejects", "logging_steps",
        lambda c: c["logging_strategy"] == "steps" and c.number("logging_steps") == 0,
        template("`logging_steps` is 0; logging by steps needs a number."), template("Set `logging_steps` "
            "to 1."),
        f"{ARGS}:1076",
    ),
    Rule(
        "evaluation.best-strategy", "rejects", "load_best_model_at_end",
        lambda c: c["load_best_model_at_end"] and c.evaluation != c["save_strategy"],
        template("`load_best_model_at_end` needs the same strategy for evaluation and saving, and "
            "`save_strategy` is {save_strategy}."),
        template("Use steps for both, or turn `load_best_model_at_end` off."), f"{ARGS}:1080",
    ),
    Rule(
        "evaluation.best-steps", "rejects", "save_steps",
        lambda c: c["load_best_model_at_end"] and c.evaluation == c["save_strategy"] == "steps"
        and eval_steps(c) > 0 and c.number("save_steps") % eval_steps(c) != 0,
        template("With `load_best_model_at_end`, `save_steps` ({save_steps}) must be a multiple of the "
            "evaluation interval."),
        template("Save as often as you evaluate."), f"{ARGS}:1086",
    ),
    Rule(
        "checkpoints.unified-stage3", "warns", "unified_checkpoint",
        lambda c: c["unified_checkpoint"] and c.degrees.stage == 3,
        template("Unified checkpoints do not work with sharding stage 3; the engine turns them off."),
        template("Turn `unified_checkpoint` off, or use stage2."), f"{ARGS}:1806",
    ),
    Rule(
        "checkpoints.unified-option", "rejects", "unified_checkpoint_config",

               lambda c: unified(c) and not unified_words(c) <= OPTIONS,
        template("`unified_checkpoint_config` ({unified_checkpoint_config}) has a word that the engine "
            "does not know; the words are separated by blanks."),
        template("Known are skip_save_model_weight, master_weight_compatible, remove_master_weight, "
            "async_save, enable_all_options and ignore_merge_optimizer."),
        f"{ARGS}:1825",
    ),
    Rule(
        "checkpoints.unified-exclusive", "rejects", "unified_checkpoint_config",
        lambda c: unified(c) and "skip_save_model_weight" in c.text("unified_checkpoint_config")
        and "ignore_merge_optimizer" in c.text("unified_checkpoint_config"),
        template("skip_save_model_weight and ignore_merge_optimizer exclude each other."),
        template("Keep one of them."), f"{ARGS}:1820",
    ),
    Rule(
        "checkpoints.unified-off", "ignored", "unified_checkpoint_config",
        lambda c: c.text("unified_checkpoint_config") != "" and not c["unified_checkpoint"],
        template("`unified_checkpoint_config` does nothing while `unified_checkpoint` is off."),
        template("Turn `unified_checkpoint` on, or remove it."), f"{ARGS}:1810",
    ),
    Rule(
        "checkpoints.unified-method", "fails", "unified_checkpoint",
        lambda c: c["unified_checkpoint"] and any(c[name] for name in ("vera", "lokr", "reft")),
        template("VeRA, LoKr and ReFT adapters cannot be saved as unified checkpoints."),
        template("Turn `unified_checkpoint` "
            "off."), "trainer/unified_checkpoint/unified_checkpoint.py:107-114",
    ),
    Rule(
        "checkpoints.ordered-async", "fails", "ordered_save_group_size",
        lambda c: c.number("ordered_save_group_size") > 0 and c["use_async_save"],
        template("`ordered_save_group_size` and `use_async_save` exclude each other."),
        template("Keep one of them."), "trainer/trainer.py:411",
    ),
    Rule(
        "checkpoints.ordered-tensor", "fails", "ordered_save_group_size",
        lambda c: c.number("ordered_save_group_size") > 0
        and c.degrees.tensor % int(c.number("ordered_save_group_size")) != 0,
        template("Tensor parallelism ({tensor}) must be a multiple of `ordered_save_group_size` "
            "({ordered_save_group_size})."),
        template("Set it to 0."), "trainer/trainer.py:412",
    ),
    Rule(
        "evaluation.embedding", "notes", "do_eval", lambda c: c["do_eval"],
        template("run_embedding.py turns `do_eval` off: embedding training never evaluates."),
        template("Remove `do_eval`."), "llm/run_embedding.py", ("run_embedding",),
    ),
    Rule(
        "evaluation.generation-packing", "notes", "eval_with_do_generation",
        lambda c: c["eval_with_do_generation"] and c["zero_padding"],
        template("Evaluation by generation does not use packed rows; packing is off for the dev set."), "",
        "llm/run_finetune.py:333-337",
    ),
)  # fmt: skip
"""Rules about evaluation and checkpoints."""
