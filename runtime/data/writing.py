"""From a row between layouts to a row of any one of them; and files of such rows.

Layouts that know only questions and answers get tool calls as text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from planner.errors import BadInput
from planner.language import say
from runtime.data.conversation import Message
from runtime.data.example import Example
from runtime.data.formats import RETRIEVAL_FIELDS, Format
from runtime.data.retrieval import retrieval_row
from runtime.data.table_files import write_csv, write_parquet
from runtime.data.tools import calls_of, function_form

Row = dict[str, Any]

SHAREGPT_ROLES = {"user": "human", "assistant": "gpt", "system": "system"}


def openai_turns(messages: Iterable[Message]) -> list[Row]:
    """Return role/content turns; calls in `tool_calls`, results of tools under the role tool."""
    return [openai_turn(message) for message in messages]


def openai_turn(message: Message) -> Row:
    """Return one role/content turn."""
    calls = calls_of(message.calls) if message.calls else None
    if message.result:
        return {"role": "tool", "content": message.text}
    if calls is None:
        return {"role": message.role, "content": message.plain().text}
    spelled = [{**call, "arguments": json.dumps(call["arguments"], ensure_ascii=False)} for call in calls]
    functions = [{"type": "function", "function": call} for call in spelled]
    return {"role": "assistant", "content": message.text, "tool_calls": functions}


def sharegpt_turns(messages: Iterable[Message]) -> list[Row]:
    """Return from/value turns; a call and the text beside it are two turns."""
    found: list[Row] = []
    for message in messages:
        if message.result:
            found.append({"from": "observation", "value": message.text})
            continue
        if message.text or not message.calls:
            found.append({"from": SHAREGPT_ROLES[message.role], "value": message.text})
        if message.calls:
            calls = calls_of(message.calls)
            one = calls[0] if calls and len(calls) == 1 else calls
            value = json.dumps(one, ensure_ascii=False) if calls else message.calls
            found.append({"from": "function_call", "value": value})
    return found


def openai(example: Example) -> Row:
    """`messages`, and `tools` beside them."""
    listed = {"tools": function_form(list(example.tools))} if example.tools else {}
    return {"messages": openai_turns(example.messages), **listed}


def sharegpt(example: Example) -> Row:
    """`conversations`, with `system` and `tools` beside them."""
    row: Row = {"conversations": sharegpt_turns(example.turns)}
    if example.system:
        row["system"] = example.system
    if example.tools:
        inner = [tool.get("function", tool) for tool in example.tools]
        row["tools"] = json.dumps(inner, ensure_ascii=False)
    return row


def alpaca(example: Example) -> Row:
    """`instruction` and `output`, earlier turns in `history`."""
    turns = [message.plain().text for message in example.turns]
    history = [list(pair) for pair in zip(turns[:-2:2], turns[1:-2:2], strict=True)]
    row: Row = {"instruction": turns[-2], "input": "", "output": turns[-1]}
    if history:
        row["history"] = history
    if example.system:
        row["system"] = example.system
    return row


def src_tgt(example: Example) -> Row:
    """`src` and `tgt`, always lists."""
    turns = [message.plain().text for message in example.turns]
    context = {"context": {"system": example.system}} if example.system else {}
    return {"src": turns[::2], "tgt": turns[1::2], **context}


def pair_of(write: Callable[[Example], Row], answer: Callable[[Message], Any], names: tuple[str, str],
            remove: str = "") -> Callable[[Example], Row]:  # fmt: skip
    """Return a writer of preference pairs: the prompt by `write`, both answers by `answer`."""

    def writer(example: Example) -> Row:
        *prompt, better = example.messages
        whole = example if remove else example._replace(messages=tuple(prompt))
        row = write(whole)
        row.pop(remove, None)
        return {**row, names[0]: answer(better), names[1]: answer(example.rejected[0])}

    return writer


def plain(message: Message) -> str:
    """Return a message's text, calls included."""
    return message.plain().text


def prompt_pair(example: Example) -> Row:
    """`prompt`, `chosen`, `rejected`: texts where there is one turn, else the standard's lists of turns."""
    *prompt, better = example.messages
    if len(prompt) == 1 and not example.has_tools:
        return {"prompt": prompt[0].text, "chosen": better.text, "rejected": plain(example.rejected[0])}
    sides = [openai_turns([better]), openai_turns(example.rejected)]
    return {"prompt": openai_turns(prompt), "chosen": sides[0], "rejected": sides[1]}


def messages_pair(example: Example) -> Row:
    """Whole conversations in `chosen` and `rejected`, as UltraFeedback's."""
    *prompt, better = example.messages
    return {
        "chosen": openai_turns([*prompt, better]),
        "rejected": openai_turns([*prompt, *example.rejected]),
    }


