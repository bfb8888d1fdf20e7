"""Rules of PaddleFormers about stages, data, kernels, preferences, evaluation and checkpoints."""

from __future__ import annotations

from planner.arguments.case import Case
from planner.arguments.paddlenlp.checkpoints import OPTIONS, unified_words
from planner.arguments.paddlenlp.preference import LOSSES, REFERENCE_FREE
from planner.arguments.rule import Rule
from planner.language import template

ARGS = "trainer/training_args.py"
TRAIN = ("train",)
STAGES = (
    "SFT", "PT", "VL-SFT", "VL-PT", "DPO", "VL-DPO", "dsv3_pretrain", "ernie_pretrain", "auto-parallel",
)  # fmt: skip
"""Values of `stage` (cli/train/tuner.py:49-68)."""
FORMATS = ("unified_checkpoint", "sharding_io", "flex_checkpoint")
UNCHECKED = ("pretrain", "offline")
"""Values of `dataset_type` whose paths are not looked at (tuner.py:47)."""


def lora(case: Case) -> bool:
    """Return whether adapters are trained: `fine_tuning` alone decides."""
    return case.text("fine_tuning").lower() == "lora"


def text_stage(case: Case) -> bool:
    """Return whether the stage checks its data files before anything else."""
    return "VL" not in case.text("stage") and case["stage"] != "dsv3_pretrain"


def unified(case: Case) -> bool:
    """Return whether any checkpoint is written or read in the unified format."""
    return "unified_checkpoint" in (case["save_checkpoint_format"], case["load_checkpoint_format"])


def eval_steps(case: Case) -> float:
    """Return the evaluation interval: `logging_steps` where none is given."""
    return case.number("eval_steps") or case.number("logging_steps")


