"""Rules of PaddleNLP about data, lengths and what is to be done at all."""

from __future__ import annotations

from planner.arguments.case import Case
from planner.arguments.rule import Rule
from planner.language import template


def nothing(case: Case, name: str) -> bool:
    """Return whether an argument names nothing."""
    return case[name] in (None, "", "None")


RULES = (
    Rule(
        "data.model-missing", "warns", "model_name_or_path",
        lambda c: nothing(c, "model_name_or_path") and not c["autotuner_benchmark"],
        template("`model_name_or_path` is missing: there is no model to load unless the command line names "
            "one."),
        template("Name a model or a folder."), "llm/run_finetune.py",
    ),
    Rule(
        "data.dataset-missing", "warns", "dataset_name_or_path", lambda c: nothing(c, "dataset_name_or_path"),
        template("`dataset_name_or_path` is missing: the script stops unless the command line names it."),
        template("Name the folder with train.json and dev.json."), "llm/run_finetune.py:648",
    ),
    Rule(
        "data.input-missing", "warns", "input_dir", lambda c: nothing(c, "input_dir"),
        template("`input_dir` is missing: pretraining needs .bin and .idx files, unless the command line "
            "names them."),
        template("Name the folder with the prepared files."), "llm/run_pretrain.py:114", ("run_pretrain",),
    ),
    Rule(
        "data.pretrain-steps", "warns", "max_steps", lambda c: c.number("max_steps") <= 0,
        template("Pretraining reads an endless stream and needs `max_steps` above 0, here or on the "
            "command line."),
        template("Set `max_steps`."), "llm/run_pretrain.py:200-215", ("run_pretrain",),
    ),
    Rule(
        "data.lazy-steps", "fails", "lazy",
        lambda c: c["lazy"] and c["do_train"] and c.number("max_steps") <= 0
        and c.script in ("run_finetune", "run_embedding"),
        template("`lazy` streams the data, so its length is unknown and `max_steps` must be above 0."),
        template("Set `max_steps`, or turn `lazy` off."), "trainer/trainer.py:421",
    ),
    Rule(
        "data.greedy-without-packing", "ignored", "greedy_zero_padding",
        lambda c: c["greedy_zero_padding"] and not c["zero_padding"] and not c["flash_mask"],
        template("`greedy_zero_padding` chooses how rows are packed, and `zero_padding` is off."),
        template("Turn `zero_padding` "
            "on."), "trl/sftdata_config.py:26", ("run_finetune", "run_quantization"),
    ),
    Rule(
        "data.prompt-length", "warns", "src_length",
        lambda c: c.number("src_length") >= c.number("max_length") > 0,
        template("`src_length` ({src_length}) leaves no room for an answer within `max_length` "
            "({max_length})."),
        template("Lower `src_length`."), "llm/utils/data.py", ("run_finetune", "run_embedding"),
    ),
    Rule(
        "data.prompt-length-preference", "warns", "max_prompt_len",
        lambda c: c.number("max_prompt_len") >= c.number("max_seq_len") > 0,
        template("`max_prompt_len` ({max_prompt_len}) leaves no room for an answer within `max_seq_len` "
            "({max_seq_len})."),
        template("Lower `max_prompt_len`."), "trl/trl_data.py",
    ),
    Rule(
        "data.save-generation", "ignored", "save_generation_output",
        lambda c: c["save_generation_output"] and not c["eval_with_do_generation"],
        template("`save_generation_output` needs `eval_with_do_generation`."),
        template("Remove it."), "trl/sftdata_config.py:43",
    ),
    Rule(
        "data.pose", "ignored", "use_pose_convert",
        lambda c: c["use_pose_convert"] and not c["use_long_sequence_strategies"],
        template("`use_pose_convert` needs `use_long_sequence_strategies`."),
        template("Remove it."), "trl/sftdata_config.py:68",
    ),
    Rule(
        "data.tokenizer", "notes", "tokenizer_name_or_path",
        lambda c: not nothing(c, "tokenizer_name_or_path"),
        template("run_finetune.py never reads `tokenizer_name_or_path`; the tokenizer comes with the "
            "model."),
        template("Remove it."), "trl/model_config.py:26", ("run_finetune",),
    ),
    Rule(
        "data.max-seq-length", "notes", "max_seq_length", lambda c: "max_seq_length" in c.given,
        template("`max_seq_length` is a leftover here; the length is `max_length`."),
        template("Use `max_length`."), "trl/sft_config.py:54", ("run_finetune",),
    ),
    Rule(
        "data.nothing-to-do", "warns", "do_train",
        lambda c: not c["do_train"] and not c["do_eval"] and not c["do_predict"] and not c["benchmark"]
        and not c["autotuner_benchmark"] and not c.evaluates,
        template("Neither `do_train` nor `do_eval` is on: the script loads the model and does nothing."),
        template("Set `do_train` to true."), "llm/run_finetune.py",
        ("run_finetune", "run_dpo", "run_kto", "run_pretrain", "run_reward", "run_embedding"),
    ),
    Rule(
        "data.batch-size", "fails", "per_device_train_batch_size",
        lambda c: c.number("per_device_train_batch_size", 1) < 1
        or c.number("gradient_accumulation_steps", 1) < 1,
        template("`per_device_train_batch_size` and `gradient_accumulation_steps` must be at least 1."),
        template("Set both to 1 or more."), "trainer/training_args.py:428-433",
    ),
    Rule(
        "data.embedding-family", "fails", "max_query_len", lambda c: c.family and not c.family.embedding,
        template("Embeddings can be trained for qwen2 only, not for {model_type}."),
        template("Choose a Qwen2 model."), "llm/run_embedding.py:87", ("run_embedding",),
    ),
    Rule(
        "data.reward-family", "fails", "process_reward",
        lambda c: c["process_reward"] and c.family and not c.family.reward,
        template("Process rewards can be trained for llama and mistral only, not for {model_type}."),
        template("Choose a llama or mistral "
            "model."), "llm/alignment/rm/flashmask/run_reward.py:147", ("run_reward",),
    ),
)  # fmt: skip
"""Rules about data and lengths."""
