"""From a row of any usual layout to a question: whether or not it has an answer already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from planner.language import say
from runtime.data.rows import ROLES

Messages = list[dict[str, str]]

LAYOUTS = "messages, conversations, instruction (+ input), src, prompt, question, text"
"""Keys by which a row asks, in the order in which they are looked for."""

ANSWERS = ("output", "tgt", "completion", "response", "answer", "chosen")
"""Keys of an answer that is already known; it is kept beside the model's."""


class Asked(NamedTuple):
    """A question and, where it is known, the answer that was hoped for."""

    messages: Messages
    """Ending with what the model is to answer."""
    reference: str | None = None


class NoQuestion(Exception):
    """Why a row asks nothing, in one sentence."""


def asked(value: Any) -> Asked:
    """Return what a row asks. Raises `NoQuestion`."""
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict):
        raise NoQuestion(say("A row must be a JSON object or a text."))
    messages, known = _messages(value), None
    if system := value.get("system") or value.get("context"):
        system = system.get("system", "") if isinstance(system, Mapping) else system
        messages = [{"role": "system", "content": str(system)}, *messages] if system else messages
    while messages and messages[-1]["role"] == "assistant":
        known = messages.pop()["content"]
    if not messages or not messages[-1]["content"].strip():
        raise NoQuestion(say("The row asks nothing."))
    if value.get("label") is False:  # judged bad: no answer to hope for
        return Asked(messages)
    return Asked(messages, known if known is not None else _reference(value))


def _messages(row: dict[str, Any]) -> Messages:
    for key in ("messages", "conversations"):
        if isinstance(row.get(key), list):
            return [_message(turn) for turn in row[key]]
    if row.get("instruction"):
        return [
            *_history(row),
            _user("\n".join(str(row[key]) for key in ("instruction", "input") if row.get(key))),
        ]
    if row.get("src"):
        return _turns(row["src"], row.get("tgt"))
    prompt = row.get("prompt")
    if isinstance(prompt, list):
        return [_message(turn) for turn in prompt]
    for key in ("prompt", "question", "query", "text"):
        if isinstance(row.get(key), str):
            return [_user(row[key])]
    raise NoQuestion(
        say("The row asks nothing: it has the keys {keys}.", keys=", ".join(map(str, row)) or "-")
        + " "
        + say("A question stands in one of: {keys}.", keys=LAYOUTS)
    )


def _message(turn: Any) -> dict[str, str]:
    if not isinstance(turn, dict):
        raise NoQuestion(say("A message must be an object with a role and a content."))
    role = ROLES.get(str(turn.get("role", turn.get("from"))))
    content = turn.get("content", turn.get("value"))
    if role is None or not isinstance(content, str):
        raise NoQuestion(say("A message must be an object with a role and a content."))
    return {"role": role, "content": content}


def _history(row: dict[str, Any]) -> Messages:
    """Return earlier turns of an alpaca row."""
    return [
        message
        for question, answer in row.get("history") or ()
        for message in (_user(str(question)), {"role": "assistant", "content": str(answer)})
    ]


def _turns(source: Any, target: Any) -> Messages:
    """Return the turns of PaddleNLP's layout, up to the last question."""
    questions = [source] if isinstance(source, str) else list(source)
    answers = [target] if isinstance(target, str) else list(target or ())
    found: Messages = []
    for index, question in enumerate(questions):
        found.append(_user(str(question)))
        if index < len(questions) - 1 and index < len(answers):
            found.append({"role": "assistant", "content": str(answers[index])})
    return found


def _reference(row: dict[str, Any]) -> str | None:
    if isinstance(row.get("sort"), list) and isinstance(
        row.get("response"), list
    ):  # PaddleNLP's judged answers
        rank, best = max(zip(row["sort"], map(str, row["response"]), strict=False), default=(0, ""))
        return best if rank > 0 else None
    for key in ANSWERS:
        value = row.get(key)
        if isinstance(value, list) and value:
            value = value[-1]
        if isinstance(value, dict):
            value = value.get("content", value.get("value"))
        if isinstance(value, str):
            return value
    return None


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}
