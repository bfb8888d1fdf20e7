"""Rules of PaddleNLP about what is trained: LoRA and its kin, prefix tuning, ReFT, quantised base "
"weights."""

from __future__ import annotations

from collections.abc import Callable

from planner.arguments.case import Case
from planner.arguments.rule import Rule
from planner.language import template

SFT = ("run_finetune", "run_quantization", "run_embedding")
QUANTISED = ("weight_only_int8", "weight_only_int4", "llm.int8", "a8w8", "nf4", "fp4")
"""Values of `weight_quantize_algo` (quantization/quantization_config.py:62-72)."""
SWITCHES = {
    "lora": (
        "lora_rank",
        "lora_plus_scale",
        "rslora",
        "pissa",
        "use_mora",
        "lora_use_mixer",
        "use_quick_lora",
    ),
    "vera": ("vera_rank",),
    "lokr": ("lokr_dim",),
    "prefix_tuning": ("num_prefix_tokens",),
    "neftune": ("neftune_noise_alpha",),
    "use_ssa": ("ssa_group_size_ratio",),
    "reft": ("layers", "position", "intervention_type", "rank", "act_fn", "add_bias", "dropout"),
    "use_long_sequence_strategies": ("strategy_type", "strategy_name", "rope_scaling_factor"),
}
"""Switch -> arguments that do nothing without it (trl/model_config.py, llm/utils/argument.py:20-26)."""


def split(case: Case) -> bool:
    """Return whether tensor or pipeline parallelism is on."""
    return case.degrees.tensor > 1 or case.degrees.pipeline > 1


def without(switch: str, name: str) -> Callable[[Case], bool]:
    """Return the condition that an argument is set to something while its switch is off."""

    def broken(case: Case) -> bool:
        return name in case.given and not case[switch] and case[name] not in (None, False, "")

    return broken


DEPENDENT = tuple(
    Rule(
        f"method.{name.replace('_', '-')}-unused", "notes", name, without(switch, name),
        template("`{name}` does nothing while `{switch}` is off."), "", "trl/model_config.py", SFT,
        (("name", name), ("switch", switch)),
    )
    for switch, names in SWITCHES.items()
    for name in names
)  # fmt: skip
"""Arguments whose switch is off: harmless leftovers."""

