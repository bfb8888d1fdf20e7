"""Fused kernels, and what is recomputed or kept in host memory: only what engine, family and device have."""

from __future__ import annotations

from planner.language import say
from planner.pace import GRANULARITY
from planner.phrases import size
from planner.rules.attention import flash_attention, flash_mask, found_family
from planner.rules.precision import shown
from planner.rules.rivals import slower
from planner.rules.rule import Choice, not_, rule
from planner.search import HEADROOM, differing, outcome, words
from planner.situation import Situation

WORD_OF = {value: word for word, value in GRANULARITY.items()}
"""Value of `Setup.recompute` -> word of `recompute_granularity`."""


@rule(
    "kernels.fused_norm",
    "use_fused_rms_norm",
    "PaddlePaddle/PaddleNLP#8410, #10350; measured: ImportError fused_ln",
)
def fused_rms_norm(s: Situation) -> Choice:
    """Off: its operator has to be compiled, and no wheel holds it."""
    if not s.on_gpu:
        return Choice(
            False,
            say("It has no CPU kernel."),
            (not_(True, say("Stops with an ImportError on a processor.")),),
        )
    return Choice(
        False,
        say("Its operator fused_ln is in no wheel; it has to be compiled from PaddleNLP's sources."),
        (not_(True, say("Stops with an ImportError unless fused_ln was compiled into the engine.")),),
    )


@rule(
    "kernels.fused_rope",
    "use_fused_rope",
    "PaddleNLP 3.0.0b4 transformers/llama/modeling.py:747; upstream's pretrain recipes",
)
def fused_rope(s: Situation) -> Choice:
    """On NVIDIA cards, where the architecture reads the switch."""
    if not s.on_gpu:
        return Choice(
            False,
            say("The engine switches it off on a processor."),
            (not_(True, say("Switched off with a warning.")),),
        )
    if s.hardware.devices[0].maker != "nvidia" or not found_family(s).fused_rope:
        return Choice(
            False,
            say(
                "{engine} does not fuse it for {kind} models on {device}.",
                engine=s.word("engine"),
                kind=s.model.model_type,
                device=shown(s),
            ),
            (not_(True, say("Would be ignored.")),),
        )
    return Choice(
        True,
        say(
            "Queries and keys of {heads} heads are turned in one pass over memory instead of about five.",
            heads=s.model.num_attention_heads + s.model.num_key_value_heads,
        ),
        (not_(False, say("The same numbers, from more and smaller kernels.")),),
    )


@rule(
    "kernels.fuse_qkv",
    "fuse_attention_qkv",
    "PaddleNLP 3.0.0b4 trl/model_config.py:33, transformers/llama/modeling.py:729-736",
)
def fuse_qkv(s: Situation) -> Choice:
    """Only for pretraining that stays in Paddle."""
    return _fused(s, "fuse_qkv", say("query, key and value"))


@rule(
    "kernels.fuse_ffn",
    "fuse_attention_ffn",
    "PaddleNLP 3.0.0b4 trl/model_config.py:37, trl/llm_utils.py:184-226",
)
def fuse_ffn(s: Situation) -> Choice:
    """Only for pretraining that stays in Paddle; with LoRA on qwen2 the fused layer would get no adapter."""
    return _fused(s, "fuse_ffn", say("gate and up"))


def _fused(s: Situation, ability: str, what: str) -> Choice:
    """Return the choice on fusing weights: saved fused, so only where other tools need not read them."""
    found, tensor = found_family(s), s.whole("tensor_parallel_degree")
    if found.fused_layers:
        return Choice(
            False,
            say(
                "{engine} keeps {what} of {kind} models as one layer in any case, and has no switch for it.",
                engine=s.word("engine"),
                what=what,
                kind=s.model.model_type,
            ),
        )
    if not (getattr(found, ability) and found.fuse_on_load):
        return Choice(
            False,
            say(
                "{engine} does not fuse {what} of {kind} models while loading them.",
                engine=s.word("engine"),
                what=what,
                kind=s.model.model_type,
            ),
        )
    if s.wishes.stage in ("dpo", "kto", "orpo", "simpo"):
        return Choice(
            False,
            say("The scripts of stage {stage} read the switch and never apply it.", stage=s.wishes.stage),
            (not_(True, say("Would be ignored.")),),
        )
    divides = ability != "fuse_qkv" or s.model.num_key_value_heads % tensor == 0
    if s.wishes.stage == "pretrain" and s.on_gpu and divides and s.wishes.target != "huggingface":
        return Choice(
            True,
            say("One product for {what}, as in upstream's recipes; the model stays in Paddle.", what=what),
            (not_(False, say("A few percent slower.")),),
        )
    return Choice(
        False,
        say(
            "Weights would be saved fused, and neither the proof of the merge nor other tools read {what} "
            "that way.",
            what=what,
        ),
        (not_(True, say("A few percent faster, and a result that only PaddleNLP loads.")),),
    )


