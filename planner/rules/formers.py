"""What only PaddleFormers wants to know: layout of rows, attention, and how blocks are recomputed and states
are saved."""

from __future__ import annotations

from planner.language import say
from planner.phrases import plural
from planner.rules.rule import Choice, not_, rule
from planner.situation import Situation


@rule("data.dataset_type", "dataset_type", "paddleformers 1.2.0 datasets/reader/convertor.py:242-273")
def dataset_type(s: Situation) -> Choice:
    """Messages; plain text only exists in the other layout."""
    if s.wishes.stage == "pretrain":
        return Choice(
            "erniekit",
            say("Rows of `text`, which only the layout erniekit has."),
            (not_("messages", say("It has questions and answers, and no plain text.")),),
        )
    return Choice(
        "messages",
        say("Rows are conversations of role and content, as the model's chat template takes them."),
        (not_("erniekit", say("Rows of `src` and `tgt`: the same conversations in another layout.")),),
    )


@rule("data.mix_strategy", "mix_strategy", "paddleformers 1.2.0 datasets/reader/mix_datasets.py")
def mix_strategy(s: Situation) -> Choice:
    """One prepared file, one row after another."""
    several = say("Only matters between several files.")
    return Choice(
        "concat",
        say(
            "{rows} lie in one prepared file, and each is seen once per pass; several sources are mixed "
            "while it is prepared.",
            rows=plural(s.data.train_rows, "row"),
        ),
        (
            not_("random", say("Draws rows for ever: some are seen twice in a pass, others never.")),
            not_("interleave_under", several),
            not_("interleave_over", several),
        ),
    )


@rule(
    "kernels.attention",
    "attn_implementation",
    "paddleformers 1.2.0 nn/attention/interface.py:24-26; cli/hparams/model_args.py:128",
)
def attention(s: Situation) -> Choice:
    """FlashMask where it runs, Paddle's fused attention on other accelerators, products on processors."""
    reasons = {
        "flashmask": say("FlashMask keeps packed rows apart without storing scores."),
        "sdpa": say("Paddle's own fused attention, with a dense mask."),
        "eager": say("Plain matrix products, which every device has."),
    }
    if s.flag("flash_mask"):
        chosen = "flashmask"
    else:
        chosen = "sdpa" if s.on_gpu else "eager"
        reasons["flashmask"] = say("flash_mask is off here: {why}", why=s.decisions["flash_mask"].because)
    others = tuple(not_(name, why) for name, why in reasons.items() if name != chosen)
    return Choice(chosen, reasons[chosen], others)


NATIVE = (
    "paddleformers 1.2.0 transformers/llama/modeling.py:473-475, ernie4_5/modeling.py:700, nn/pp_model.py:447"
)
"""Where blocks are recomputed: only with full, uniform and 1 together; anything else does nothing, unsaid."""


@rule("kernels.recompute_method", "recompute_method", NATIVE)
def recompute_method(s: Situation) -> Choice:
    """Every block: the models without paddlefleet know nothing else."""
    return Choice(
        "uniform",
        say("Every block is recomputed; {kind} models know no other way.", kind=s.model.model_type),
        (not_("block", say("Would recompute nothing, without a word.")),),
    )


@rule("kernels.recompute_num_layers", "recompute_num_layers", NATIVE)
def recompute_num_layers(s: Situation) -> Choice:
    """One block at a time, for the same reason."""
    return Choice(
        1,
        say("The {layers} blocks are recomputed one at a time.", layers=s.model.num_hidden_layers),
        (not_(2, say("Would recompute nothing, without a word.")),),
    )


@rule(
    "checkpoints.format", "save_checkpoint_format", "paddleformers 1.2.0 trainer/training_args.py:2888-2910"
)
def checkpoint_format(s: Situation) -> Choice:
    """The engine's default, which other degrees can load."""
    return Choice(
        "flex_checkpoint",
        say(
            "A checkpoint of {processes} can be resumed by another number of them.",
            processes=plural(s.whole("num_processes"), "process", "processes"),
        ),
        (
            not_(
                "unified_checkpoint", say("PaddleNLP's layout, which this engine keeps for old checkpoints.")
            ),
            not_("sharding_io", say("Tied to the number of processes that wrote it.")),
        ),
    )


RULES = (
    dataset_type,
    mix_strategy,
    attention,
    recompute_method,
    recompute_num_layers,
    checkpoint_format,
)
"""They read what is decided about kernels and processes."""