RULES = (
    Rule(
        "method.two-methods", "warns", "lora",
        lambda c: sum(bool(c[name]) for name in ("lora", "vera", "lokr", "prefix_tuning", "reft")) > 1,
        template("More than one of `lora`, `vera`, `lokr`, `prefix_tuning` and `reft` is on; the script "
            "wraps the model several times."),
        template("Keep one."), "llm/run_finetune.py:480-580", SFT,
    ),
    Rule(
        "method.lora-rank", "fails", "lora_rank", lambda c: c["lora"] and c.number("lora_rank", 1) <= 0,
        template("`lora_rank` is {lora_rank}; it must be positive."), template("Use 8 or more."),
        "peft/lora/lora_layers.py:72",
    ),
    Rule(
        "method.lora-family", "fails", "lora", lambda c: c["lora"] and c.family and not c.family.lora,
        template("The engine has no list of LoRA layers for {model_type} and stops with a ValueError."),
        template("Train all weights, or use another model."), "trl/llm_utils.py:253",
    ),
    Rule(
        "method.lora-pipeline-family", "fails", "lora",
        lambda c: c["lora"] and c.degrees.pipeline > 1 and c.family and c.family.pipeline
        and not c.family.lora_pipeline,
        template("In a pipeline the engine finds no LoRA layers for {model_type}."),
        template("Set `pipeline_parallel_degree` to 1."), "trl/llm_utils.py:127-254",
    ),
    Rule(
        "method.prefix-pipeline", "fails", "prefix_tuning",
        lambda c: c["prefix_tuning"] and c.degrees.pipeline > 1,
        template("Prefix tuning does not work with pipeline parallelism."),
        template("Set `pipeline_parallel_degree` to 1."), "llm/run_finetune.py:507-509",
    ),
    Rule(
        "method.prefix-family", "fails", "prefix_tuning",
        lambda c: c["prefix_tuning"] and c.family and not c.family.prefix_tuning,
        template("The engine has no prefix-tuning parameters for {model_type} and stops with a "
            "ValueError."),
        template("Use LoRA instead."), "trl/llm_utils.py:60-117",
    ),
    Rule(
        "method.vera-split", "fails", "vera", lambda c: c["vera"] and split(c),
        template("VeRA works without tensor and pipeline parallelism only ({tensor} x {pipeline} asked)."),
        template("Use LoRA, or sharding instead of splitting layers."), "peft/vera/vera_model.py:47-50",
    ),
    Rule(
        "method.lokr-split", "fails", "lokr", lambda c: c["lokr"] and split(c),
        template("LoKr works without tensor and pipeline parallelism only ({tensor} x {pipeline} asked)."),
        template("Use LoRA, or sharding instead of splitting layers."), "peft/lokr/lokr_model.py:65-70",
    ),
    Rule(
        "method.mora-split", "fails", "use_mora", lambda c: c["lora"] and c["use_mora"] and split(c),
        template("MoRA works without tensor and pipeline parallelism only ({tensor} x {pipeline} asked)."),
        template("Turn `use_mora` off."), "peft/lora/lora_model.py:157-160",
    ),
    Rule(
        "method.mixer-split", "fails", "lora_use_mixer",
        lambda c: c["lora"] and c["lora_use_mixer"] and split(c),
        template("The MosLoRA mixer works without tensor and pipeline parallelism only ({tensor} x "
            "{pipeline} asked)."),
        template("Turn `lora_use_mixer` off."), "peft/lora/lora_model.py:157-160",
    ),
    Rule(
        "method.pissa-tensor", "fails", "pissa", lambda c: c["lora"] and c["pissa"] and c.degrees.tensor > 1,
        template("PiSSA needs whole layers, and tensor parallelism ({tensor}) splits them."),
        template("Turn `pissa` off."), "peft/lora/lora_layers.py:312",
    ),
    Rule(
        "method.reft-tensor", "warns", "reft", lambda c: c["reft"] and c.degrees.tensor > 1,
        template("ReFT is documented to work without tensor parallelism only."),
        template("Set `tensor_parallel_degree` to 1."), "peft/reft/reft_config.py",
    ),
    Rule(
        "method.reft-cpu", "fails", "reft", lambda c: c["reft"] and c.on_cpu,
        template("ReFT is always built for a GPU, and there is none."), template("Use LoRA."),
        "llm/run_finetune.py: ReFTConfig(device=\"gpu\")",
    ),
    Rule(
        "method.ssa-family", "ignored", "use_ssa",
        lambda c: c["use_ssa"] and c.world.model_type not in (None, "llama"),
        template("LongLoRA's shifted attention patches llama only, not {model_type}."),
        template("Turn `use_ssa` off."), "llm/run_finetune.py:172-176",
    ),
    Rule(
        "method.long-strategy", "fails", "use_long_sequence_strategies",
        lambda c: c["use_long_sequence_strategies"] and not (c["strategy_type"] and c["strategy_name"]),
        template("`use_long_sequence_strategies` needs `strategy_type` and `strategy_name`."),
        template("Add both, such as embedding_strategies and "
            "YaRNScalingRotaryEmbedding."), "trl/model_config.py:120-125",
    ),
    Rule(
        "quantisation.algorithm", "fails", "weight_quantize_algo",
        lambda c: c["weight_quantize_algo"] not in (None, "", "None", *QUANTISED),
        template("`weight_quantize_algo` is {weight_quantize_algo}; the engine knows weight_only_int8, "
            "weight_only_int4, llm.int8, a8w8, nf4 and fp4."),
        template("Use nf4 or weight_only_int8."), "quantization/quantization_config.py:62-72", SFT,
    ),
    Rule(
        "quantisation.tensor-lora", "fails", "weight_quantize_algo",
        lambda c: c["weight_quantize_algo"] in ("nf4", "fp4") and c["lora"] and c.degrees.tensor > 1,
        template("LoRA on {weight_quantize_algo} weights does not work with tensor parallelism "
            "({tensor})."),
        template("Use weight_only_int8, or sharding instead of tensor parallelism."),
        "peft/lora/lora_quantization_layers.py:226,380", SFT,
    ),
    Rule(
        "quantisation.int8-lora", "fails", "weight_quantize_algo",
        lambda c: c["weight_quantize_algo"] == "llm.int8" and c["lora"],
        template("LoRA does not work on llm.int8 weights."), template("Use weight_only_int8."),
        "peft/lora/lora_quantization_layers.py:81,224,378", SFT,
    ),
    Rule(
        "quantisation.without-adapter", "warns", "weight_quantize_algo",
        lambda c: c["weight_quantize_algo"] in QUANTISED and not (c["lora"] or c["prefix_tuning"]),
        template("Weights in {weight_quantize_algo} cannot learn, and no adapter is trained."),
        template("Turn `lora` on."), "quantization/quantization_utils.py:42-77", ("run_finetune",),
    ),
    Rule(
        "quantisation.cpu", "fails", "weight_quantize_algo",
        lambda c: c["weight_quantize_algo"] in QUANTISED and c.on_cpu,
        template("Quantised weights ({weight_quantize_algo}) need GPU kernels, and there is no GPU."),
        template("Remove it."), "quantization/quantization_linear.py:89-96", SFT,
    ),
    Rule(
        "quantisation.sequence-parallel", "ignored", "weight_quantize_algo",
        lambda c: c["weight_quantize_algo"] in QUANTISED and c["sequence_parallel"] and c.degrees.tensor > 1,
        template("The layers of sequence parallelism are not quantised, so `weight_quantize_algo` saves "
            "nothing there."),
        template("Turn `sequence_parallel` off."), "quantization/quantization_utils.py:41-96", SFT,
    ),
    Rule(
        "quantisation.block-size", "ignored", "weight_blocksize",
        lambda c: {"weight_blocksize", "weight_double_quant", "weight_double_quant_block_size"} & c.given
        and c["weight_quantize_algo"] not in ("nf4", "fp4")
        and (c["weight_double_quant"] or c["weight_blocksize"] != 64),
        template("`weight_blocksize` and `weight_double_quant` act with nf4 and fp4 only."),
        template("Remove them, or set `weight_quantize_algo` to nf4."), "trl/model_config.py:56-63", SFT,
    ),
    *DEPENDENT,
)  # fmt: skip
"""Rules about methods."""
