"""Adapters: which variant of LoRA, how wide, how scaled, and beside which layers."""

from __future__ import annotations

from planner.families import family
from planner.language import say
from planner.methods import in_stage, variants
from planner.phrases import parameters, plural
from planner.rules.rule import Choice, not_, rule
from planner.setup import adapter_parameters
from planner.situation import Situation
from planner.stage_workers import ENGINE_WORKERS

HIGH_RANK = 128
"""Rank from which rank-stabilised scaling is chosen. Upstream's alpha of twice the rank scales by 2 whatever
the rank, and the output of an adapter then grows with the square root of the rank (arXiv:2312.03732, section
3); twice the widest rank that a plan chooses by itself."""

STABLE_ALPHA = 4
"""`lora_alpha` that upstream's scripts fix with rslora (run_finetune.py, run_dpo.py:188)."""

PLUS_SCALE = {"lora_plus": 16.0, "rslora_plus": 4.0}
"""Learning rate of B relative to A: arXiv:2402.12354, section 4; upstream's preset (dpo_argument.py:146)."""

STABLE = ("rslora", "rslora_plus")


def own_worker(s: Situation) -> bool:
    """Return whether Steersman's own training worker runs this stage; upstream's scripts fix alpha, dropout
    and targets, and have no argument for them."""
    found = family(s.word("engine"), s.model.model_type)
    return (
        s.wishes.stage in ENGINE_WORKERS[s.word("engine")]
        and found is not None
        and found.conversion_proven
        and not s.known("enable_auto_parallel", False)
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
    number = parameters(adapter_parameters(s.model, rank, "all-linear", s.word("engine")))
    return Choice(
        rank,
        say(
            "{rows} and goal {goal}: rank {rank} gives {number} adapter weights.",
            rows=plural(rows, "row"),
            goal=s.wishes.goal,
            rank=rank,
            number=number,
        ),
        (
            not_(rank * 2, say("Twice the adapter weights, which this much data does not fill.")),
            not_(
                max(1, rank // 2),
                say("Half the adapter weights: less room for what {rows} teach.", rows=plural(rows, "row")),
            ),
        ),
    )


@rule(
    "method.lora_variant",
    "lora_variant",
    "rsLoRA: arXiv:2312.03732; LoRA+: arXiv:2402.12354; reload and merge measured with PaddleNLP 3.0.0b4",
)
def lora_variant(s: Situation) -> Choice:
    """Plain LoRA; rank-stabilised from a rank at which plain scaling grows too large."""
    rank, scale = s.whole("lora_rank"), s.pin("lora_plus_scale")
    if isinstance(scale, int | float) and scale > 1:
        chosen = "rslora_plus" if rank >= HIGH_RANK else "lora_plus"
        because = say("You fixed lora_plus_scale {scale:g}, which only LoRA+ reads.", scale=float(scale))
    elif rank >= HIGH_RANK:
        chosen = "rslora"
        because = say(
            "At rank {rank} plain scaling of 2 makes the adapters' output too large; rank-stabilised "
            "scaling is "
            "{alpha} / sqrt({rank}) = {scaling:.2f}.",
            rank=rank,
            alpha=STABLE_ALPHA,
            scaling=STABLE_ALPHA / rank**0.5,
        )
    else:
        chosen = "plain"
        because = say(
            "At rank {rank} plain adapters train steadily, and they reload and merge exactly.", rank=rank
        )
    return Choice(chosen, because, tuple(not_(name, why) for name, why in _variants(s) if name != chosen))


def _variants(s: Situation) -> list[tuple[str, str]]:
    """Return every variant with the reason for which it was not chosen."""
    rank = s.whole("lora_rank")
    reasons = {
        "plain": say("Its scaling of 2 is too large at rank {rank}.", rank=rank)
        if rank >= HIGH_RANK
        else say("It has one learning rate for both matrices."),
        "rslora": say(
            "Pays at high ranks, from {high} on; at rank {rank} it would scale by {scaling:.2f} instead of "
            "2.",
            high=HIGH_RANK,
            rank=rank,
            scaling=STABLE_ALPHA / rank**0.5,
        ),
        "lora_plus": say(
            "A learning rate {scale:g} times as high for half of the adapter has to be tuned anew for every "
            "data set.",
            scale=PLUS_SCALE["lora_plus"],
        ),
        "rslora_plus": say(
            "Upstream's preset for speed (scale {scale:g}, alpha {alpha}); it needs a learning rate of its "
            "own.",
            scale=PLUS_SCALE["rslora_plus"],
            alpha=STABLE_ALPHA,
        ),
        "pissa": _pissa(s),
        "mora": _mora(s),
        "moslora": say(
            "A mixer of {rank} x {rank} more weights per layer, which other tools cannot load as an adapter.",
            rank=rank,
        ),
    }
    missing = say(
        "{engine} has no such adapter in stage {stage}.", engine=s.word("engine"), stage=s.wishes.stage
    )
    return [(name, why if in_stage(s, variants()[name]) else missing) for name, why in reasons.items()]


def _pissa(s: Situation) -> str:
    if not own_worker(s):
        return say(
            "Measured: the trained adapter is lost on reload; the model answers like the base model again."
        )
    return say(
        "Begins with the strongest directions of every weight, which has to be decomposed for it; kept as an "
        "adapter of rank {rank}.",
        rank=2 * s.whole("lora_rank"),
    )


def _mora(s: Situation) -> str:
    if not own_worker(s):
        return say(
            "Measured: merging gives wrong weights, off by 1.48 where the whole training changed 1.39."
        )
    return say("Square matrices, made to learn facts by heart; other tools cannot load them as an adapter.")


@rule(
    "method.lora_plus_scale",
    "lora_plus_scale",
    "LoRA+: arXiv:2402.12354; llm/alignment/dpo/dpo_argument.py:146",
)
def lora_plus_scale(s: Situation) -> Choice:
    """1 unless the variant is LoRA+."""
    variant = s.word("lora_variant")
    if variant not in PLUS_SCALE:
        return Choice(
            1.0, say("Both matrices learn at the same rate with variant {variant}.", variant=variant)
        )
    value = PLUS_SCALE[variant]
    return Choice(
        value,
        say(
            "The B matrices learn {scale:g} times as fast as A, as {variant} proposes.",
            scale=value,
            variant=variants()[variant].title,
        ),
        (not_(1.0, say("Plain LoRA: it learns more slowly.")),),
    )


@rule(
    "method.lora_alpha", "lora_alpha", "PaddleNLP 3.0.0b4 llm/run_finetune.py: 2 * lora_rank, 4 with rslora"
)
def lora_alpha(s: Situation) -> Choice:
    """Twice the rank, as upstream's script fixes it; 4 with rank-stabilised scaling."""
    rank = s.whole("lora_rank")
    if s.word("lora_variant") in STABLE:
        return Choice(
            STABLE_ALPHA,
            say(
                "{alpha}, as upstream's scripts fix it with rslora: scaled by {alpha} / sqrt({rank}) = "
                "{scaling:.2f}.",
                alpha=STABLE_ALPHA,
                rank=rank,
                scaling=STABLE_ALPHA / rank**0.5,
            ),
            (
                not_(
                    2 * rank,
                    say("Rank-stabilised scaling would multiply it by {scaling:.0f}.", scaling=2 * rank**0.5),
                ),
            ),
        )
    return Choice(
        2 * rank,
        say(
            "Twice the rank ({rank}), the scale that upstream's own script always uses, so its runs compare.",
            rank=rank,
        ),
        (not_(rank, say("Half the scale: adapters learn more slowly, and runs no longer compare.")),),
    )


@rule("method.lora_dropout", "lora_dropout", "PaddleNLP 3.0.0b4 llm/run_finetune.py: lora_dropout = 0")
def lora_dropout(s: Situation) -> Choice:
    """No dropout in adapters."""
    return Choice(
        0.0,
        say(
            "Rank {rank} adapters are small enough not to need it, and it costs a copy of every input.",
            rank=s.whole("lora_rank"),
        ),
        (not_(0.05, say("Slower, and no better on short runs.")),),
    )


@rule(
    "method.lora_targets",
    "lora_target_modules",
    "QLoRA: arXiv:2305.14314, section 4; PaddleNLP trl/llm_utils.py",
)
def lora_targets(s: Situation) -> Choice:
    """Adapters on every linear layer, unless memory is what counts."""
    everywhere = adapter_parameters(s.model, 8, "all-linear", s.word("engine"))
    attention = adapter_parameters(s.model, 8, "attention", s.word("engine"))
    if not own_worker(s):
        return Choice(
            "all-linear",
            say(
                "Upstream's scripts put adapters on every linear layer of the {blocks} blocks, and have no "
                "argument for it.",
                blocks=s.model.num_hidden_layers,
            ),
            (
                not_(
                    "attention",
                    say("Only Steersman's own worker can choose, and it does not run this stage."),
                ),
            ),
        )
    if s.wishes.goal == "memory":
        return Choice(
            "attention",
            say(
                "Goal memory: adapters beside attention only are {share:.0%} of those on all layers.",
                share=attention / everywhere,
            ),
            (
                not_(
                    "all-linear",
                    say("{factor:.1f} times as many adapter weights.", factor=everywhere / attention),
                ),
            ),
        )
    return Choice(
        "all-linear",
        say(
            "Adapters on all linear layers of each of the {blocks} blocks learn closest to full training.",
            blocks=s.model.num_hidden_layers,
        ),
        (
            not_(
                "attention",
                say(
                    "{share:.0%} of the adapter weights, and measurably worse answers.",
                    share=attention / everywhere,
                ),
            ),
        ),
    )


RULES = (
    lora_rank,
    lora_variant,
    lora_plus_scale,
    lora_alpha,
    lora_dropout,
    lora_targets,
)
"""They read the engine's decision, and not the search."""
