"""What is done with a row that is too long: oldest turns first, then the question, then the answer.

What is too long is cut here, in the text, so that nothing is left to cut for an engine, which would cut in
the middle of the template's own tokens. Only answers that are too long stay whole: the engine trains on
their beginnings, and not on an end that is not their own.
"""

from __future__ import annotations

from typing import NamedTuple

from planner.language import say
from runtime.data.conversation import Conversation
from runtime.data.tokens import Lengths, TokenCounter, learned


class Fitted(NamedTuple):
    """A conversation that fits, its lengths, and what had to be done: (code, what).

    `conversation` None: dropped.
    """

    conversation: Conversation | None
    lengths: Lengths
    done: tuple[tuple[str, str], ...]


def fit(
    counter: TokenCounter, conversation: Conversation, lengths: Lengths, max_length: int, src_length: int
) -> Fitted:
    """Return the conversation cut to `max_length`: oldest turns first, then the question, then the answer.

    The last question may keep `src_length` tokens, template and system prompt included; the answer gets what
    is left. Estimated lengths cut nothing. Raises what the template raises.
    """
    total = sum(map(sum, lengths))
    if total <= max_length or not counter.exact or conversation.kind in ("text", "retrieval"):
        return Fitted(conversation, lengths, ())
    done: list[tuple[str, str]] = []
    while total > max_length and len(conversation.pairs) > 1:
        shorter = conversation._replace(
            pairs=conversation.pairs[_turns_to_drop(lengths, len(conversation.pairs), max_length) :]
        )
        left_out = len(conversation.pairs) - len(shorter.pairs)
        what = say(
            "{tokens} tokens; the oldest {left_out} of {turns} turns are left out",
            tokens=total,
            left_out=left_out,
            turns=len(conversation.pairs),
        )
        done = [("length.rounds_cut", what)]
        conversation, lengths = shorter, counter.lengths([counter.parts(shorter)])[0]
        total = sum(map(sum, lengths))
    if total <= max_length:
        return Fitted(conversation, lengths, tuple(done))
    return _fit_last_pair(counter, conversation, lengths, max_length, src_length, done)


def _turns_to_drop(lengths: Lengths, turns: int, max_length: int) -> int:
    """Return how many of the oldest turns must go, at least one, so that the last one stays."""
    total = sum(map(sum, lengths))
    for index, (prompt, answer) in enumerate(lengths[: turns - 1], start=1):
        total -= prompt + answer
        if total <= max_length:
            return index
    return turns - 1


def _fit_last_pair(
    counter: TokenCounter,
    conversation: Conversation,
    lengths: Lengths,
    max_length: int,
    src_length: int,
    done: list[tuple[str, str]],
) -> Fitted:
    """Cut the question of the only turn left, then count how much of its answer, or answers, is kept."""
    prompt, whole_prompt = lengths[0][0], lengths[0][0]
    question, text = conversation.pairs[0]
    keep = counter.count([question])[0]
    while prompt > src_length:
        keep -= prompt - src_length
        cut = counter.head(question, keep)
        if not cut.strip():
            what = say("more than src_length {tokens} tokens", tokens=src_length)
            return Fitted(None, [], (*done, ("length.no_prompt", what)))
        conversation = conversation._replace(pairs=((cut, text),))
        lengths = counter.lengths([counter.parts(conversation)])[0]
        prompt = lengths[0][0]
    if prompt < whole_prompt:
        what = say(
            "the prompt has {tokens} tokens, {kept} are kept (src_length {most})",
            tokens=whole_prompt,
            kept=prompt,
            most=src_length,
        )
        done.append(("length.prompt_cut", what))
    room, answers = max_length - prompt, learned(conversation, lengths)
    if room < len(lengths):
        what = say(
            "the prompt alone has {tokens} tokens of max_length {most}: no answer would be left",
            tokens=prompt,
            most=max_length,
        )
        return Fitted(None, [], (*done, ("length.no_answer", what)))
    if answers > room:
        what = say(
            "{kept} of the answer's {tokens} tokens are trained on (max_length {most})",
            kept=room,
            tokens=answers,
            most=max_length,
        )
        done.append(("length.answer_cut", what))
    return Fitted(conversation, _shared_out(prompt, [answer for _, answer in lengths], room), tuple(done))


def _shared_out(prompt: int, answers: list[int], room: int) -> Lengths:
    """Return the lengths once the answers are cut to `room` in proportion, as PaddleNLP cuts the two of a
    pair (trl/trl_data.py:100)."""
    total = sum(answers)
    if total > room:
        first = answers[0] * room // total if len(answers) > 1 else room
        answers = [first, room - first][: len(answers)]
    return [(prompt, answers[0]), *((0, answer) for answer in answers[1:])]
