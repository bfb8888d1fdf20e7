"""Rules of PaddleNLP about learning from preferences: DPO and its losses, KTO."""

from __future__ import annotations

from planner.arguments.rule import Rule
from planner.language import template

LOSSES = ("sigmoid", "hinge", "ipo", "kto_pair", "sppo_hard", "nca_pair", "dpop", "or", "simpo", "orpo")
"""Values of `loss_type` (trl/dpo_trainer.py:77-88; run_dpo.py:70)."""
REFERENCE_FREE = ("sigmoid", "hinge", "ipo", "or", "simpo", "orpo")
"""Losses that work without a reference model (trl/dpo_trainer.py:92)."""
PREFERENCE = ("run_dpo", "run_kto")

RULES = (
    Rule(
        "preference.loss", "fails", "loss_type", lambda c: c["loss_type"] not in LOSSES,
        template("`loss_type` is {loss_type}; the engine knows sigmoid, hinge, ipo, kto_pair, sppo_hard, "
            "nca_pair, dpop, or, orpo and simpo."),
        template("Use sigmoid."), "trl/dpo_trainer.py:77-88", ("run_dpo",),
    ),
    Rule(
        "preference.reference-free", "fails", "reference_free",
        lambda c: c["reference_free"] and c["loss_type"] in LOSSES and c["loss_type"] not in REFERENCE_FREE,
        template("The loss {loss_type} needs a reference model, and `reference_free` is on."),
        template("Turn `reference_free` off."), "trl/dpo_trainer.py:92", ("run_dpo",),
    ),
    Rule(
        "preference.reference-forced", "notes", "loss_type",
        lambda c: c["loss_type"] in ("or", "orpo", "simpo") and not c["reference_free"],
        template("The loss {loss_type} works without a reference model; the script turns `reference_free` "
            "on."),
        template("Set `reference_free` to true."), "llm/alignment/dpo/run_dpo.py:70-77", ("run_dpo",),
    ),
    Rule(
        "preference.simpo-gamma", "ignored", "simpo_gamma",
        lambda c: "simpo_gamma" in c.given and c["loss_type"] != "simpo",
        template("`simpo_gamma` acts with the simpo loss only, and `loss_type` is {loss_type}."),
        template("Remove it."), "trl/dpo_trainer.py", ("run_dpo",),
    ),
    Rule(
        "preference.dpop-lambda", "ignored", "dpop_lambda",
        lambda c: "dpop_lambda" in c.given and c["loss_type"] != "dpop",
        template("`dpop_lambda` acts with the dpop loss only, and `loss_type` is {loss_type}."),
        template("Remove it."), "trl/dpo_trainer.py", ("run_dpo",),
    ),
    Rule(
        "preference.quantised", "ignored", "weight_quantize_algo",
        lambda c: c["weight_quantize_algo"] not in (None, ""),
        template("run_dpo.py and run_kto.py parse `weight_quantize_algo` and never quantise: the model is "
            "loaded in full size."),
        template("Remove it."), "llm/alignment/dpo/run_dpo.py:121-194", PREFERENCE,
    ),
    Rule(
        "preference.lora-alpha", "ignored", "lora_alpha",
        lambda c: "lora_alpha" in c.given and c["lora_alpha"] not in (None, -1),
        template("`lora_alpha` is parsed and not used: the scripts always take twice the rank (4 with "
            "rsLoRA)."),
        template("Remove it."), "llm/alignment/dpo/run_dpo.py:188", PREFERENCE,
    ),
    Rule(
        "preference.epochs", "notes", "num_train_epochs",
        lambda c: "num_train_epochs" in c.given and c.number("max_steps") > 0
        and c.number("num_train_epochs") != 1,
        template("`max_steps` ({max_steps}) is set, so `num_train_epochs` is put back to 1."),
        template("Keep one of the two."), "llm/alignment/dpo/dpo_argument.py:74", PREFERENCE,
    ),
    Rule(
        "preference.family", "fails", "loss_type", lambda c: c.family and not c.family.preference,
        template("DPO does not work with {model_type} in this engine."), template("Choose another model."),
        "transformers/*/modeling.py: position_ids", ("run_dpo",),
    ),
)  # fmt: skip
"""Rules about preferences."""
