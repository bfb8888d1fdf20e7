"""What is trained: every weight or adapters, and how the frozen weights are stored."""

from __future__ import annotations

from planner.language import say
from planner.methods import LOW_BIT, blocked
from planner.phrases import parameters, plural, size
from planner.plan import Alternative
from planner.rules.adapters import RULES as ADAPTER_RULES
from planner.rules.engine import engine as engine
from planner.rules.engine import engine_build as engine_build
from planner.rules.other_methods import RULES as OTHER_RULES
from planner.rules.other_methods import method_reasons
from planner.rules.rule import Choice, not_, rule
from planner.search import FULL_ROWS, Candidate, outcome
from planner.setup import adapter_parameters
from planner.situation import Situation


@rule("method.method", "method", "LoRA: arXiv:2106.09685; arXiv:2405.09673; QLoRA: arXiv:2305.14314")
def method(s: Situation) -> Choice:
    """Full training where it fits and pays; LoRA otherwise; quantised weights where only they fit."""
    found = outcome(s)
    chosen = found.setup.method
    others = (*(_other(s, name) for name in ("full", "lora", "qlora")), *method_reasons(s).values())
    return Choice(
        chosen, _because(s, chosen, size(found.peak)), tuple(o for o in others if o.value != chosen)
    )


def _because(s: Situation, chosen: str, peak: str) -> str:
    rows = plural(s.data.train_rows, "row")
    if chosen == "full":
        if blocked(s, "lora"):
            return say(
                "{why} All {number} weights are trained: {peak} per process.",
                why=blocked(s, "lora"),
                number=parameters(s.model.parameters),
                peak=peak,
            )
        if s.wishes.goal == "quality":
            return say(
                "You favour {goal}, {rows} are enough for it, and {peak} per process fit.",
                goal=s.wishes.goal,
                rows=rows,
                peak=peak,
            )
        return say(
            "All {number} weights are trained: {peak} per process.",
            number=parameters(s.model.parameters),
            peak=peak,
        )
    if chosen == "qlora":
        return say(
            "Small adapters train {share} beside weights stored in few bits: {peak} per process.",
            share=_share(s),
            peak=peak,
        )
    return say("Small adapters train {share}: {peak} per process.", share=_share(s), peak=peak)


def _share(s: Situation) -> str:
    trained = adapter_parameters(
        s.model, s.whole("lora_rank"), s.word("lora_target_modules"), s.word("engine")
    )
    return say(
        "{trained} of {total} weights ({share:.1%})",
        trained=parameters(trained),
        total=parameters(s.model.parameters),
        share=trained / s.model.parameters,
    )


def _other(s: Situation, name: str) -> Alternative:
    """Return why one of the methods that the search compares was not chosen."""
    why = blocked(s, name)
    found = outcome(s)
    rival = next((one for one in found.rejected if one.setup.method == name), None)
    if why or found.setup.method == name:
        return not_(name, why)
    text = {"full": _not_full, "lora": _not_lora, "qlora": _not_qlora}[name](s, rival)
    return not_(name, text)


def _not_full(s: Situation, rival: Candidate | None) -> str:
    if not s.on_gpu:
        return say("Each token costs half as much again, and every checkpoint is as large as three models.")
    if s.wishes.goal == "quality" and s.data.train_rows < FULL_ROWS:
        return say(
            "With {rows} it overfits; it pays from about {least:,} rows.",
            rows=plural(s.data.train_rows, "row"),
            least=FULL_ROWS,
        )
    if rival is None:
        return say("It does not fit in any way.")
    if not rival.fits:
        return say("It does not fit: at least {peak} per device.", peak=size(rival.peak))
    return say("It needs about {peak} per device; ask for goal quality to favour it.", peak=size(rival.peak))


def _not_lora(s: Situation, rival: Candidate | None) -> str:
    if rival is None:
        return say("It would train only {share}.", share=_share(s))
    if not rival.fits:
        return say("It does not fit: at least {peak} per device.", peak=size(rival.peak))
    return say("It would need {peak} and train only {share}.", peak=size(rival.peak), share=_share(s))


def _not_qlora(s: Situation, rival: Candidate | None) -> str:
    if rival is None:
        return say("Weights in few bits lose a little accuracy, and with all 16 they fit.")
    return say(
        "{peak} per device: weights in few bits lose a little accuracy, and with all 16 they fit.",
        peak=size(rival.peak),
    )


