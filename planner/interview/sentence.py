"""Lines that answer other questions than the one at hand, or several at once.

`fine-tune qwen 7b on chats.jsonl with two 4090s overnight` names a model, data, a machine and a time limit.
Nothing is guessed: every part of the line must be understood, or none of it is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from planner.errors import BadInput
from planner.interview.question import Answer, Known
from planner.interview.questions import data, goal, hardware, method, model, stage, target, time_limit
from planner.interview.reading import exactly, phrases, plain

JOINTS = re.compile(
    r"[,，](?!\d)|[;；、。]|\s+(?:on|with|using|in|within|for|by|and|from|at)\s+|用|微调|训练|数据|跑|在|上(?=$|[，,])"
)
"""Between the parts of a sentence."""

FILLERS = re.compile(
    r"^(?:(?:please|i want to|i would like to|i'd like to|let us|let's|fine-?\s?tune|finetuning|train|tune|"
    r"use|my|the|our|data|on|with|i have|we have|"
    r"我们有|我想|我要|我有|我的|我|机器|有|请|帮我|一个|模型)(?:\s+|(?<=[一-鿿])|$))+",
    re.IGNORECASE,
)
"""What a part may begin with and says nothing."""

LIMIT_WORDS = {"in", "within", "about", "max", "at", "most", "under", "less", "more", "than", "no", "and",
               "takes", "以内", "之内", "内", "最多", "不超过"}  # fmt: skip
"""Words that may stand around a time."""

DATA_FILE = re.compile(r"\S+\.(?:jsonl?|ndjson|csv|parquet)", re.IGNORECASE)

Reader = Callable[[str, Known], Answer | None]


def understood(line: str, known: Known) -> dict[str, Answer]:
    """Return question -> answer of everything that a line says; empty where part of it means nothing, or two
    parts answer the same question."""
    if exactly(line, "everyday"):
        return {}
    parts = [part for part in map(strip, JOINTS.split(line)) if part]
    found: dict[str, Answer] = {}
    for part in parts:
        means = part_means(part, known) or with_time(part, known)
        if not means or means.keys() & found.keys():
            return part_means(strip(line), known)
        found |= means
    return found


def part_means(part: str, known: Known) -> dict[str, Answer]:
    """Return the one question that a part answers, with the answer; empty where it means nothing."""
    for key, reader in READERS.items():
        try:
            answer = reader(part, known)
        except BadInput:
            continue
        if answer is not None:
            return {key: answer}
    return {}


def with_time(part: str, known: Known) -> dict[str, Answer]:
    """Return what a part means that ends in a time: `two 4090s overnight`."""
    line = plain(part)
    ends = [phrase for phrase, minutes in phrases("time_limit") if minutes != "0" and line.endswith(phrase)]
    amount = re.search(rf"(?:{time_limit.AMOUNT.pattern})$", line)
    cut = len(ends[0]) if ends else len(amount[0]) if amount else 0
    rest = strip(line[: len(line) - cut])
    if not cut or not rest:
        return {}
    first = part_means(rest, known)
    return first | {"time_limit": time_limit.read(line[-cut:], known)} if first else {}


def strip(part: str) -> str:
    """Return a part without blanks and what says nothing."""
    return FILLERS.sub("", part.strip()).strip()


def _hardware(part: str, known: Known) -> Answer | None:
    return hardware.read(part, known)


def _data(part: str, known: Known) -> Answer | None:
    named = part in known.files or part in data.bundled() or exactly(part, "data")
    if named or DATA_FILE.fullmatch(part) or data.description(part) is not None:
        return data.read(part, known)
    return None


def _model(part: str, known: Known) -> Answer | None:
    return model.read(part, known)


def _time(part: str, known: Known) -> Answer | None:
    """Read a part that is a time and nothing else."""
    line = plain(part)
    rest = time_limit.AMOUNT.sub(" ", line)
    for phrase, _ in phrases("time_limit"):
        rest = rest.replace(phrase, " ") if phrase in line else rest
    says_time = rest != line and set(rest.split()) <= LIMIT_WORDS
    return time_limit.read(part, known) if says_time else None


def _only_exact(key: str, read: Callable[[str, Known], Answer]) -> Reader:
    return lambda part, known: read(part, known) if exactly(part, key) is not None else None


READERS: dict[str, Reader] = {
    "goal": _only_exact("goal", goal.read),
    "method": _only_exact("method", method.read),
    "target": _only_exact("target", target.read),
    "stage": _only_exact("stage", stage.read),
    "data": _data,
    "time_limit": _time,
    "hardware": _hardware,
    "model": _model,
}
"""Question -> what recognises an answer to it; the strictest first."""
