"""What is wrong with a row, where, and what is done about it: values with stable codes, never only strings.

A finding's code says its severity and its action (the table `KINDS`), so nobody has to search in a sentence.
A log of findings keeps the first ones of every code and counts the rest: a file with ten million bad rows
costs no more memory than a file with fifty. All of them go, one JSON object per line, to the `findings.jsonl`
of the prepare stage.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import IO, Literal, NamedTuple

from planner.language import say, template

Severity = Literal["error", "warning", "note"]
Action = Literal["row dropped", "fixed", "kept"]


class Kind(NamedTuple):
    """What all findings of one code share."""

    severity: Severity
    action: Action
    title: str


KINDS: dict[str, Kind] = {
    "row.unreadable": Kind("error", "row dropped", template("the line is not JSON")),
    "row.not_object": Kind("error", "row dropped", template("the row is not an object with named fields")),
    "field.missing": Kind("error", "row dropped", template("a required field is missing")),
    "field.type": Kind("error", "row dropped", template("a field has the wrong type")),
    "prompt.empty": Kind("error", "row dropped", template("the prompt is empty")),
    "answer.missing": Kind("error", "row dropped", template("there is no answer")),
    "answer.empty": Kind("error", "row dropped", template("the answer is empty")),
    "role.unknown": Kind("error", "row dropped", template("a role is unknown")),
    "role.late_system": Kind("error", "row dropped", template("a system prompt stands in mid-conversation")),
    "turns.unequal": Kind("error", "row dropped", template("questions and answers differ in number")),
    "template.refuses": Kind(
        "error", "row dropped", template("the model's chat template refuses the conversation")
    ),
    "template.rewrites": Kind(
        "error", "row dropped", template("the model's chat template rewrites earlier turns")
    ),
    "label.missing": Kind("error", "row dropped", template("the judgement is missing or no true or false")),
    "pair.equal": Kind("error", "row dropped", template("both answers are the same")),
    "pair.diverges": Kind("error", "row dropped", template("the two answers belong to different questions")),
    "passage.empty": Kind("warning", "fixed", template("a passage is empty and is left out")),
    "passage.both": Kind(
        "warning", "fixed", template("a passage is listed as good and as bad: the good one stays")
    ),
    "length.no_answer": Kind(
        "error", "row dropped", template("truncation would leave nothing of the answer")
    ),
    "length.no_prompt": Kind(
        "error", "row dropped", template("system prompt and template alone exceed src_length")
    ),
    "length.rounds_cut": Kind("warning", "fixed", template("too long: the oldest turns are left out")),
    "length.prompt_cut": Kind("warning", "fixed", template("too long: the end of the question is cut off")),
    "length.answer_cut": Kind(
        "warning", "kept", template("too long: only the beginning of the answer is trained on")
    ),
    "turns.cut": Kind("warning", "fixed", template("an empty turn ends the conversation early")),
    "role.repeated": Kind("warning", "fixed", template("the same role speaks twice in a row")),
    "role.first_assistant": Kind("warning", "fixed", template("the conversation starts with an answer")),
    "role.last_user": Kind("warning", "fixed", template("the conversation ends with a question")),
    "role.tool": Kind("warning", "kept", template("tool messages become ordinary turns")),
    "system.moved": Kind(
        "warning", "fixed", template("the template knows no system prompt: it moves into the first question")
    ),
    "template.none": Kind("warning", "fixed", template("without a chat template, turns become plain text")),
    "text.number": Kind("warning", "fixed", template("a number stands where text belongs")),
    "text.nul": Kind("warning", "fixed", template("the text holds NUL characters")),
    "text.surrogate": Kind("warning", "fixed", template("the text holds half characters (lone surrogates)")),
    "text.carriage_return": Kind("note", "fixed", template("the text holds Windows line ends")),
    "text.control": Kind("warning", "kept", template("the text holds control characters")),
    "text.special": Kind("warning", "kept", template("the text holds one of the tokenizer's special tokens")),
    "field.ignored": Kind("note", "kept", template("a field is not used in training")),
    "row.duplicate": Kind("warning", "kept", template("the row repeats an earlier one")),
    "row.near_duplicate": Kind("warning", "kept", template("the row nearly repeats an earlier one")),
    "row.near_leak": Kind("warning", "kept", template("the dev row is nearly a training row")),
    "row.leak": Kind("warning", "kept", template("the dev row is also a training row")),
    "upstream.split": Kind("note", "kept", template("upstream's own run_finetune.py would stop at this row")),
}
"""Code -> severity, action and title. Codes are stable: reports and tests match on them."""


ACTIONS: dict[Action, str] = {
    "row dropped": template("row dropped"),
    "fixed": template("fixed"),
    "kept": template("kept"),
}


class Finding(NamedTuple):
    """One thing about one row. Rows and lines count from 1; `line` is 0 where the file has no lines."""

    code: str
    file: str
    row: int
    line: int
    field: str
    what: str

    @property
    def kind(self) -> Kind:
        """Severity, action and title of its code."""
        return KINDS[self.code]

    def sentence(self) -> str:
        """Return the finding as one line: where, what, and what is done."""
        line = say(" (line {line})", line=self.line) if self.line else ""
        return say(
            "{file} row {row}{line}{field}: {what}; {action}.",
            file=self.file,
            row=self.row,
            line=line,
            field=f", `{self.field}`" if self.field else "",
            what=self.what or say(self.kind.title),
            action=say(ACTIONS[self.kind.action]),
        )

    def as_dict(self) -> dict[str, str | int]:
        """Return the finding with its severity and action, ready for JSON."""
        return {**self._asdict(), "severity": self.kind.severity, "action": self.kind.action}


Note = Callable[[str, str, str], None]
"""`note(code, field, what)`: how the code that looks at one row reports; the row's place is already known."""


class FindingLog:
    """Counts findings by code, keeps the first `listed` of each, writes all to `sink` as JSON lines."""

    def __init__(self, listed: int = 10, sink: IO[str] | None = None) -> None:
        self.listed = listed
        self.sink = sink
        self.counts: Counter[str] = Counter()
        self._first: dict[str, list[Finding]] = {}

    def add(self, finding: Finding) -> None:
        """Record one finding."""
        self.counts[finding.code] += 1
        first = self._first.setdefault(finding.code, [])
        if len(first) < self.listed:
            first.append(finding)
        if self.sink is not None:
            self.sink.write(json.dumps(finding.as_dict(), ensure_ascii=False) + "\n")

    def first(self) -> tuple[Finding, ...]:
        """Return the listed findings: errors first, then in the order of `KINDS`, then by row."""
        order = {"error": 0, "warning": 1, "note": 2}
        codes = sorted(self._first, key=lambda code: (order[KINDS[code].severity], list(KINDS).index(code)))
        return tuple(finding for code in codes for finding in self._first[code])