@rule(
    "method.weight_format",
    "weight_quantize_algo",
    "PaddleNLP 3.0.0b4 quantization/quantization_config.py:62-72, quantization_linear.py:89-96; QLoRA: "
    "arXiv:2305.14314",
)
def weight_format(s: Situation) -> Choice:
    """As the search found it: 16 bits unless the method is QLoRA."""
    found = outcome(s)
    chosen = found.setup.weight_format
    names = ("none", "weight_only_int8", "weight_only_int4", "nf4", "fp4")
    others = tuple(not_(name, _format_reason(s, name, chosen)) for name in names if name != chosen)
    if chosen == "none":
        because = say(
            "The frozen weights keep {precision}: {peak} of {limit} per process fit.",
            precision=s.word("precision"),
            peak=size(found.peak),
            limit=size(found.limit),
        )
    else:
        because = say(
            "The frozen weights take {bits} bits each instead of 16: {peak} of {limit} per process.",
            bits=8 if chosen.endswith("int8") else 4,
            peak=size(found.peak),
            limit=size(found.limit),
        )
    return Choice(chosen, because, others)


def _format_reason(s: Situation, name: str, chosen: str) -> str:
    why = blocked(s, "qlora")
    if name != "none" and why:
        return why
    rival = next(
        (
            one
            for one in outcome(s).rejected
            if one.setup.weight_format == name and one.setup.method != "full"
        ),
        None,
    )
    if name == "none":
        if rival is None or rival.fits:
            return say("16 bits for every frozen weight.")
        return say("Does not fit: at least {peak} per device.", peak=size(rival.peak))
    if name in LOW_BIT:
        return say(
            "Needs CUDA operators of PaddleSlim that no wheel holds, and does not work with tensor "
            "parallelism."
        )
    if name == "weight_only_int8":
        return (
            say("Twice the bytes of 4 bits.")
            if chosen != "none"
            else say("Less exact than 16 bits, which fit.")
        )
    if chosen == "none":
        return say("Less exact than 16 bits, which fit.")
    return say("Less exact than 8 bits, which fit.")


@rule(
    "method.double_quant", "weight_double_quant", "QLoRA: arXiv:2305.14314, section 3; trl/model_config.py:60"
)
def double_quant(s: Situation) -> Choice:
    """On with nf4 and fp4, whose block scales it halves twice."""
    pinned = s.pin("weight_quantize_algo")
    if pinned in LOW_BIT:
        saved = 0.373 / 8 * s.model.parameters
        return Choice(
            True,
            say("Block scales take 0.37 bits per weight less: {saved}.", saved=size(saved)),
            (not_(False, say("{saved} more, for no accuracy.", saved=size(saved))),),
        )
    return Choice(False, say("Only nf4 and fp4 have block scales to quantise."))


@rule("method.neftune", "neftune", "NEFTune: arXiv:2310.05914")
def neftune(s: Situation) -> Choice:
    """Off: it lengthens answers, and does not show in the loss that a run watches."""
    return Choice(
        False,
        say(
            "Its gain is in judged style of chat answers, not in correctness; the loss on {rows} cannot "
            "show it.",
            rows=plural(max(1, s.data.dev_rows), "held-out row"),
        ),
        (
            not_(
                True, say("Noise on every embedding while training; try it by hand for chats with few rows.")
            ),
        ),
    )


@rule(
    "method.neftune_alpha",
    "neftune_noise_alpha",
    "NEFTune: arXiv:2310.05914, section 4; trl/model_config.py:116",
)
def neftune_alpha(s: Situation) -> Choice:
    """The paper's strength for 7B chat models."""
    return Choice(
        5.0,
        say(
            "The paper's strength for models of 7B; yours has {number} weights.",
            number=parameters(s.model.parameters),
        ),
        (not_(15.0, say("Only helped on some of the paper's data sets.")),),
    )


@rule("method.ssa", "use_ssa", "LongLoRA: arXiv:2309.12307; PaddleNLP 3.0.0b4 run_finetune.py:172-176")
def ssa(s: Situation) -> Choice:
    """Off: exact attention is affordable wherever FlashAttention is."""
    longest = s.data.lengths.max
    return Choice(
        False,
        say(
            "Rows of up to {longest:,} tokens train with exact attention; nothing has to be left out.",
            longest=longest,
        ),
        (
            not_(
                True,
                say(
                    "LongLoRA attends within groups of a quarter of the text: an approximation, for llama "
                    "only."
                ),
            ),
        ),
    )


EARLY_RULES = (engine, engine_build, *ADAPTER_RULES, *OTHER_RULES, double_quant, neftune, neftune_alpha, ssa)
"""Before the search."""

LATE_RULES = (method, weight_format)
"""They explain what the search found."""