RULES = (
    Rule(
        "method.stage", "fails", "stage", lambda c: c["stage"] not in STAGES,
        template("`stage` is {stage}; it is SFT, PT, DPO, VL-SFT, VL-PT, VL-DPO, dsv3_pretrain, "
            "ernie_pretrain or auto-parallel, in this spelling."),
        template("Use SFT, PT or DPO."), "cli/train/tuner.py:49-68", TRAIN,
    ),
    Rule(
        "method.lora-derived", "ignored", "lora", lambda c: "lora" in c.given and bool(c["lora"]) != lora(c),
        template("`lora` is overwritten by `fine_tuning`, which is {fine_tuning}."),
        template("Set `fine_tuning` to lora or full."), "cli/hparams/model_args.py:237",
    ),
    Rule(
        "method.default-lora", "notes", "fine_tuning",
        lambda c: c.tunes and "fine_tuning" not in c.given and "lora" not in c.given,
        template("`fine_tuning` is not set, and the default trains LoRA adapters."),
        template("Set `fine_tuning` to lora or full, so that the file says "
            "it."), "cli/hparams/model_args.py:194", TRAIN,
    ),
    Rule(
        "method.lora-alpha", "notes", "lora_alpha",
        lambda c: "lora_alpha" in c.given and c["lora_alpha"] != -1,
        template("`lora_alpha` is parsed and not used: the engine always takes twice the rank (4 with "
            "rsLoRA)."),
        template("Remove it."), "cli/train/sft/workflow.py:787",
    ),
    Rule(
        "method.lora-rank", "fails", "lora_rank", lambda c: lora(c) and c.number("lora_rank", 1) <= 0,
        template("`lora_rank` is {lora_rank}; it must be positive."), template("Use 8 or more."),
        "cli/hparams/model_args.py:199",
    ),
    Rule(
        "method.lora-family", "fails", "fine_tuning", lambda c: lora(c) and c.family and not c.family.lora,
        template("The engine has no list of LoRA layers for {model_type} and stops with a ValueError."),
        template("Set `fine_tuning` to full."), "cli/utils/llm_utils.py:424", TRAIN,
    ),
    Rule(
        "method.rslora-plus", "notes", "rslora_plus", lambda c: c["rslora_plus"] and not c.preference,
        template("`rslora_plus` acts in DPO only."), template("Use `rslora` and `lora_plus_scale`."),
        "cli/hparams/model_args.py:216", TRAIN,
    ),
    Rule(
        "method.export-full", "fails", "fine_tuning", lambda c: not lora(c),
        template("`export` merges LoRA adapters only, and `fine_tuning` is {fine_tuning}."),
        template("A fully trained model needs no merge: use its "
            "folder."), "cli/export/export.py:183", ("export",),
    ),
    Rule(
        "method.paddlefleet", "warns", "model_name_or_path",
        lambda c: c.family and c.family.needs_paddlefleet,
        template("The modelling code of {model_type} needs the optional package paddlefleet."),
        template("Install paddleformers[paddlefleet]."), "transformers/gpt_provider.py:31", TRAIN,
    ),
    Rule(
        "data.model-missing", "fails", "model_name_or_path", lambda c: not c["model_name_or_path"],
        template("`model_name_or_path` is missing: there is no model to load."),
        template("Name a model or a folder."), "cli/hparams/model_args.py:83",
    ),
    Rule(
        "data.train-path", "fails", "train_dataset_path",
        lambda c: text_stage(c) and c["dataset_type"] not in UNCHECKED and c["train_dataset_path"] is None,
        template("`train_dataset_path` is missing."), template("Name the training file."),
        "cli/train/tuner.py:25-49", TRAIN,
    ),
    Rule(
        "data.eval-path", "fails", "eval_dataset_path",
        lambda c: text_stage(c) and c["dataset_type"] not in UNCHECKED and c["eval_dataset_path"] is None,
        template("`eval_dataset_path` is null, and it is checked even without evaluation."),
        template("Remove the line, or name a file."), "cli/train/tuner.py:25-49", TRAIN,
    ),
    Rule(
        "data.pretrain-input", "fails", "input_dir",
        lambda c: c["dataset_type"] == "pretrain" and c["stage"] in ("SFT", "PT")
        and len(c.text("input_dir").split()) < 2,
        template("`dataset_type` pretrain needs `input_dir` as pairs of weight and prefix."),
        template("Write it like: 1.0 ./data/corpus."), "cli/train/sft/workflow.py:114", TRAIN,
    ),
    Rule(
        "data.pretrain-steps", "fails", "max_steps",
        lambda c: c["dataset_type"] == "pretrain" and c["stage"] in ("SFT", "PT")
        and c.number("max_steps") < 0,
        template("`dataset_type` pretrain reads an endless stream and needs `max_steps`."),
        template("Set `max_steps`."), "cli/train/sft/workflow.py:123", TRAIN,
    ),
    Rule(
        "data.random-mix", "fails", "mix_strategy",
        lambda c: c["mix_strategy"] == "random" and c["max_steps"] == -1,
        template("`mix_strategy` random draws rows for ever and needs `max_steps`."),
        template("Set `max_steps`, or use concat."), "cli/train/sft/workflow.py:658", TRAIN,
    ),
    Rule(
        "data.multi-turn", "rejects", "split_multi_turn",
        lambda c: c["split_multi_turn"] and c["template_backend"] != "jinja",
        template("`split_multi_turn` needs `template_backend` jinja, and it is {template_backend}."),
        template("Set `template_backend` to jinja."), "cli/hparams/parser.py:254", TRAIN,
    ),
    Rule(
        "data.truncation", "fails", "truncation_strategy",
        lambda c: c["truncation_strategy"] not in ("delete", "left", "right", "oral"),
        template("`truncation_strategy` is {truncation_strategy}; it is delete, left, right or oral."),
        template("Use delete."), "datasets/SFTDataset.py:97", TRAIN,
    ),
    Rule(
        "data.map-packing", "fails", "binpacking",
        lambda c: c["packing"] and c["dataset_type"] == "map" and not c["binpacking"],
        template("Packing a map dataset needs `binpacking`."), template("Turn `binpacking` on."),
        "datasets/SFTDataset.py:985", TRAIN,
    ),
    Rule(
        "data.tokenizer", "notes", "tokenizer_name_or_path",
        lambda c: c.tunes and c["tokenizer_name_or_path"] and not c.preference
        and c["tokenizer_name_or_path"] != c["model_name_or_path"],
        template("SFT never reads `tokenizer_name_or_path`; the tokenizer comes with the model."),
        template("Remove it."), "cli/train/sft/workflow.py:407", TRAIN,
    ),
    Rule(
        "kernels.attention", "fails", "_attn_implementation",
        lambda c: c["_attn_implementation"] not in ("eager", "sdpa", "flashmask"),
        template("`_attn_implementation` is {_attn_implementation}; it is eager, sdpa or flashmask."),
        template("Use flashmask on a GPU, sdpa elsewhere."), "cli/train/sft/workflow.py:320", TRAIN,
    ),
    Rule(
        "kernels.flashmask-rows", "rejects", "use_attn_mask_startend_row_indices",
        lambda c: c.text("_attn_implementation").lower() == "flashmask"
        and not c["use_attn_mask_startend_row_indices"],
        template("`_attn_implementation` flashmask (the default) needs "
            "`use_attn_mask_startend_row_indices`."),
        template("Set it to true, or `_attn_implementation` to sdpa."), "cli/hparams/parser.py:257", TRAIN,
    ),
    Rule(
        "kernels.flashmask-cpu", "fails", "_attn_implementation",
        lambda c: c["_attn_implementation"] == "flashmask" and c.on_cpu,
        template("flashmask (the default) is a GPU kernel, and there is no GPU."),
        template("Set `_attn_implementation` to sdpa."), "cli/hparams/model_args.py:128", TRAIN,
    ),
    Rule(
        "kernels.device", "fails", "device", lambda c: c.world.device == "cpu" and c["device"] != "cpu",
        template("`device` is {device} (the default is gpu), and this machine has none: the script stops "
            "at once."),
        template("Set `device` to cpu."), f"{ARGS}:986", TRAIN,
    ),
    Rule(
        "kernels.flash-version", "rejects", "fa_version",
        lambda c: c["fa_version"] is not None and c["fa_version"] not in ((2,) if c.on_cpu else (2, 3, 4)),
        template("`fa_version` is {fa_version}; it is 2, 3 or 4, and without a CUDA card only 2."),
        template("Remove it: the engine chooses."), f"{ARGS}:1742-1767",
    ),
    Rule(
        "kernels.pre-allocate", "fails", "pre_alloc_memory",
        lambda c: c.number("pre_alloc_memory") > 0 and c.on_cpu,
        template("`pre_alloc_memory` takes memory of a GPU, and there is none."), template("Remove it."),
        "cli/hparams/finetuning_args.py:36",
    ),
    Rule(
        "kernels.recompute-modules", "rejects", "recompute_modules",
        lambda c: c["recompute_modules"] is not None and not isinstance(c["recompute_modules"], list | dict),
        template("`recompute_modules` must be a list or a mapping."), template("Write it as a YAML "
            "list."), f"{ARGS}:1887",
    ),
    Rule(
        "kernels.recompute-mtp-modules", "rejects", "recompute_mtp_modules",
        lambda c: c["recompute_mtp_modules"] is not None
        and not isinstance(c["recompute_mtp_modules"], list | dict),
        template("`recompute_mtp_modules` must be a list or a mapping."), template("Write it as a YAML "
            "list."),
        f"{ARGS}:1894",
    ),
    Rule(
        "evaluation.strategy-conflict", "rejects", "evaluation_strategy",
        lambda c: c["do_eval"] and c["evaluation_strategy"] == "no",
        template("`do_eval` is on and `evaluation_strategy` is no, which PaddleFormers refuses."),
        template("Set `evaluation_strategy` to steps, or turn `do_eval` off."), f"{ARGS}:1831",
    ),
    Rule(
        "evaluation.steps-missing", "rejects", "evaluation_strategy",
        lambda c: c["evaluation_strategy"] == "steps" and not c.number("eval_steps")
        and c.number("logging_steps") <= 0,
        template("Evaluation by steps needs `eval_steps` or `logging_steps`, and both are 0."),
        template("Set `eval_steps`."), f"{ARGS}:1841",
    ),
    Rule(
        "evaluation.logging-steps", "rejects", "logging_steps",
        lambda c: c["logging_strategy"] == "steps" and c["logging_steps"] == 0,
        template("`logging_steps` is 0; logging by steps needs a number."), template("Set `logging_steps` "
            "to 1."),
        f"{ARGS}:1850",
    ),
    Rule(
        "evaluation.best-strategy", "rejects", "load_best_model_at_end",
        lambda c: c["load_best_model_at_end"] and c["evaluation_strategy"] != c["save_strategy"],
        template("`load_best_model_at_end` needs the same strategy for evaluation ({evaluation_strategy}) "
            "and saving ({save_strategy})."),
        template("Use steps for both, or turn `load_best_model_at_end` off."), f"{ARGS}:1855",
    ),
    Rule(
        "evaluation.best-steps", "rejects", "save_steps",
        lambda c: c["load_best_model_at_end"] and c["evaluation_strategy"] == c["save_strategy"] == "steps"
        and eval_steps(c) > 0 and c.number("save_steps") % eval_steps(c) != 0,
        template("With `load_best_model_at_end`, `save_steps` ({save_steps}) must be a multiple of the "
            "evaluation interval."),
        template("Save as often as you evaluate."), f"{ARGS}:1861",
    ),
    Rule(
        "evaluation.monitors", "rejects", "internal_medicine_monitors",
        lambda c: c["internal_medicine_monitors"] and c.number("internal_medicine_monitor_interval") < 1,
        template("`internal_medicine_monitors` needs an interval of at least 1."),
        template("Set `internal_medicine_monitor_interval` to 1."), "cli/hparams/finetuning_args.py:306",
    ),
    Rule(
        "checkpoints.save-format", "rejects", "save_checkpoint_format",
        lambda c: c["save_checkpoint_format"] and c["save_checkpoint_format"] not in FORMATS,
        template("`save_checkpoint_format` is {save_checkpoint_format}; it is flex_checkpoint, "
            "unified_checkpoint or sharding_io."),
        template("Remove it: flex_checkpoint is the default."), f"{ARGS}:2888",
    ),
    Rule(
        "checkpoints.load-format", "rejects", "load_checkpoint_format",
        lambda c: c["load_checkpoint_format"] and c["load_checkpoint_format"] not in FORMATS,
        template("`load_checkpoint_format` is {load_checkpoint_format}; it is flex_checkpoint, "
            "unified_checkpoint or sharding_io."),
        template("Remove it: flex_checkpoint is the default."), f"{ARGS}:2901",
    ),
    Rule(
        "checkpoints.unified-alone", "ignored", "unified_checkpoint",
        lambda c: c["unified_checkpoint"] and c["save_checkpoint_format"] == "flex_checkpoint",
        template("`unified_checkpoint` does nothing while `save_checkpoint_format` is flex_checkpoint, its "
            "default."),
        template("Set `save_checkpoint_format` to unified_checkpoint, or remove the "
            "line."), f"{ARGS}:2888-2910", TRAIN,
    ),
    Rule(
        "checkpoints.unified-option", "rejects", "unified_checkpoint_config",

               lambda c: unified(c) and not unified_words(c) <= OPTIONS,
        template("`unified_checkpoint_config` ({unified_checkpoint_config}) has a word that the engine "
            "does not know."),
        template("Remove it."), f"{ARGS}:2655",
    ),
    Rule(
        "checkpoints.unified-exclusive", "rejects", "unified_checkpoint_config",
        lambda c: unified(c) and "skip_save_model_weight" in c.text("unified_checkpoint_config")
        and "ignore_merge_optimizer" in c.text("unified_checkpoint_config"),
        template("skip_save_model_weight and ignore_merge_optimizer exclude each other."),
        template("Keep one of them."), f"{ARGS}:2650",
    ),
    Rule(
        "checkpoints.unified-off", "notes", "unified_checkpoint_config",
        lambda c: bool(c.text("unified_checkpoint_config")) and not unified(c),
        template("`unified_checkpoint_config` does nothing with the flex_checkpoint "
            "format."), template("Remove it."),
        f"{ARGS}:2655",
    ),
    Rule(
        "checkpoints.zero-cost-fuse", "rejects", "enable_zero_cost_checkpoint",
        lambda c: c["enable_zero_cost_checkpoint"] and not c["fuse_optimizer_states"],
        template("`enable_zero_cost_checkpoint` needs `fuse_optimizer_states`."),
        template("Turn `fuse_optimizer_states` on."), f"{ARGS}:2731",
    ),
    Rule(
        "checkpoints.zero-cost-needs", "fails", "enable_zero_cost_checkpoint",
        lambda c: c["enable_zero_cost_checkpoint"] and (c["save_tokenizer"]
        or c["save_checkpoint_format"] != "sharding_io"
                                                        or not c.degrees.hybrid),
        template("Zero-cost checkpoints need more than one process, `save_checkpoint_format` sharding_io "
            "and `save_tokenizer` off."),
        template("Set them, or turn `enable_zero_cost_checkpoint` off."), "trainer/trainer.py:538-557",
    ),
    Rule(
        "checkpoints.flash-device", "rejects", "flash_device_save_steps",
        lambda c: c.number("flash_device_save_steps") > 0 and not c["enable_zero_cost_checkpoint"],
        template("`flash_device_save_steps` needs "
            "`enable_zero_cost_checkpoint`."), template("Remove it."), f"{ARGS}:2726",
    ),
    Rule(
        "checkpoints.ema-interval", "rejects", "zcc_ema_interval",
        lambda c: c.number("zcc_ema_interval", 1) > 0
        and (c.number("save_steps") % c.number("zcc_ema_interval", 1)
             or c.number("flash_device_save_steps") % c.number("zcc_ema_interval", 1)),
        template("`save_steps` ({save_steps}) must be a multiple of `zcc_ema_interval` "
            "({zcc_ema_interval})."),
        template("Set `zcc_ema_interval` to 1."), f"{ARGS}:2736-2741",
    ),
    Rule(
        "checkpoints.ema-workers", "rejects", "zcc_workers_num",
        lambda c: c["enable_zero_cost_checkpoint"] and c["zcc_save_ema_coef"] is not None
        and c["zcc_workers_num"] != 1,
        template("`zcc_save_ema_coef` works with one checkpoint worker, and `zcc_workers_num` is "
            "{zcc_workers_num}."),
        template("Set `zcc_workers_num` to 1."), f"{ARGS}:2742",
    ),
    Rule(
        "preference.loss", "fails", "loss_type", lambda c: c.preference and c["loss_type"] not in LOSSES,
        template("`loss_type` is {loss_type}; the engine knows sigmoid, hinge, ipo, kto_pair, sppo_hard, "
            "nca_pair, dpop, or, orpo and simpo."),
        template("Use sigmoid."), "cli/train/dpo/dpo_trainer.py:84-113", TRAIN,
    ),
    Rule(
        "preference.reference-free", "fails", "reference_free",
        lambda c: c.preference and c["reference_free"] and c["loss_type"] in LOSSES
        and c["loss_type"] not in REFERENCE_FREE,
        template("The loss {loss_type} needs a reference model, and `reference_free` is on."),
        template("Turn `reference_free` off."), "cli/train/dpo/dpo_trainer.py:84-113", TRAIN,
    ),
    Rule(
        "preference.reference-forced", "notes", "loss_type",
        lambda c: c.preference and c["loss_type"] in ("or", "orpo", "simpo") and not c["reference_free"],
        template("The loss {loss_type} works without a reference model; the script turns `reference_free` "
            "on."),
        template("Set `reference_free` to true."), "cli/train/dpo/workflow.py:86-95", TRAIN,
    ),
    Rule(
        "preference.unused-loss", "notes", "loss_type", lambda c: "loss_type" in c.given and not c.preference,
        template("`loss_type` acts in DPO only, and `stage` is {stage}."), template("Remove it."),
        "cli/hparams/finetuning_args.py:210", TRAIN,
    ),
)  # fmt: skip
"""Rules about everything but number formats and splits."""