@rule(
    "kernels.fused_loss",
    "use_fused_linear_cross_entropy",
    "PaddleNLP 3.0.0b4 transformers/qwen2/modeling.py:1637; llama/modeling.py:2130",
)
def fused_loss(s: Situation) -> Choice:
    """Off: it needs a package of Triton kernels, and no tensor parallelism."""
    tokens = s.whole("max_length")
    whole = size(tokens * s.model.vocab_size * 4)
    if not s.on_gpu:
        return Choice(
            False, say("Its Triton kernels need a GPU."), (not_(True, say("Fails on a processor.")),)
        )
    return Choice(
        False,
        say(
            "It needs the package paddlenlp_kernel (Triton), which the engine does not hold; the scores of "
            "one "
            "sequence take {whole}.",
            whole=whole,
        ),
        (not_(True, say("Stops with an ImportError, or with an AssertionError under tensor parallelism.")),),
    )


@rule("kernels.recompute", "recompute", "arXiv:1604.06174; forecast of planner/memory")
def recompute(s: Situation) -> Choice:
    """Only when memory asks for it: it costs up to a third more time."""
    found = outcome(s)
    usable, limit = size(found.peak), size(found.limit)
    if not found.setup.recompute:
        return Choice(
            False,
            say("Everything fits without it: {peak} of {limit} per process.", peak=usable, limit=limit),
            (not_(True, say("Would run every block's forward pass twice, for memory that is not short.")),),
        )
    rival = found.best("recompute", lambda setup: not setup.recompute)
    if rival is None:
        return Choice(
            True,
            say(
                "Activations are computed again in the backward pass: {peak} of {limit} per process.",
                peak=usable,
                limit=limit,
            ),
            (not_(False, say("Does not fit in any way.")),),
        )
    if not rival.fits:
        return Choice(
            True,
            say(
                "Without it {without} would be needed, more than {share:.0%} of {limit}; with it {peak}.",
                without=size(rival.peak),
                share=HEADROOM,
                limit=limit,
                peak=usable,
            ),
            (not_(False, say("Needs {peak} per process.", peak=size(rival.peak))),),
        )
    because = say(
        "With it {peak} of {limit} per process. The best way without it ({way}) is {slower}.",
        peak=usable,
        limit=limit,
        way=words(differing(rival.setup, found.setup, "recompute")) or say("otherwise the same"),
        slower=slower(found, rival),
    )
    if s.wishes.goal == "memory":
        because = say(
            "With it {peak} per process, and without at least {without}: you favour memory.",
            peak=usable,
            without=size(rival.peak),
        )
    return Choice(True, because, (not_(False, rival.reason),))


@rule(
    "kernels.granularity",
    "recompute_granularity",
    "PaddleNLP 3.0.0b4 transformers/configuration_utils.py:266; arXiv:2205.05198",
)
def granularity(s: Situation) -> Choice:
    """As the search found it: the least that fits."""
    found = outcome(s)
    known = found_family(s).recompute
    chosen = WORD_OF.get(int(found.setup.recompute), "full")
    why = {
        "full": say("Recomputes whole blocks: least memory, most time."),
        "full_attn": say("Recomputes attention with its projections: keeps the activations of the MLP."),
        "core_attn": say("Recomputes attention scores only, which FlashAttention never stores anyway.")
        if s.flag("use_flash_attention")
        else say("Recomputes attention scores only: least time, least saved."),
    }
    others = tuple(
        not_(
            name,
            text
            if name in known
            else say(
                "{engine} does not have it for {kind} models.",
                engine=s.word("engine"),
                kind=s.model.model_type,
            ),
        )
        for name, text in why.items()
        if name != chosen
    )
    if not found.setup.recompute:
        return Choice(chosen, say("Nothing is recomputed; blocks would be."), others)
    return Choice(
        chosen,
        say(
            "{what} {peak} of {limit} per process.",
            what=why[chosen],
            peak=size(found.peak),
            limit=size(found.limit),
        ),
        others,
    )


@rule(
    "kernels.offload",
    "offload_optim",
    "ZeRO-Offload: arXiv:2101.06840; PaddleNLP 3.0.0b4 trainer/training_args.py:988",
)
def offload(s: Situation) -> Choice:
    """Only when nothing else makes the model fit: states cross the host's bus in every step."""
    found = outcome(s)
    if not s.on_gpu:
        return Choice(
            False,
            say("Everything is in host memory already."),
            (not_(True, say("Needs a device of its own.")),),
        )
    states = found.parts.get("optimizer")
    amount = size(states.bytes if states else 0)
    if found.setup.offload:
        return Choice(
            True,
            say(
                "Optimizer states wait in host memory between steps: {peak} of {limit} per device.",
                peak=size(found.peak),
                limit=size(found.limit),
            ),
            (not_(False, say("Does not fit.")),),
        )
    return Choice(
        False,
        say("Optimizer states of {amount} fit on the device.", amount=amount),
        (not_(True, say("Would move {amount} over the host's bus twice in every step.", amount=amount)),),
    )


EARLY_RULES = (flash_attention, fused_rms_norm, fused_rope)
"""Before the search."""

LATE_RULES = (flash_mask, fuse_qkv, fuse_ffn, fused_loss, recompute, granularity, offload)
"""They read the layout that the search found."""
