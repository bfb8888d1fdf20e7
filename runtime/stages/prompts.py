"""The held-out prompts of the generate stage: the person's file, the bundled set's, or the first dev rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from planner.errors import BadInput
from planner.language import say
from planner.plan import Plan
from runtime.data.bundled import FOLDER, bundled_names

MOST_DEV_ROWS = 8
EXAMPLE = '{"messages": [{"role": "user", "content": "..."}]}'

Messages = list[dict[str, str]]


class Prompt(NamedTuple):
    """A question and, where it is known, the answer that was hoped for."""

    messages: Messages
    """Ending with the question."""
    reference: str | None = None


def test_prompts(plan: Plan, data_folder: str, started_in: Path) -> list[Prompt]:
    """Return the questions that both models are to answer."""
    own = wished_file(plan, started_in)
    if own is not None:
        return read_prompts(own)
    bundled = FOLDER / plan.facts.data.path / "prompts.jsonl"
    if plan.facts.data.path in bundled_names() and bundled.exists():
        return read_prompts(bundled)
    return dev_prompts(Path(data_folder) / "dev.json")


def wished_file(plan: Plan, started_in: Path) -> Path | None:
    """Return the person's own file of test prompts; None when the plan names none."""
    return None if plan.wishes.test_prompts is None else _file_of(plan.wishes.test_prompts, started_in)


def _file_of(wished: str, started_in: Path) -> Path:
    path = started_in / Path(wished).expanduser()
    if wished in bundled_names() and not path.exists():
        return FOLDER / wished / "prompts.jsonl"
    return path


def read_prompts(path: Path) -> list[Prompt]:
    """Return the prompts of a JSON-lines file with `messages`; BadInput naming the line that is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            say("The test prompts {path} cannot be read: {reason}.", path=path, reason=error),
            remedy=say("Correct test_prompts in the plan."),
        ) from error
    prompts = [_parse(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]
    if not prompts:
        raise BadInput(say("The file of test prompts {path} is empty.", path=path))
    return prompts


def _parse(line: str, path: Path, number: int) -> Prompt:
    try:
        messages: Any = json.loads(line)["messages"]
        kept = [{"role": str(message["role"]), "content": str(message["content"])} for message in messages]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            say("{path}, line {line}: not a prompt.", path=path, line=number),
            why=say("A line must read {example}.", example=EXAMPLE),
        ) from error
    reference = None
    while kept and kept[-1]["role"] == "assistant":
        reference = kept.pop()["content"]  # an answer that is already there is what the models are to find
    if not kept:
        raise BadInput(say("{path}, line {line}: there is no question in it.", path=path, line=number))
    return Prompt(kept, reference)


def dev_prompts(path: Path) -> list[Prompt]:
    """Return the questions of the first dev rows; a placeholder while there are none (a dry run)."""
    if not path.exists():
        return [Prompt([{"role": "user", "content": f"<first {MOST_DEV_ROWS} rows of {path}>"}])]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:MOST_DEV_ROWS]]
    return [_questions(row) for row in rows]


def _questions(row: dict[str, Any]) -> Prompt:
    """Return a src/tgt row as messages, the system prompt first, up to the last question; and the answer.

    That is the better one of a pair, and none where the only one was judged bad.
    """
    questions, answers = _as_list(row["src"]), _as_list(row["tgt"])
    system = (row.get("context") or {}).get("system")
    messages: Messages = [{"role": "system", "content": system}] if system else []
    for index, question in enumerate(questions):
        messages.append({"role": "user", "content": question})
        if index < len(questions) - 1:
            messages.append({"role": "assistant", "content": answers[index]})
    if "response" not in row:
        return Prompt(messages, answers[-1])
    rank, best = max(zip(row["sort"], row["response"], strict=True))
    return Prompt(messages, best if rank > 0 else None)


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
