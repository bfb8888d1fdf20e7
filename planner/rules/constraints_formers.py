"""What PaddleFormers refuses or silently leaves out, and what a look at the dev rows cannot do."""

from __future__ import annotations

from planner.engine_builds import engines, pick_build
from planner.families import family
from planner.language import join, say, template
from planner.rules.adapters import own_worker
from planner.rules.constraint import Constraint
from planner.rules.constraints_methods import training
from planner.rules.looks import answers_rows, no_generation
from planner.situation import Situation


def formers(s: Situation) -> bool:
    """Return whether PaddleFormers trains."""
    return training(s) and s.word("engine") == "paddleformers"


def needs_paddlefleet(s: Situation) -> bool:
    """Return whether the modelling code of the engine needs the extra package."""
    found = family(s.word("engine"), s.model.model_type)
    return found is not None and found.needs_paddlefleet


def without_paddlefleet(s: Situation) -> bool:
    """Return whether the extra package is needed and has no wheel for the build."""
    if not needs_paddlefleet(s):
        return False
    build, builds = build_of(s), engines()["paddleformers"].builds
    return build not in builds or builds[build].paddlefleet is None


def build_of(s: Situation) -> str:
    """Return the accelerator build, also before it was decided."""
    known = str(s.known("engine_build", ""))
    return known or pick_build(s.hardware, "paddleformers")[0]


def with_paddlefleet() -> str:
    """Return the builds that paddlefleet has wheels for, in a sentence."""
    known = [name for name, build in engines()["paddleformers"].builds.items() if build.paddlefleet]
    return say("Builds with it: {builds}.", builds=", ".join(known))


def recomputes_nothing(s: Situation) -> bool:
    """Return whether recomputation is asked for in a way that native models pass over without a word."""
    way = (s.word("recompute_granularity"), s.word("recompute_method"), s.whole("recompute_num_layers"))
    return s.flag("recompute") and not needs_paddlefleet(s) and way != ("full", "uniform", 1)


FORMERS: tuple[Constraint, ...] = (
    Constraint(
        "engine.paddlefleet",
        ("engine", "engine_build"),
        without_paddlefleet,
        lambda s: join(
            (
                say(
                    "PaddleFormers trains {kind} models only with the extra package paddlefleet, which "
                    "has no wheel for {build}.",
                    kind=s.model.model_type,
                    build=build_of(s),
                ),
                with_paddlefleet(),
            )
        ),
        template("Plan for a machine with an NVIDIA card, or choose a model that needs no paddlefleet."),
        "paddleformers 1.2.0 METADATA: paddlefleet==0.3.0 from the CUDA 12.6 and 12.9 indexes; "
        "transformers/gpt_provider.py:31",
        early=True,
        severity="fails",
    ),
    Constraint(
        "kernels.attention-agrees",
        ("attn_implementation", "flash_mask"),
        lambda s: formers(s) and (s.word("attn_implementation") == "flashmask") != s.flag("flash_mask"),
        lambda s: say(
            "attn_implementation is {attention}, and flash_mask is {mask}: {why}",
            attention=s.word("attn_implementation"),
            mask=say("on") if s.flag("flash_mask") else say("off"),
            why=s.decisions["flash_mask"].because,
        ),
        template("Release attn_implementation."),
        "paddleformers cli/hparams/model_args.py:128",
        severity="fails",
    ),
    Constraint(
        "parallel.sharding-float32",
        ("sharding", "amp_master_grad"),
        lambda s: (
            formers(s)
            and s.word("sharding") == "stage1"
            and s.whole("sharding_parallel_degree") > 1
            and not s.flag("amp_master_grad")
        ),
        lambda s: say(
            "PaddleFormers spreads optimizer states (stage1) only where gradients are accumulated in float32 "
            "beside 16-bit weights; with amp_master_grad=false it ends in an error before its first step."
        ),
        template("Set sharding=none."),
        "paddleformers 1.2.0 trainer/trainer.py:3638, 3819-3824; measured: two processes, float32",
        severity="fails",
    ),
    Constraint(
        "kernels.recompute-native",
        ("recompute_method", "recompute_num_layers", "recompute_granularity"),
        lambda s: formers(s) and recomputes_nothing(s),
        lambda s: say(
            "{kind} models of PaddleFormers recompute blocks only with recompute_granularity full, "
            "recompute_method uniform and recompute_num_layers 1; {granularity}, {method} and {layers} "
            "recompute nothing, without a word.",
            kind=s.model.model_type,
            granularity=s.word("recompute_granularity"),
            method=s.word("recompute_method"),
            layers=s.whole("recompute_num_layers"),
        ),
        template("Set recompute_granularity=full, and release the other two."),
        "paddleformers transformers/llama/modeling.py:473-475, nn/pp_model.py:447",
        severity="ignored",
    ),
    Constraint(
        "data.text-layout",
        ("dataset_type",),
        lambda s: formers(s) and s.wishes.stage == "pretrain" and s.word("dataset_type") != "erniekit",
        lambda s: say(
            "Plain text is a layout of erniekit, and dataset_type is {kind}.", kind=s.word("dataset_type")
        ),
        template("Set dataset_type=erniekit."),
        "paddleformers datasets/reader/convertor.py:264",
        severity="fails",
    ),
)

LOOKS: tuple[Constraint, ...] = (
    Constraint(
        "worker.visualdl",
        ("tracker", "engine"),
        lambda s: (
            training(s)
            and s.word("tracker") == "visualdl"
            and s.word("engine") != "paddleformers"
            and not own_worker(s)
        ),
        lambda s: say(
            "Curves for VisualDL are written by PaddleFormers, and the engine is {engine}.",
            engine=s.word("engine"),
        ),
        template("Set tracker=swanlab-offline."),
        "runtime/workers/tracker.py; paddleformers trainer/integrations.py:83",
        severity="ignored",
    ),
    Constraint(
        "evaluation.generation-worker",
        ("eval_with_do_generation",),
        lambda s: training(s) and s.flag("eval_with_do_generation") and not answers_rows(s),
        lambda s: say(
            "Only Steersman's own worker answers rows between steps, and it does not run {kind} models with "
            "{engine} in stage {stage}; upstream's way crashes or is switched off unsaid.",
            kind=s.model.model_type,
            engine=s.word("engine"),
            stage=s.wishes.stage,
        ),
        template("Set eval_with_do_generation=false."),
        "measured: PaddleNLP 3.0.0b4 decodes without position ids; llm/run_finetune.py:333-337",
        severity="fails",
    ),
    Constraint(
        "evaluation.generation-split",
        ("eval_with_do_generation", "pipeline_parallel_degree", "tensor_parallel_degree", "sharding"),
        lambda s: answers_rows(s) and s.flag("eval_with_do_generation") and bool(no_generation(s)),
        no_generation,
        template("Set eval_with_do_generation=false."),
        "runtime/workers/generation_eval.py; llm/run_finetune.py:230-232",
        severity="fails",
    ),
    Constraint(
        "evaluation.patience-worker",
        ("early_stopping_patience",),
        lambda s: training(s) and s.whole("early_stopping_patience") > 0 and not own_worker(s),
        lambda s: say(
            "Only Steersman's own worker ends a training early, and it does not run {kind} models with "
            "{engine} in stage {stage}.",
            kind=s.model.model_type,
            engine=s.word("engine"),
            stage=s.wishes.stage,
        ),
        template("Set early_stopping_patience=0."),
        "runtime/workers/best.py",
        severity="ignored",
    ),
)