def hh_pair(example: Example) -> Row:
    """Transcripts; a system prompt becomes part of the first question, as they have no place for it."""
    names = {"user": "Human", "assistant": "Assistant"}
    system = f"{example.system}\n\n" if example.system else ""
    *prompt, better = example.turns
    spoken = "".join(
        f"\n\n{names[message.role]}: {system if index == 0 else ''}{plain(message)}"
        for index, message in enumerate(prompt)
    )
    worse = example.rejected[0]
    return {
        "chosen": f"{spoken}\n\nAssistant: {plain(better)}",
        "rejected": f"{spoken}\n\nAssistant: {plain(worse)}",
    }


def src_tgt_pair(example: Example) -> Row:
    """PaddleNLP's `response` and `sort`."""
    return {**src_tgt_prompt(example), "response": [plain(example.messages[-1]), plain(example.rejected[0])],
            "sort": [1, 0]}  # fmt: skip


def src_tgt_prompt(example: Example) -> Row:
    """`src` and `tgt` up to the last question."""
    row = src_tgt(example)
    return {**row, "tgt": row["tgt"][:-1]}


def src_tgt_label(example: Example) -> Row:
    """PaddleNLP's single `response` with its `sort`."""
    return {**src_tgt_prompt(example), "response": [plain(example.messages[-1])],
            "sort": [int(bool(example.label))]}  # fmt: skip


def labelled(write: Callable[[Example], Row]) -> Callable[[Example], Row]:
    """Return a writer that adds the judgement."""
    return lambda example: {**write(example), "label": bool(example.label)}


def prompt_label(example: Example) -> Row:
    """`prompt`, `completion`, `label`: texts where there is one turn, else lists of turns."""
    *prompt, answer = example.messages
    if len(prompt) == 1 and not example.has_tools:
        return {"prompt": prompt[0].text, "completion": answer.text, "label": bool(example.label)}
    return {
        "prompt": openai_turns(prompt),
        "completion": openai_turns([answer]),
        "label": bool(example.label),
    }


def passages(layout: Format) -> Callable[[Example], Row]:
    """Return a writer of queries with passages."""

    def writer(example: Example) -> Row:
        query, *good = map(plain, example.messages)
        return retrieval_row(layout, query, good, list(map(plain, example.rejected)))

    return writer


CHOSEN = ("chosen", "rejected")
WRITERS: dict[Format, Callable[[Example], Row]] = {
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "messages": openai,
    "src_tgt": src_tgt,
    "alpaca_pairs": pair_of(alpaca, plain, CHOSEN, remove="output"),
    "sharegpt_pairs": pair_of(sharegpt, lambda message: sharegpt_turns([message])[-1], CHOSEN),
    "messages_pairs": messages_pair,
    "response_pairs": pair_of(openai, lambda message: openai_turns([message]),
                              ("chosen_response", "rejected_response")),
    "prompt_pairs": prompt_pair,
    "hh_pairs": hh_pair,
    "src_tgt_pairs": src_tgt_pair,
    "alpaca_labels": labelled(alpaca),
    "sharegpt_labels": labelled(sharegpt),
    "messages_labels": labelled(openai),
    "prompt_labels": prompt_label,
    "src_tgt_labels": src_tgt_label,
    "text": lambda example: {"text": "\n\n".join(map(plain, example.messages))},
    **{layout: passages(layout) for layout in RETRIEVAL_FIELDS},
}  # fmt: skip
"""Layout -> its writer."""

PAIRED_ONLY = (
    "alpaca",
    "src_tgt",
    "alpaca_pairs",
    "src_tgt_pairs",
    "alpaca_labels",
    "src_tgt_labels",
    "hh_pairs",
)
"""Layouts that need a question before every answer, and know no tools."""


def write_file(path: Path, rows: Iterator[Row]) -> int:
    """Write rows to a new file by its ending (.jsonl, .json, .csv, .parquet), and return how many there were.

    The file takes its name only when all is written. Raises `BadInput` for another ending.
    """
    writer = FILE_WRITERS.get(path.suffix.lower())
    if writer is None:
        raise BadInput(
            say("{path}: the ending `{ending}` is unknown.", path=path, ending=path.suffix or path.name),
            remedy=say("Name the file .jsonl, .json, .csv or .parquet."),
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    count = 0

    def counted() -> Iterator[Row]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    try:
        writer(partial, counted())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return count


def write_lines(path: Path, rows: Iterator[Row]) -> None:
    """One JSON object per line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_list(path: Path, rows: Iterator[Row]) -> None:
    """One JSON list."""
    with path.open("w", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            file.write((",\n" if number else "[\n") + json.dumps(row, ensure_ascii=False))
        file.write("\n]\n")


FILE_WRITERS: dict[str, Callable[[Path, Iterator[Row]], None]] = {
    ".jsonl": write_lines,
    ".ndjson": write_lines,
    ".json": write_list,
    ".csv": write_csv,
    ".parquet": write_parquet,
}
"""Ending of a file -> what writes it."""
