"""Rows with two answers or with a judged one: prompts in any layout, answers in any of the ways they are
written down.

Prompt: a list of turns, an instruction, a text, PaddleNLP's src/tgt, or, in transcripts such as those of
HH-RLHF, the text up to the last `Assistant:`. Answers: a text, a turn, a list of turns (whole conversations
where the prompt stands in both, as in UltraFeedback), or `response` with `sort`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from planner.language import say
from runtime.data.cells import parsed, said
from runtime.data.conversation import Conversation, Message
from runtime.data.findings import Note
from runtime.data.formats import LABELS, Format, judgement, kind_of
from runtime.data.rows import (
    READERS,
    alpaca_prompt,
    cleaned,
    has,
    missing,
    note_ignored,
    src_tgt_turns,
    turn,
    type_name,
    with_system,
)
from runtime.data.rows import turns as list_of_turns
from runtime.data.text import as_text
from runtime.data.validate import conversation_of

SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")
"""Marks a turn in the transcripts of HH-RLHF (arXiv 2204.05862, `chosen` and `rejected`)."""

ANSWER_FIELDS = {"response_pairs": ("chosen_response", "rejected_response")}
"""Layout -> its fields of the better and the worse answer; `chosen` and `rejected` in all others."""


class Judged(NamedTuple):
    """A row as messages: the prompt, what was answered, and what was made of it."""

    prompt: list[Message]
    answer: list[Message]
    rejected: list[Message]
    label: bool | None


def read_judged(row: Mapping[str, Any], layout: Format, note: Note) -> Judged | None:
    """Return the messages of a preference pair or a judged answer, or None (and a note)."""
    note_ignored(row, note)
    found = pair(row, layout, note) if kind_of(layout) == "preference" else judged_answer(row, layout, note)
    if found is None:
        return None
    prompt, better, worse = (
        cleaned(side, note) or [] for side in (found.prompt, found.answer, found.rejected)
    )
    return Judged(prompt, better, worse, found.label)


def pair(row: Mapping[str, Any], layout: Format, note: Note) -> Judged | None:
    """Return a preference pair: prompt, better and worse answer."""
    if not has(row, layout, note):
        return None
    if layout == "src_tgt_pairs":
        return sorted_pair(row, note)
    better_name, worse_name = ANSWER_FIELDS.get(layout, ("chosen", "rejected"))
    better, worse = answer(row, better_name, note), answer(row, worse_name, note)
    if better is None or worse is None:
        return None
    if is_whole(better) and is_whole(worse):
        shared = common(better, worse)
        system = with_system(row, better[:shared], note)
        return None if system is None else Judged(system, better[shared:], worse[shared:], None)
    prompt = prompt_of(row, layout, note)
    return None if prompt is None else Judged(prompt, better, worse, None)


def is_whole(messages: list[Message]) -> bool:
    """Return whether an answer holds its own prompt."""
    return len(messages) > 1 and messages[0].role != "assistant"


def common(better: list[Message], worse: list[Message]) -> int:
    """Return how many messages two conversations share; the last of either never counts."""
    shared = 0
    for one, other in zip(better[:-1], worse[:-1], strict=False):
        if (one.role, one.text, one.calls) != (other.role, other.text, other.calls):
            break
        shared += 1
    return shared


def prompt_of(row: Mapping[str, Any], layout: Format, note: Note) -> list[Message] | None:
    """Return the messages before the answer, wherever the layout keeps them."""
    if layout.startswith("alpaca"):
        return alpaca_prompt(row, note)
    for name in ("conversations", "messages"):
        if row.get(name) is not None:
            return with_system(row, list_of_turns(row, name, note), note)
    value = said(row.get("prompt"))
    if value is None:
        note("field.missing", "prompt", missing("prompt"))
        return None
    if isinstance(value, list):
        return with_system(row, list_of_turns(row, "prompt", note), note)
    text = as_text(value, "prompt", note)
    if text is None:
        return None
    spoken = transcript(text.removesuffix("Assistant:").rstrip() if SPEAKER.match(text) else text, "prompt")
    return with_system(row, spoken or [Message("user", text, "prompt")], note)


def answer(row: Mapping[str, Any], name: str, note: Note) -> list[Message] | None:
    """Return an answer as messages: a text, one turn, or a list of turns or texts."""
    value = said(row.get(name))
    if value is None:
        note("answer.missing", name, missing(name))
        return None
    if isinstance(value, Mapping) and not isinstance(next(iter(value.values()), None), list):
        message = turn(value, name, note)
        return None if message is None else [message]
    if isinstance(value, Mapping) or (isinstance(value, list) and not all(isinstance(v, str) for v in value)):
        return list_of_turns({name: value}, name, note)
    if isinstance(value, list):
        if len(value) != 1:
            note("field.type", name, say("one answer is expected, not {found}", found=len(value)))
            return None
        value = value[0]
    text = as_text(value, name, note)
    if text is None:
        return None
    return transcript(text, name) or [Message("assistant", text, name)]


def transcript(text: str, field: str) -> list[Message]:
    """Return the turns of a transcript (`Human: ... Assistant: ...`); none for any other text."""
    if SPEAKER.match(text.lstrip(" ")) is None or not text.startswith("\n\n"):
        return []
    _, *parts = SPEAKER.split(text)
    roles = {"Human": "user", "Assistant": "assistant"}
    pieces = zip(parts[::2], parts[1::2], strict=True)
    return [Message(roles[who], text, field) for who, text in pieces]  # type: ignore[arg-type]


def sorted_pair(row: Mapping[str, Any], note: Note) -> Judged | None:
    """PaddleNLP's pair: two responses, and `sort` says which is the better one."""
    responses, order = parsed(row["response"]), parsed(row["sort"])
    numbers = isinstance(order, list) and all(isinstance(number, (int, float)) for number in order)
    if not isinstance(responses, list) or len(responses) != 2:
        note("field.type", "response", say("two answers are expected"))
        return None
    if not numbers or len(order) != 2 or order[0] == order[1]:
        note("label.missing", "sort", say("`sort` must hold two different numbers; the greater is better"))
        return None
    prompt = src_tgt_prompt(row, note)
    sides = [answer({"response": response}, "response", note) for response in responses]
    if prompt is None or sides[0] is None or sides[1] is None:
        return None
    better, worse = sides if order[0] > order[1] else sides[::-1]
    return Judged(prompt, better or [], worse or [], None)


