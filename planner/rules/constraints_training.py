"""What engines refuse, or silently leave out, about data, preferences, evaluation and checkpoints."""

from __future__ import annotations

from planner.language import say, template
from planner.methods import methods
from planner.rules.adapters import own_worker
from planner.rules.constraint import Constraint
from planner.rules.constraints_methods import training
from planner.rules.preference import FREE_BY_FORCE, LOSS_OF
from planner.settings import MethodSettings, PreferenceSettings
from planner.situation import Situation
from planner.unused import PACKED_STAGES, PREFERENCE_STAGES, unused

FREE_LOSSES = ("sigmoid", "hinge", "ipo", "or", "simpo")
"""Losses that work without a reference model (trl/dpo_trainer.py:92)."""

NEUTRAL = (False, "none", "")
"""Fixed values that ask for nothing, so that no harm is done when they have no effect."""


def in_vain(s: Situation) -> list[str]:
    """Return the fixed settings of method and preference that have no effect beside the others.

    Those of other groups may stand idle: `eval_steps` without evaluation does no harm, and the plan says so.
    """
    fixed = (name for name, value in s.wishes.pins.items() if value not in NEUTRAL and value != 1.0)
    groups = (MethodSettings, PreferenceSettings)
    return [name for name in fixed if any(name in g.model_fields for g in groups) and unused(s, name)]


def paired(s: Situation) -> bool:
    """Return whether the DPO script runs."""
    return s.wishes.stage in PREFERENCE_STAGES and s.wishes.stage != "kto"


DATA: tuple[Constraint, ...] = (
    Constraint(
        "data.greedy-needs-packing",
        ("greedy_zero_padding", "zero_padding"),
        lambda s: s.flag("greedy_zero_padding") and not s.flag("zero_padding"),
        lambda s: say("greedy_zero_padding packs rows, and zero_padding is off."),
        template("Set greedy_zero_padding=false or zero_padding=true."),
        "llm/run_finetune.py",
        severity="ignored",
    ),
    Constraint(
        "data.always-packed",
        ("zero_padding",),
        lambda s: s.wishes.stage in PACKED_STAGES and not s.flag("zero_padding"),
        lambda s: say(
            "The script of stage {stage} always packs rows, and zero_padding is off.", stage=s.wishes.stage
        ),
        template("Release zero_padding."),
        "llm/alignment/dpo/dpo_argument.py:97-105; llm/run_pretrain.py",
        severity="ignored",
    ),
    Constraint(
        "data.never-packed",
        ("zero_padding",),
        lambda s: s.wishes.stage == "embedding" and s.flag("zero_padding"),
        lambda s: say("The script of stage embedding never packs rows, and zero_padding is on."),
        template("Release zero_padding."),
        "llm/run_embedding.py",
        severity="ignored",
    ),
    Constraint(
        "data.length-within-context",
        ("max_length",),
        lambda s: s.whole("max_length") > s.model.max_position_embeddings,
        lambda s: say(
            "max_length {length:,} is beyond the {most:,} tokens that the model can read.",
            length=s.whole("max_length"),
            most=s.model.max_position_embeddings,
        ),
        template("Set it to at most that."),
        "config.json max_position_embeddings",
        severity="fails",
    ),
    Constraint(
        "data.prompt-leaves-answer",
        ("src_length", "max_length"),
        lambda s: (
            training(s)
            and s.wishes.stage not in ("pretrain", "embedding")
            and s.whole("src_length") >= s.whole("max_length")
        ),
        lambda s: say(
            "src_length {prompt:,} leaves no room for an answer within max_length {length:,}.",
            prompt=s.whole("src_length"),
            length=s.whole("max_length"),
        ),
        template("Set src_length below max_length."),
        "trl/sftdata_config.py:35",
        severity="fails",
    ),
    Constraint(
        "data.length-split",
        ("max_length", "tensor_parallel_degree", "sequence_parallel"),
        lambda s: (
            s.flag("sequence_parallel") and s.whole("max_length") % s.whole("tensor_parallel_degree") != 0
        ),
        lambda s: say(
            "sequence_parallel splits max_length {length:,} among {degree} processes, which do not divide "
            "it.",
            length=s.whole("max_length"),
            degree=s.whole("tensor_parallel_degree"),
        ),
        template("Choose a multiple for max_length."),
        "PaddlePaddle/PaddleNLP#8973, #9003",
        severity="fails",
    ),
)

PREFERENCE: tuple[Constraint, ...] = (
    Constraint(
        "preference.loss-of-stage",
        ("loss_type",),
        lambda s: s.wishes.stage in LOSS_OF and s.word("loss_type") != LOSS_OF[s.wishes.stage],
        lambda s: say(
            "Stage {stage} is loss {needed}, and loss_type is {loss}.",
            stage=s.wishes.stage,
            needed=LOSS_OF[s.wishes.stage],
            loss=s.word("loss_type"),
        ),
        template("Release loss_type, or choose stage dpo."),
        "llm/alignment/dpo/run_dpo.py:70-77",
    ),
    Constraint(
        "preference.loss-needs-reference",
        ("reference_free", "loss_type"),
        lambda s: paired(s) and s.flag("reference_free") and s.word("loss_type") not in FREE_LOSSES,
        lambda s: say(
            "Loss {loss} needs a reference model, and reference_free is on.", loss=s.word("loss_type")
        ),
        template("Set reference_free=false."),
        "trl/dpo_trainer.py:92",
    ),
    Constraint(
        "preference.loss-without-reference",
        ("reference_free", "loss_type"),
        lambda s: paired(s) and not s.flag("reference_free") and s.word("loss_type") in FREE_BY_FORCE,
        lambda s: say("Loss {loss} switches reference_free on, and it is off.", loss=s.word("loss_type")),
        template("Release reference_free."),
        "llm/alignment/dpo/run_dpo.py:70-77",
        severity="ignored",
    ),
)

