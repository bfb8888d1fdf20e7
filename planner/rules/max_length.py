"""How long a sequence is, and what of it a prompt may take: the rules, with what decided."""

from __future__ import annotations

from planner.language import say
from planner.phrases import count
from planner.rules.lengths import Length, longest_pack, pack_length, piece_length, row_length
from planner.rules.rule import Choice, not_, rule
from planner.search import TARGET_STEPS
from planner.situation import Situation
from planner.unused import PACKED_STAGES
from planner.workload import fill, round_up


def packs(s: Situation) -> bool | None:
    """Return whether rows are packed, where the stage or a pin settles it; None where the rows decide."""
    if s.wishes.stage in PACKED_STAGES:
        return True
    if s.wishes.stage in ("embedding", "quantise", "export"):
        return False
    pinned = s.pin("zero_padding")
    return None if pinned is None else bool(pinned)


@rule(
    "data.max_length",
    "max_length",
    "token lengths of the data; packing: arXiv:2107.02027; cut texts: arXiv:2404.10830",
)
def max_length(s: Situation) -> Choice:
    """As long as was asked for, as the rows are, or as a pack should be."""
    if s.wishes.context_length is not None:
        return asked_length(s, s.wishes.context_length)
    if packs(s) is False:
        return single_rows(s)
    if s.wishes.stage == "pretrain":
        return pieces(s)
    pack = pack_length(s)
    if pack.tokens < 1.5 * s.data.lengths.mean and packs(s) is None:
        return single_rows(s)
    return packed_rows(s, pack)


def asked_length(s: Situation, wanted: int) -> Choice:
    """Return the context that the person asked for."""
    row = row_length(s)
    because = say(
        "You asked for a context of {wanted:,} tokens; the longest row has {longest}.",
        wanted=wanted,
        longest=count(s.data.lengths.max),
    )
    shorter = not_(row, say("As long as the rows are, and shorter than the context you asked for."))
    return Choice(max(16, round_up(wanted, 8)), because, (shorter,) if row < wanted else ())


def pieces(s: Situation) -> Choice:
    """Return the length of pieces of text, with what it keeps whole and what keeps it from being longer."""
    length, bound = piece_length(s)
    whole, most = count(s.data.lengths.p90), count(s.model.max_position_embeddings)
    longer = say("More attention work per token, for relations that few texts have.")
    because = say(
        "Text is cut into pieces of {length} tokens: every position learns, up to {most} that the model can "
        "read.",
        length=count(length),
        most=most,
    )
    if length > longest_pack(s) and bound == "rows":
        because = say(
            "Nine of ten texts have at most {whole} tokens{how}: pieces of {length} keep them whole, and the "
            "model can read {most}.",
            whole=whole,
            how=estimated(s),
            length=count(length),
            most=most,
        )
    elif length < s.data.lengths.p90 and s.on_gpu:
        reason = {
            "memory": say("Longer pieces do not fit."),
            "model": say("The model can read {most}.", most=most),
        }
        longer = reason.get(bound, say("Attention would take more work than all the weights."))
        because = say(
            "Texts are longer (nine of ten up to {whole} tokens{how}) and are cut into pieces of {length}. "
            "{reason}",
            whole=whole,
            how=estimated(s),
            length=count(length),
            reason=reason.get(bound, "") or longer_costs(s),
        )
    shorter = not_(longest_pack(s), say("Less attention work per token, and more texts cut."))
    others = (shorter,) if length > longest_pack(s) else ()
    return Choice(length, because, (*others, not_(2 * length, longer)))


def longer_costs(s: Situation) -> str:
    """Return why pieces are no longer where memory and the model would allow it."""
    if s.wishes.goal == "speed":
        return say("Longer ones cost more attention per token, and you favour speed.")
    if not s.flag("use_flash_attention"):
        return say("Without FlashAttention every score of longer ones would be stored.")
    return say("In longer ones attention would be more work than all the weights.")


