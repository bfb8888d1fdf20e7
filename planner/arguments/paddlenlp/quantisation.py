"""Rules of PaddleNLP about quantising a finished model, prediction and static export."""

from __future__ import annotations

from planner.arguments.case import Case
from planner.arguments.rule import Rule
from planner.language import template

QUANT = ("run_quantization",)
PREDICT = ("predictor", "export_model")
TYPES = ("a8w8", "a8w8c8", "a8w8_fp8", "a8w8c8_fp8", "weight_only_int8", "weight_only_int4")
"""Values of `quant_type` (quantization/quantization_config.py:73-83)."""


def methods(case: Case) -> int:
    """Return how many ways of quantising are on."""
    return sum(bool(case[name]) for name in ("do_ptq", "do_gptq", "do_qat"))


RULES = (
    Rule(
        "quantisation.several", "fails", "do_ptq", lambda c: methods(c) > 1,
        template("At most one of `do_ptq`, `do_gptq` and `do_qat` can be on."), template("Keep one."),
        "llm/run_quantization.py:73-76", QUANT,
    ),
    Rule(
        "quantisation.none", "warns", "do_ptq",
        lambda c: methods(c) == 0 and not c["load_quant_model"] and not c["do_eval"],
        template("None of `do_ptq`, `do_gptq` and `do_qat` is on: nothing is quantised."),
        template("Set `do_ptq` to true."), "llm/run_quantization.py", QUANT,
    ),
    Rule(
        "quantisation.qat", "warns", "do_qat", lambda c: c["do_qat"],
        template("Quantisation-aware training is marked as not yet supported."), template("Use `do_ptq`."),
        "trl/quant_config.py:77", QUANT,
    ),
    Rule(
        "quantisation.type", "fails", "quant_type", lambda c: c["quant_type"] not in ("", *TYPES),
        template("`quant_type` is {quant_type}; the engine knows a8w8, a8w8c8, a8w8_fp8, a8w8c8_fp8, "
            "weight_only_int8 and weight_only_int4."),
        template("Use weight_only_int8."), "quantization/quantization_config.py:73-83", (*QUANT, *PREDICT),
    ),
    Rule(
        "quantisation.fp8-card", "fails", "quant_type",
        lambda c: "fp8" in c.text("quant_type") and c.world.capability is not None
        and c.world.capability < 8.9,
        template("{quant_type} needs FP8 (compute capability 8.9, Ada or Hopper); these cards have "
            "{capability}."),
        template("Use a8w8 or weight_only_int8."), "NVIDIA Ada and Hopper datasheets", (*QUANT, *PREDICT),
    ),
    Rule(
        "quantisation.smooth-family", "fails", "smooth",
        lambda c: (c["smooth"] or c["shift"]) and c["do_ptq"] and c.family and not c.family.ptq,
        template("Smoothing and shifting know chatglm_v2, bloom, llama and qwen2 only, not {model_type}."),
        template("Turn `smooth` and `shift` off."), "llm/utils/quant.py:497-515", QUANT,
    ),
    Rule(
        "quantisation.smooth-parts", "ignored", "smooth_step",
        lambda c: {"smooth_step", "smooth_all_linears", "smooth_piecewise_search"} & c.given
        and not c["smooth"],
        template("The smooth_... arguments do nothing while `smooth` is off."), template("Turn `smooth` "
            "on."),
        "trl/quant_config.py:92-98", QUANT,
    ),
    Rule(
        "predict.dtype", "fails", "dtype",
        lambda c: c["dtype"] in (None, "", "None") and not c["lora_path"] and not c["prefix_path"]
        and c["mode"] != "static",
        template("`dtype` is missing: the predictor stops and asks for it."), template("Set `dtype` to "
            "bfloat16."),
        "llm/predict/predictor.py:312", PREDICT,
    ),
    Rule(
        "predict.mode", "fails", "mode", lambda c: c["mode"] not in ("dynamic", "static"),
        template("`mode` is {mode}; it is dynamic or "
            "static."), template("Use dynamic."), "llm/predict/predictor.py:97",
        PREDICT,
    ),
    Rule(
        "predict.strategy", "fails", "decode_strategy",
        lambda c: c["decode_strategy"] not in ("sampling", "greedy_search", "beam_search"),
        template("`decode_strategy` is {decode_strategy}; it is sampling, greedy_search or beam_search."),
        template("Use greedy_search."), "llm/predict/predictor.py:86", PREDICT,
    ),
    Rule(
        "predict.total-length", "fails", "total_max_length",
        lambda c: c.number("src_length") + c.number("max_length") > c.number("total_max_length"),
        template("Prompt ({src_length}) and answer ({max_length}) together exceed `total_max_length` "
            "({total_max_length})."),
        template("Raise `total_max_length`."), "llm/predict/predictor.py:193", PREDICT,
    ),
    Rule(
        "predict.append", "notes", "append_attn", lambda c: c["append_attn"] and not c["block_attn"],
        template("`append_attn` turns `block_attn` on."), "", "llm/predict/predictor.py:190", PREDICT,
    ),
    Rule(
        "predict.output-path", "fails", "output_path", lambda c: c["output_path"] in (None, "", "None"),
        template("`output_path` is missing: there is nowhere to write the exported model."),
        template("Name a folder."), "llm/predict/export_model.py:29", ("export_model",),
    ),
    Rule(
        "predict.fused-family", "fails", "inference_model",
        lambda c: c["inference_model"] and c.family and not c.family.fused_inference,
        template("There is no fused inference model for {model_type}."), template("Turn `inference_model` "
            "off."),
        "paddlenlp/experimental/transformers", PREDICT,
    ),
)  # fmt: skip
"""Rules about quantisation, prediction and export."""
