"""What is trained, and with which toolkit."""

from __future__ import annotations

from dataclasses import replace

from planner import memory
from planner.did_you_mean import hint
from planner.engine_builds import pick_build
from planner.errors import NothingFeasible
from planner.families import SFT_FAMILIES
from planner.layout import FULL_ROWS, layout
from planner.phrases import parameters, plural, size
from planner.rules.rule import Choice, not_, rule
from planner.setup import adapter_parameters
from planner.situation import Situation


@rule("method.engine", "engine", "PaddleNLP 3.0.0b4 llm/utils/data.py get_convert_example, trl/llm_utils.py")
def engine(s: Situation) -> Choice:
    """The toolkit that knows the model's architecture."""
    if s.model.model_type not in SFT_FAMILIES:
        raise NothingFeasible(
            f"Model `{s.model.name}` has architecture `{s.model.model_type}`, which the paddlenlp engine "
            "does not train.",
            remedy=hint(s.model.model_type, SFT_FAMILIES) or f"It trains {', '.join(sorted(SFT_FAMILIES))}.",
        )
    return Choice(
        "paddlenlp",
        f"PaddleNLP trains {s.model.model_type} models with supervised fine-tuning and can save, merge and "
        "reload them.",
    )


@rule("method.engine_build", "engine_build", "recipes/engines/engines.yaml")
def engine_build(s: Situation) -> Choice:
    """The accelerator build of Paddle that fits driver and card."""
    return Choice(*pick_build(s.hardware))


@rule("method.method", "method", "LoRA: arXiv:2106.09685; arXiv:2405.09673")
def method(s: Situation) -> Choice:
    """Full training where it fits and pays; LoRA otherwise."""
    found = layout(s)
    trained = adapter_parameters(s.model, s.whole("lora_rank"), s.word("lora_target_modules"))
    share = (
        f"{parameters(trained)} of {parameters(s.model.parameters)} weights "
        f"({trained / s.model.parameters:.1%})"
    )
    other = replace(found.setup, method="lora" if found.setup.method == "full" else "full")
    other_peak = size(memory.total(memory.peak(s.model, other, s.device)))
    if found.setup.method == "full":
        return Choice(
            "full",
            f"You favour {s.wishes.goal}, {plural(s.data.train_rows, 'row')} are enough for it, and "
            f"{size(found.peak)} per process fit.",
            (not_("lora", f"It would need {other_peak} and train only {share}."),),
        )
    if not s.on_gpu:
        why_not = "Each token costs half as much again, and every checkpoint is as large as three models."
    elif s.wishes.goal == "quality" and s.data.train_rows < FULL_ROWS:
        why_not = (
            f"With {plural(s.data.train_rows, 'row')} it overfits; it pays from about {FULL_ROWS:,} rows."
        )
    elif s.wishes.goal == "quality":
        why_not = f"It does not fit: the same layout would need {other_peak} per device."
    else:
        why_not = f"It needs about {other_peak} per device; ask for goal quality to favour it."
    return Choice(
        "lora", f"Small adapters train {share}: {size(found.peak)} per process.", (not_("full", why_not),)
    )


@rule("method.lora_rank", "lora_rank", "LoRA: arXiv:2106.09685, table 6; PaddleNLP default 8")
def lora_rank(s: Situation) -> Choice:
    """More data can fill wider adapters."""
    rows = s.data.train_rows
    rank = 8 if rows < 5_000 else 16 if rows < 50_000 else 32
    if s.wishes.goal == "quality":
        rank *= 2
    if s.wishes.goal == "memory":
        rank = 8
    number = parameters(adapter_parameters(s.model, rank, "all-linear"))
    return Choice(
        rank,
        f"{plural(rows, 'row')} and goal {s.wishes.goal}: rank {rank} gives {number} adapter weights.",
        (not_(rank * 2, "Twice the adapter weights, which this much data does not fill."),),
    )


@rule("method.lora_alpha", "lora_alpha", "PaddleNLP 3.0.0b4 llm/run_finetune.py: lora_alpha = 2 * lora_rank")
def lora_alpha(s: Situation) -> Choice:
    """Twice the rank, as upstream's script fixes it."""
    rank = s.whole("lora_rank")
    return Choice(
        2 * rank,
        f"Twice the rank ({rank}), the scale that upstream's own script always uses, so its runs compare.",
    )


@rule("method.lora_dropout", "lora_dropout", "PaddleNLP 3.0.0b4 llm/run_finetune.py: lora_dropout = 0")
def lora_dropout(s: Situation) -> Choice:
    """No dropout in adapters."""
    return Choice(
        0.0,
        f"Rank {s.whole('lora_rank')} adapters are small enough not to need it, and it costs a copy of every "
        "input.",
        (not_(0.05, "Slower, and no better on short runs."),),
    )


@rule(
    "method.lora_targets",
    "lora_target_modules",
    "QLoRA: arXiv:2305.14314, section 4; PaddleNLP trl/llm_utils.py",
)
def lora_targets(s: Situation) -> Choice:
    """Adapters on every linear layer, unless memory is what counts."""
    everywhere = adapter_parameters(s.model, 8, "all-linear")
    attention = adapter_parameters(s.model, 8, "attention")
    if s.wishes.goal == "memory":
        return Choice(
            "attention",
            f"Goal memory: adapters beside attention only are {attention / everywhere:.0%} of those on all "
            "layers.",
            (not_("all-linear", f"{everywhere / attention:.1f} times as many adapter weights."),),
        )
    return Choice(
        "all-linear",
        f"Adapters on all seven linear layers of each of the {s.model.num_hidden_layers} blocks learn "
        "closest to full training.",
        (
            not_(
                "attention",
                f"{attention / everywhere:.0%} of the adapter weights, and measurably worse answers.",
            ),
        ),
    )