CHECKPOINTS: tuple[Constraint, ...] = (
    Constraint(
        "checkpoints.eval-needs-dev",
        ("evaluation_strategy",),
        lambda s: training(s) and s.word("evaluation_strategy") != "no" and not s.data.dev_rows,
        lambda s: say(
            "evaluation_strategy is {strategy}, and there are no dev rows.",
            strategy=s.word("evaluation_strategy"),
        ),
        template("Set evaluation_strategy=no."),
        "trainer/training_args.py:419",
        severity="fails",
    ),
    Constraint(
        "checkpoints.best-needs-steps",
        ("load_best_model_at_end", "evaluation_strategy"),
        lambda s: s.flag("load_best_model_at_end") and s.word("evaluation_strategy") != "steps",
        lambda s: say(
            "load_best_model_at_end needs evaluations by steps, as checkpoints are; evaluation_strategy is "
            "{strategy}.",
            strategy=s.word("evaluation_strategy"),
        ),
        template("Set evaluation_strategy=steps or load_best_model_at_end=false."),
        "trainer/training_args.py:1080-1086",
    ),
    Constraint(
        "checkpoints.best-needs-multiple",
        ("save_steps", "eval_steps", "load_best_model_at_end"),
        lambda s: s.flag("load_best_model_at_end") and s.whole("save_steps") % s.whole("eval_steps") != 0,
        lambda s: say(
            "load_best_model_at_end needs save_steps ({save}) to be a multiple of eval_steps ({eval}).",
            save=s.whole("save_steps"),
            eval=s.whole("eval_steps"),
        ),
        template("Set save_steps to a multiple of eval_steps."),
        "trainer/training_args.py:1086",
    ),
    Constraint(
        "checkpoints.best-on-one",
        ("load_best_model_at_end", "num_processes"),
        lambda s: (
            s.flag("load_best_model_at_end")
            and s.flag("unified_checkpoint")
            and s.whole("num_processes") == 1
            and not own_worker(s)
        ),
        lambda s: say(
            "On one card the reload of the best checkpoint stops with a TypeError after the last step."
        ),
        template("Set load_best_model_at_end=false or unified_checkpoint=false."),
        "PaddlePaddle/PaddleNLP#10690, #10650",
        severity="fails",
    ),
    Constraint(
        "checkpoints.warmup-within-steps",
        ("warmup_steps", "max_steps"),
        lambda s: training(s) and s.whole("warmup_steps") >= s.whole("max_steps") > 1,
        lambda s: say(
            "warmup_steps {warmup} never ends within max_steps {steps}.",
            warmup=s.whole("warmup_steps"),
            steps=s.whole("max_steps"),
        ),
        template("Lower warmup_steps."),
        "trainer_utils.py get_scheduler",
        severity="fails",
    ),
    Constraint(
        "checkpoints.unified-stage3",
        ("unified_checkpoint", "sharding"),
        lambda s: s.flag("unified_checkpoint") and s.word("sharding") == "stage3",
        lambda s: say("unified_checkpoint is silently switched off under sharding stage3."),
        template("Set unified_checkpoint=false."),
        "trainer/training_args.py:1806",
        severity="ignored",
    ),
    Constraint(
        "checkpoints.unified-method",
        ("unified_checkpoint", "method"),
        lambda s: training(s) and s.flag("unified_checkpoint") and not methods()[s.word("method")].unified,
        lambda s: say(
            "unified_checkpoint cannot hold what {method} trains.", method=methods()[s.word("method")].title
        ),
        template("Set unified_checkpoint=false."),
        "trainer/unified_checkpoint/unified_checkpoint.py:107-114",
        severity="fails",
    ),
    Constraint(
        "checkpoints.unified-engine",
        ("unified_checkpoint", "engine"),
        lambda s: training(s) and s.flag("unified_checkpoint") and s.word("engine") == "paddleformers",
        lambda s: say("PaddleFormers ignores unified_checkpoint beside its default save_checkpoint_format."),
        template("Set unified_checkpoint=false."),
        "paddleformers trainer/training_args.py:2888-2910",
        severity="ignored",
    ),
    Constraint(
        "wishes.pin-in-vain",
        ("method",),
        lambda s: bool(in_vain(s)),
        lambda s: " ".join(
            say("You fixed {setting}. {why}", setting=name, why=unused(s, name)) for name in in_vain(s)
        ),
        template("Release it."),
        "planner/unused.py",
        severity="ignored",
    ),
)

TRAINING = (*DATA, *PREFERENCE, *CHECKPOINTS)
