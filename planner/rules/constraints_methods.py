"""What engines refuse, or silently leave out, about methods, adapters and quantised weights."""

from __future__ import annotations

from planner.families import engines_for, family
from planner.language import say, template
from planner.methods import LOW_BIT, able, blocked, in_stage, methods, variants
from planner.rules.adapters import STABLE, STABLE_ALPHA, own_worker
from planner.rules.constraint import Constraint
from planner.situation import Situation
from planner.unused import TRAINING_STAGES

FIXED_UPSTREAM = ("lora_alpha", "lora_dropout", "lora_target_modules")
"""Settings of adapters for which upstream's scripts have no argument that counts (run_dpo.py:188)."""


def training(s: Situation) -> bool:
    """Return whether anything is trained."""
    return s.wishes.stage in TRAINING_STAGES


def adapts(s: Situation) -> bool:
    """Return whether LoRA adapters are trained."""
    return training(s) and methods()[s.word("method")].adapter


def quantised(s: Situation) -> bool:
    """Return whether frozen weights are stored in few bits."""
    return training(s) and s.word("weight_quantize_algo") != "none"


def without_split(s: Situation, split: str) -> str:
    """Return the title of the method or variant that cannot be combined with `split` (tensor or pipeline);
    empty if all can."""
    row, variant = methods()[s.word("method")], variants()[s.word("lora_variant")]
    if not getattr(row, split):
        return row.title
    if row.adapter and not getattr(variant, split):
        return variant.title
    found = family(s.word("engine"), s.model.model_type)
    needs = row.needs_in_pipeline if split == "pipeline" else ""
    if needs and not (found is not None and able(found, needs)):
        return row.title
    return ""


def fixed_upstream(s: Situation) -> list[str]:
    """Return the adapter settings that were fixed to something that upstream's scripts never do."""
    alpha = STABLE_ALPHA if s.word("lora_variant") in STABLE else 2 * s.whole("lora_rank")
    usual = {"lora_alpha": alpha, "lora_dropout": 0.0, "lora_target_modules": "all-linear"}
    return [name for name in FIXED_UPSTREAM if s.pin(name) not in (None, usual[name])]


def _folds(s: Situation) -> bool:
    """Return whether a merge gives what was trained: our worker's, or that of upstream's script."""
    row = methods()[s.word("method")]
    if own_worker(s):
        return row.merges
    return row.adapter and s.word("lora_variant") != "mora"


def does_not_train(s: Situation) -> str:
    """Say that the engine has not got the model in the stage, and which one has."""
    words = {"engine": s.word("engine"), "kind": s.model.model_type, "stage": s.wishes.stage}
    able = engines_for(s.model.model_type, s.wishes.stage)
    if not able:
        return say("Engine {engine} does not train {kind} models in stage {stage}.", **words)
    return say(
        "Engine {engine} does not train {kind} models in stage {stage}; {able} does.", able=able[0], **words
    )