def packed_rows(s: Situation, pack: Length) -> Choice:
    """Return the length of packs, with the rows that one takes and what keeps it from being longer."""
    lengths, row, length = s.data.lengths, row_length(s), pack.tokens
    rows = length * fill(s.data, length, greedy=True) / lengths.mean
    because = say(
        "A pack of {length} tokens takes about {rows:.1f} rows (average {mean:,.0f} tokens, longest "
        "{longest}{how}). {reason}",
        length=count(length),
        rows=rows,
        mean=lengths.mean,
        longest=count(lengths.max),
        how=estimated(s),
        reason={
            "steps": say("Longer ones would leave far fewer than {steps} steps.", steps=TARGET_STEPS),
            "rows": say("Shorter ones would cut rows."),
            "memory": say("Longer ones do not fit."),
        }.get(pack.bound, say("Longer ones cost more attention than they save.")),
    )
    if length < lengths.max:
        because = f"{because} {cut_rows(s, length)}"
    longer = {
        "steps": say("Fewer and slower steps."),
        "rows": say("Fewer and slower steps."),
        "memory": say("Does not fit."),
    }.get(pack.bound, say("More attention work per token."))
    shorter = not_(row, say("The longest row alone: shorter packs waste more of their end."))
    return Choice(length, because, (shorter, not_(2 * length, longer)))


def cut_rows(s: Situation, length: int) -> str:
    """Return how many rows are longer than a sequence."""
    lengths = s.data.lengths
    if length < lengths.p90:
        return say("More than one row in ten is longer and loses its end.")
    share = 0.01 if length >= lengths.p99 else 0.1
    return say("At most {share:.0%} of the rows are longer and lose their end.", share=share)


def estimated(s: Situation) -> str:
    """Return a remark for lengths that were not counted."""
    if s.data.lengths.counted:
        return ""
    return say(" (as you described them)") if s.data.typed else say(" (estimated from characters)")


def single_rows(s: Situation) -> Choice:
    """Return the length for rows that are not packed."""
    lengths, row = s.data.lengths, row_length(s)
    cut = s.data.train_rows - round(0.99 * s.data.train_rows) if lengths.max > row else 0
    if row == s.model.max_position_embeddings:
        because = say(
            "The model reads at most {row} tokens; the longest row has {longest}{how}.",
            row=count(row),
            longest=count(lengths.max),
            how=estimated(s),
        )
    elif cut:
        because = say(
            "99% of the rows have at most {p99} tokens{how}; the longest has {longest} and would set the "
            "memory for all.",
            p99=count(lengths.p99),
            longest=count(lengths.max),
            how=estimated(s),
        )
    else:
        because = say(
            "The longest row has {longest} tokens{how}; rounded up to a multiple of 8.",
            longest=count(lengths.max),
            how=estimated(s),
        )
    return Choice(row, because, (not_(2 * row, say("Longer than the rows: only padding would be added.")),))


@rule("data.src_length", "src_length", "PaddleNLP 3.0.0b4 llm/utils/data.py: prompts are cut to src_length")
def src_length(s: Situation) -> Choice:
    """Leave room for the answer even when a prompt is too long."""
    length = s.whole("max_length")
    if s.wishes.stage == "embedding":
        return Choice(
            length,
            say("A query may be as long as a passage: {length:,} tokens.", length=length),
            (not_(length // 2, say("Longer queries would be cut.")),),
        )
    if s.data.lengths.max <= length:
        return Choice(
            length - 8,
            say(
                "Every row fits into {length:,} tokens, so no prompt needs cutting; 8 are kept for the "
                "answer.",
                length=length,
            ),
            (not_(length, say("A prompt that long would leave no token to learn from.")),),
        )
    answer = max(8, round(s.data.lengths.answer_total / s.data.train_rows))
    value = max(8, (length - min(answer, length // 2)) // 8 * 8)
    return Choice(
        value,
        say(
            "Rows have up to {longest} tokens: a prompt is cut to {value:,}, so that {rest} of {length:,} "
            "stay for "
            "the answer, which has {answer} on average.",
            longest=count(s.data.lengths.max),
            value=value,
            rest=length - value,
            length=length,
            answer=answer,
        ),
        (not_(length, say("A prompt that long would leave no token to learn from.")),),
    )


RULES = (max_length, src_length)
"""Before the search; they ask it whether a length fits."""
