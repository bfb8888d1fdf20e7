"""Turn rows with two answers, or with a judged one, into a prompt and two answers in tokens.

Upstream renders neither a system prompt (`context.system`) nor a Jinja template's own spacing here; both come
from the same code as in fine-tuning. For KTO the second answer belongs to another row: what the model thinks
of answers that do not fit is what a good or bad one is measured against (arXiv:2402.01306, section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime.workers.conversation import as_list, encode_turns
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedTokenizer

Tokens = list[int]
Turns = list[tuple[Tokens, Tokens]]


class Pair(NamedTuple):
    """A prompt with two answers, in tokens. `good` is what was made of the first one, for KTO."""

    prompt: Tokens
    first: Tokens
    second: Tokens
    good: bool = True
    cut: bool = False

    @property
    def tokens(self) -> int:
        """Length of the sequence that holds both answers."""
        return len(self.prompt) + len(self.first) + len(self.second)


def answers_of(row: dict[str, Any], tokenizer: PretrainedTokenizer, answers: Sequence[str]) -> list[Turns]:
    """Return the (prompt, answer) turns of a row once per answer to its last question."""
    try:
        before = as_list(row["tgt"])
    except KeyError as error:
        raise RefusedError(
            say(
                "A data row has no field `{field}`; its fields are {fields}.",
                field="tgt",
                fields=", ".join(row),
            )
        ) from error
    return [encode_turns(tokenizer, {**row, "tgt": [*before, answer]}) for answer in answers]


def judged(row: dict[str, Any], count: int) -> tuple[list[str], list[float]]:
    """Return a row's answers and how they are ranked; raises `RefusedError` unless there are `count`."""
    answers, order = row.get("response"), row.get("sort")
    answers = [answers] if isinstance(answers, str) else answers
    if not (isinstance(answers, list) and isinstance(order, list) and len(answers) == len(order) == count):
        raise RefusedError(
            say(
                "A data row must have {count} answers in `response` and as many numbers in `sort`.",
                count=count,
            ),
            say("Its fields are {fields}.", fields=", ".join(row)),
            say("Prepare the data for this stage: `steersman run` does it from the plan."),
        )
    return answers, [float(number) for number in order]


def preferred(row: dict[str, Any], tokenizer: PretrainedTokenizer) -> tuple[Turns, Turns]:
    """Return the turns with the better and with the worse answer."""
    answers, order = judged(row, 2)
    if order[0] == order[1]:
        raise RefusedError(
            say("`sort` of a data row must hold two different numbers; the greater is better.")
        )
    better, worse = answers_of(row, tokenizer, answers if order[0] > order[1] else answers[::-1])
    return better, worse


def fitted(turns: Turns, second: Tokens, max_length: int, max_prompt: int, good: bool = True) -> Pair:
    """Return a pair of at most `max_length` tokens: whole turns from the last backwards, then the prompt's
    end.

    What is still too long is cut from both answers in proportion, as upstream cuts them
    (trl/trl_data.py:100).
    """
    prompt, first = turns[-1]
    room = max_length - len(first) - len(second)
    cut = False
    if len(prompt) > room:
        cut = True
        prompt = prompt[-max(min(max_prompt, len(prompt)), room) :]
        room = max_length - len(prompt)
        if room < len(first) + len(second):
            share = max(1, min(room - 1, len(first) * room // (len(first) + len(second))))
            first, second = first[:share], second[: max(room - share, 0)]
    for earlier, answer in reversed(turns[:-1]):
        if len(prompt) + len(earlier) + len(answer) + len(first) + len(second) > max_length:
            cut = True
            break
        prompt = earlier + answer + prompt
    return Pair(prompt, first, second, good, cut)


def pairs(
    rows: Sequence[dict[str, Any]], tokenizer: PretrainedTokenizer, max_length: int, max_prompt: int
) -> Iterator[Pair]:
    """Yield a pair per preference row: prompt, better and worse answer."""
    for row in rows:
        better, worse = preferred(row, tokenizer)
        if better[-1][0] != worse[-1][0]:
            raise RefusedError(
                say("The model's chat template writes another prompt before each of two answers."),
                remedy=say("Use another chat template."),
            )
        yield fitted(better, worse[-1][1], max_length, max_prompt)


def judgements(
    rows: Sequence[dict[str, Any]], tokenizer: PretrainedTokenizer, max_length: int, max_prompt: int
) -> Iterator[Pair]:
    """Yield a pair per judged row: prompt, its answer, and an answer to another prompt."""
    encoded: list[tuple[Turns, bool]] = []
    for row in rows:
        answers, order = judged(row, 1)
        encoded.append((answers_of(row, tokenizer, answers)[0], order[0] > 0))
    for number, (turns, good) in enumerate(encoded):
        yield fitted(turns, stranger(encoded, number, max_length), max_length, max_prompt, good)


STRANGERS = 64
"""Rows that are looked at for an answer that fits beside a row's own."""


def stranger(encoded: Sequence[tuple[Turns, bool]], number: int, max_length: int) -> Tokens:
    """Return an answer to another prompt: the next one that fits, else the shortest of those looked at.

    Where every row asks the same, it is another row's answer; where there is one row, its own.
    """
    turns = encoded[number][0]
    prompt, answer = turns[-1]
    room = max_length - len(prompt) - len(answer)
    steps = range(1, min(STRANGERS, len(encoded)))
    following = [encoded[(number + step) % len(encoded)][0][-1] for step in steps] or [turns[-1]]
    others = [other for asked, other in following if asked != prompt] or [other for _, other in following]
    found = next((other for other in others if len(other) <= room), min(others, key=len))
    return found[: max(room, 1)]