METHODS: tuple[Constraint, ...] = (
    Constraint(
        "method.engine-trains",
        ("engine",),
        lambda s: s.word("engine") not in engines_for(s.model.model_type, s.wishes.stage),
        does_not_train,
        template("Release engine."),
        "recipes/engines/*/families.yaml",
        early=True,
    ),
    Constraint(
        "method.in-stage",
        ("method",),
        lambda s: training(s) and bool(blocked(s, s.word("method"))),
        lambda s: blocked(s, s.word("method")),
        template("Release method, or set method=full."),
        "recipes/methods.yaml",
        early=True,
    ),
    Constraint(
        "method.variant-in-stage",
        ("lora_variant",),
        lambda s: adapts(s) and not in_stage(s, variants()[s.word("lora_variant")]),
        lambda s: say(
            "{engine} has no {variant} in stage {stage}.",
            engine=s.word("engine"),
            variant=variants()[s.word("lora_variant")].title,
            stage=s.wishes.stage,
        ),
        template("Set lora_variant=plain."),
        "llm/alignment/dpo/dpo_argument.py; recipes/methods.yaml",
        early=True,
    ),
    Constraint(
        "method.tensor",
        ("method", "lora_variant", "tensor_parallel_degree"),
        lambda s: training(s) and s.whole("tensor_parallel_degree") > 1 and bool(without_split(s, "tensor")),
        lambda s: say(
            "{method} does not work with tensor_parallel_degree {degree}.",
            method=without_split(s, "tensor"),
            degree=s.whole("tensor_parallel_degree"),
        ),
        template("Set tensor_parallel_degree=1, or use plain LoRA."),
        "peft/lora/lora_model.py:157-160, lora_layers.py:312; peft/vera/vera_model.py:47-50; "
        "lokr_model.py:65-70",
        early=True,
    ),
    Constraint(
        "method.pipeline",
        ("method", "lora_variant", "pipeline_parallel_degree"),
        lambda s: (
            training(s) and s.whole("pipeline_parallel_degree") > 1 and bool(without_split(s, "pipeline"))
        ),
        lambda s: say(
            "{method} does not work with pipeline_parallel_degree {degree} for {kind} models.",
            method=without_split(s, "pipeline"),
            degree=s.whole("pipeline_parallel_degree"),
            kind=s.model.model_type,
        ),
        template("Set pipeline_parallel_degree=1."),
        "llm/run_finetune.py:507-509; trl/llm_utils.py:127-254",
        early=True,
    ),
    Constraint(
        "method.pissa-reload",
        ("lora_variant",),
        lambda s: adapts(s) and s.word("lora_variant") == "pissa" and not own_worker(s),
        lambda s: say(
            "PiSSA makes its adapters anew when they are loaded, so that what was trained is lost on "
            "reload and "
            "on resume (measured: equal to the base model)."
        ),
        template("Set lora_variant=plain or rslora."),
        "measured: PaddleNLP 3.0.0b4, reload differs by 0.64",
        early=True,
        severity="fails",
    ),
    Constraint(
        "method.merge-wrong",
        ("merge", "method", "lora_variant"),
        lambda s: s.flag("merge") and training(s) and not _folds(s),
        lambda s: say(
            "The engine cannot fold {method} into the weights: it fails, or the result is wrong.",
            method=variants()["mora"].title if adapts(s) else methods()[s.word("method")].title,
        ),
        template("Set merge=false."),
        "measured: MoRA off by 1.48; LoKr AttributeError; VeRA, ReFT and prefix tuning have no merge",
        severity="fails",
    ),
    Constraint(
        "method.packed-positions",
        ("zero_padding", "method"),
        lambda s: training(s) and s.flag("zero_padding") and not methods()[s.word("method")].packs,
        lambda s: say(
            "{method} counts positions from where a row begins, and zero_padding packs rows together.",
            method=methods()[s.word("method")].title,
        ),
        template("Set zero_padding=false."),
        "llm/utils/data.py: get_intervention_locations; a prefix has the position of a row's first token",
        severity="fails",
    ),
    Constraint(
        "method.reft-llama",
        ("method",),
        lambda s: (
            training(s) and s.word("method") == "reft" and s.model.model_type != "llama" and not own_worker(s)
        ),
        lambda s: say(
            "ReFT of this version looks for a model named llama, and {model} is of type {kind}.",
            model=s.model.name,
            kind=s.model.model_type,
        ),
        template("Set method=lora."),
        "measured: AttributeError 'Qwen2ForCausalLM' object has no attribute 'llama'",
        early=True,
        severity="fails",
    ),
    Constraint(
        "method.fixed-upstream",
        FIXED_UPSTREAM,
        lambda s: adapts(s) and not own_worker(s) and bool(fixed_upstream(s)),
        lambda s: say(
            "{settings} cannot be chosen in stage {stage}: the script fixes alpha to twice the rank (4 with "
            "rslora), no dropout, and adapters on every linear layer.",
            settings=", ".join(fixed_upstream(s)),
            stage=s.wishes.stage,
        ),
        template("Release it."),
        "llm/alignment/dpo/run_dpo.py:188; paddleformers cli/train/sft/workflow.py:787",
        severity="ignored",
    ),
    Constraint(
        "method.format-without-qlora",
        ("weight_quantize_algo", "method"),
        lambda s: quantised(s) and s.word("method") != "qlora",
        lambda s: say(
            "weight_quantize_algo {format} stores frozen weights, and method {method} is not qlora.",
            format=s.word("weight_quantize_algo"),
            method=s.word("method"),
        ),
        template("Set method=qlora, or weight_quantize_algo=none."),
        "trl/model_config.py:50",
        early=True,
    ),
    Constraint(
        "method.qlora-without-format",
        ("method", "weight_quantize_algo"),
        lambda s: training(s) and s.word("method") == "qlora" and s.pin("weight_quantize_algo") == "none",
        lambda s: say("Method qlora is LoRA beside quantised weights, and weight_quantize_algo is none."),
        template("Set method=lora, or release weight_quantize_algo."),
        "trl/model_config.py:50",
        early=True,
    ),
    Constraint(
        "method.low-bit-tensor",
        ("weight_quantize_algo", "tensor_parallel_degree"),
        lambda s: (
            quantised(s)
            and s.word("weight_quantize_algo") in LOW_BIT
            and s.whole("tensor_parallel_degree") > 1
        ),
        lambda s: say(
            "weight_quantize_algo {format} has no layers for tensor_parallel_degree {degree}.",
            format=s.word("weight_quantize_algo"),
            degree=s.whole("tensor_parallel_degree"),
        ),
        template("Set weight_quantize_algo=weight_only_int4 or tensor_parallel_degree=1."),
        "peft/lora/lora_quantization_layers.py:226,380; PaddlePaddle/PaddleFormers#2424",
        early=True,
    ),
    Constraint(
        "method.fp4-engine",
        ("weight_quantize_algo", "engine"),
        lambda s: (
            quantised(s) and s.word("weight_quantize_algo") == "fp4" and s.word("engine") != "paddlenlp"
        ),
        lambda s: say("PaddleFormers has nf4, 8 and 4 bits for weights, and no fp4."),
        template("Set weight_quantize_algo=nf4."),
        "paddleformers cli/hparams/finetuning_args.py:310-348",
        early=True,
    ),
    Constraint(
        "method.low-bit-operators",
        ("weight_quantize_algo",),
        lambda s: quantised(s) and s.word("weight_quantize_algo") in LOW_BIT,
        lambda s: say(
            "weight_quantize_algo {format} needs CUDA operators of PaddleSlim, which have to be compiled "
            "into "
            "the engine.",
            format=s.word("weight_quantize_algo"),
        ),
        template("Set weight_quantize_algo=weight_only_int4, or compile PaddleSlim's setup_cuda.py."),
        "quantization/quantization_linear.py:89-96",
        severity="warns",
    ),
    Constraint(
        "method.quantised-sequence-parallel",
        ("sequence_parallel", "weight_quantize_algo"),
        lambda s: quantised(s) and s.word("engine") == "paddlenlp" and s.flag("sequence_parallel"),
        lambda s: say(
            "With sequence_parallel the engine leaves most linear layers in {precision}: "
            "weight_quantize_algo "
            "{format} would be ignored.",
            precision=str(s.known("precision", "bf16")),
            format=s.word("weight_quantize_algo"),
        ),
        template("Set sequence_parallel=false."),
        "quantization/quantization_utils.py:41-96",
        severity="ignored",
    ),
    Constraint(
        "method.quantised-tied-pipeline",
        ("weight_quantize_algo", "pipeline_parallel_degree"),
        lambda s: (
            quantised(s)
            and s.word("engine") == "paddleformers"
            and s.model.tie_word_embeddings
            and s.whole("pipeline_parallel_degree") > 1
        ),
        lambda s: say(
            "{model} shares its embedding with the output layer; quantised weights then refuse a pipeline.",
            model=s.model.name,
        ),
        template("Set pipeline_parallel_degree=1."),
        "paddleformers cli/train/sft/workflow.py:272-281",
        early=True,
    ),
    Constraint(
        "method.neftune-stage",
        ("neftune",),
        lambda s: s.flag("neftune") and s.wishes.stage != "sft",
        lambda s: say("neftune is read in stage sft only, and this is stage {stage}.", stage=s.wishes.stage),
        template("Set neftune=false."),
        "trl/model_config.py:115; llm/run_finetune.py:270",
        severity="ignored",
    ),
    Constraint(
        "method.ssa-family",
        ("use_ssa",),
        lambda s: (
            s.flag("use_ssa")
            and (s.word("engine"), s.wishes.stage, s.model.model_type) != ("paddlenlp", "sft", "llama")
        ),
        lambda s: say(
            "use_ssa changes llama models of PaddleNLP in stage sft only; this is a {kind} model in stage "
            "{stage} with {engine}.",
            kind=s.model.model_type,
            stage=s.wishes.stage,
            engine=s.word("engine"),
        ),
        template("Set use_ssa=false."),
        "llm/run_finetune.py:172-176; measured on qwen2: losses identical",
        severity="ignored",
    ),
    Constraint(
        "method.ssa-padding",
        ("use_ssa", "zero_padding"),
        lambda s: s.flag("use_ssa") and not (s.flag("zero_padding") and s.whole("max_length") % 4 == 0),
        lambda s: say(
            "use_ssa needs every sequence to be a multiple of four groups; without zero_padding lengths vary."
        ),
        template("Set zero_padding=true and max_length to a multiple of 4."),
        "measured: AssertionError q_len 127 must be divisible by group size 31",
        severity="fails",
    ),
)