def src_tgt_prompt(row: Mapping[str, Any], note: Note) -> list[Message] | None:
    """Return `src` and `tgt` up to the question that `response` answers."""
    messages = src_tgt_turns(row, note)
    if messages is None:
        return None
    questions = sum(message.role == "user" for message in messages)
    answers = sum(message.role == "assistant" for message in messages)
    if questions != answers + 1:
        what = say("{questions} questions but {answers} answers before the last", questions=questions,
                   answers=answers)  # fmt: skip
        note("turns.unequal", "tgt", what)
        return None
    return messages


def judged_answer(row: Mapping[str, Any], layout: Format, note: Note) -> Judged | None:
    """Return a prompt, its answer, and whether that was judged good."""
    if layout == "src_tgt_labels":
        return sorted_answer(row, note)
    name = next((name for name in LABELS if row.get(name) is not None), "label")
    label = judgement(row.get(name))
    if label is None:
        what = say("true or false is expected, not {found}", found=type_name(row.get(name)))
        note("label.missing", name, what)
        return None
    if layout == "prompt_labels":
        prompt, completion = prompt_of(row, layout, note), answer(row, "completion", note)
        return None if prompt is None or completion is None else Judged(prompt, completion, [], label)
    messages = READERS[layout.removesuffix("_labels")](row, note)
    return None if messages is None else Judged([], messages, [], label)


def sorted_answer(row: Mapping[str, Any], note: Note) -> Judged | None:
    """PaddleNLP's judged answer: one response, `sort` 1 for a good one."""
    order = parsed(row.get("sort"))
    label = judgement(order[0]) if isinstance(order, list) and order else None
    if label is None:
        note("label.missing", "sort", say("`sort` must be [1] for a good answer and [0] for a bad one"))
        return None
    prompt, response = src_tgt_prompt(row, note), answer({"response": single(row)}, "response", note)
    return None if prompt is None or response is None else Judged(prompt, response, [], label)


def single(row: Mapping[str, Any]) -> Any:
    """Return PaddleNLP's only response, which stands in a list."""
    responses = parsed(row["response"])
    return responses[0] if isinstance(responses, list) and len(responses) == 1 else row["response"]


def judged_conversation(found: Judged, note: Note) -> Conversation | None:
    """Return the row to train on, or None (and a note) when the answers do not belong to one prompt."""
    prompt, better, worse = (
        [message.plain() for message in side] for side in (found.prompt, found.answer, found.rejected)
    )
    kept = conversation_of([*prompt, *better], note)
    if kept is None:
        return None
    if found.label is not None:
        return kept._replace(label=found.label)
    if len(better) != 1 or len(worse) != 1 or {better[0].role, worse[0].role} != {"assistant"}:
        what = say("the conversations part before their last answers")
        note("pair.diverges", (better or worse or prompt)[0].field, what)
        return None
    if not worse[0].text.strip():
        note("answer.empty", worse[0].field, say("the answer is empty"))
        return None
    if kept.pairs[-1][1].strip() == worse[0].text.strip():
        note("pair.equal", worse[0].field, say("there is nothing to prefer"))
        return None
    return kept._replace(rejected=worse[0].text)
