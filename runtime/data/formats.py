"""Which layout the rows have, decided by several rows' keys; and what each layout is made for.

| kind of data | layouts |
|---|---|
| conversation | alpaca, ShareGPT, OpenAI messages, PaddleNLP's src/tgt |
| preference | the same prompts, each with a chosen and a rejected answer |
| labelled | the same prompts, each with an answer that is judged true or false |
| text | plain texts |
| retrieval | a query, passages that answer it and passages that do not |
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from planner.errors import BadInput
from planner.language import say, template
from runtime.data.cells import parsed, said
from runtime.data.conversation import Kind

Format = str
"""Name of a layout: a key of LAYOUTS or OTHER_LAYOUTS."""


class Layout(NamedTuple):
    """The keys of one layout: those that make it, and those that may stand beside them."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    example: str
    kind: Kind = "conversation"


LAYOUTS: dict[Format, Layout] = {
    "alpaca": Layout(
        ("instruction", "output"),
        ("input", "history", "system"),
        '{"instruction": ..., "input": ..., "output": ...}',
    ),
    "sharegpt": Layout(
        ("conversations",),
        ("system", "tools"),
        '{"conversations": [{"from": "human", "value": ...}, {"from": "gpt", ...}]}',
    ),
    "messages": Layout(
        ("messages",),
        ("tools",),
        '{"messages": [{"role": "user", "content": ...}, {"role": "assistant", ...}]}',
    ),
    "src_tgt": Layout(("src", "tgt"), ("context", "system"), '{"src": ..., "tgt": ...}'),
}
"""Layout of conversations -> its keys. `planner.facts.DataFacts.format` has the same names."""

OTHER_LAYOUTS: dict[Format, Layout] = {
    "alpaca_pairs": Layout(
        ("instruction", "chosen", "rejected"),
        ("input", "history", "system"),
        '{"instruction": ..., "chosen": ..., "rejected": ...}',
        "preference",
    ),
    "sharegpt_pairs": Layout(
        ("conversations", "chosen", "rejected"),
        ("system", "tools"),
        '{"conversations": [...], "chosen": {"from": "gpt", "value": ...}, "rejected": {...}}',
        "preference",
    ),
    "messages_pairs": Layout(
        ("chosen", "rejected"),
        ("prompt", "messages", "system", "tools"),
        '{"chosen": [{"role": "user", ...}, {"role": "assistant", ...}], "rejected": [...]}',
        "preference",
    ),
    "response_pairs": Layout(
        ("messages", "chosen_response", "rejected_response"),
        ("system", "tools"),
        '{"messages": [...], "chosen_response": [{"role": "assistant", ...}], "rejected_response": [...]}',
        "preference",
    ),
    "prompt_pairs": Layout(
        ("prompt", "chosen", "rejected"),
        ("system",),
        '{"prompt": ..., "chosen": ..., "rejected": ...}',
        "preference",
    ),
    "hh_pairs": Layout(
        ("chosen", "rejected"),
        (),
        '{"chosen": "\\n\\nHuman: ...\\n\\nAssistant: ...", "rejected": ...}',
        "preference",
    ),
    "src_tgt_pairs": Layout(
        ("src", "tgt", "response", "sort"),
        ("context", "system"),
        '{"src": [...], "tgt": [...], "response": [..., ...], "sort": [1, 0]}',
        "preference",
    ),
    "alpaca_labels": Layout(
        ("instruction", "output", "label"),
        ("input", "history", "system"),
        '{"instruction": ..., "output": ..., "label": true}',
        "labelled",
    ),
    "sharegpt_labels": Layout(
        ("conversations", "label"),
        ("system", "tools"),
        '{"conversations": [...], "label": true}',
        "labelled",
    ),
    "messages_labels": Layout(
        ("messages", "label"), ("tools",), '{"messages": [...], "label": true}', "labelled"
    ),
    "prompt_labels": Layout(
        ("prompt", "completion", "label"),
        ("system",),
        '{"prompt": ..., "completion": ..., "label": true}',
        "labelled",
    ),
    "src_tgt_labels": Layout(
        ("src", "tgt", "response", "sort"),
        ("context", "system"),
        '{"src": [...], "tgt": [...], "response": [...], "sort": [1]}',
        "labelled",
    ),
    "text": Layout(("text",), (), '{"text": ...}', "text"),
    "passages": Layout(
        ("query", "pos_passage"),
        ("neg_passage",),
        '{"query": ..., "pos_passage": [...], "neg_passage": [...]}',
        "retrieval",
    ),
    "flag_passages": Layout(
        ("query", "pos"), ("neg",), '{"query": ..., "pos": [...], "neg": [...]}', "retrieval"
    ),
    "query_passages": Layout(
        ("query", "positive"), ("negative",), '{"query": ..., "positive": ..., "negative": ...}', "retrieval"
    ),
    "triplets": Layout(
        ("anchor", "positive"),
        ("negative",),
        '{"anchor": ..., "positive": ..., "negative": ...}',
        "retrieval",
    ),
}
"""Layout of other data -> its keys."""

RETRIEVAL_FIELDS: dict[Format, tuple[str, str, str]] = {
    "passages": ("query", "pos_passage", "neg_passage"),
    "flag_passages": ("query", "pos", "neg"),
    "query_passages": ("query", "positive", "negative"),
    "triplets": ("anchor", "positive", "negative"),
}
"""Layout of queries with passages -> its fields of the query, of good and of bad passages."""

ALL_LAYOUTS = LAYOUTS | OTHER_LAYOUTS

STAGES: dict[Kind, tuple[str, ...]] = {
    "conversation": ("sft",),
    "preference": ("dpo", "orpo", "simpo", "reward"),
    "labelled": ("kto",),
    "text": ("pretrain",),
    "retrieval": ("embedding",),
}
"""Kind of data -> kinds of training that learn from it; `DataFacts.stages`."""

KIND_WORDS = {
    "conversation": template("conversations"),
    "preference": template("preference pairs (`chosen`, `rejected`)"),
    "labelled": template("judged answers (a true/false `label`)"),
    "text": template("plain texts"),
    "retrieval": template("queries with passages"),
}
REMEDIES = {
    "preference": template(
        "Train with dpo, or keep the good answers: steersman data convert IN OUT --to alpaca."
    ),
    "labelled": template(
        "Train with kto, or keep the good answers: steersman data convert IN OUT --to alpaca."
    ),
    "text": template("Pretrain on them, or write questions and answers."),
    "retrieval": template("Train with embedding, or write answers instead of passages."),
    "conversation": template("Train with sft, or write two answers or a judgement for each question."),
}
"""Kind of data -> what to do when another kind of training was asked for."""

SYNONYMS = {
    "instruction": ("prompt", "question", "query", "user", "instruct"),
    "output": ("response", "answer", "completion", "target", "reply", "outputs"),
    "conversations": ("conversation", "dialog", "dialogue", "chat"),
    "messages": ("message", "chat"),
    "src": ("source", "srcs"),
    "tgt": ("target", "tgts"),
}
"""Names that people give these fields elsewhere."""

LABELS = ("label", "kto_tag")
"""Fields that say whether an answer was judged good."""

TRUTH = {"true": True, "false": False, "1": True, "0": False}
"""Judgements as cells of a table hold them."""


def kind_of(layout: Format) -> Kind:
    """Return the kind of data that a layout holds."""
    return ALL_LAYOUTS[layout].kind


def detect(rows: Iterable[Any], where: str) -> Format:
    """Return the layout of a file's first rows; `BadInput` says what was found and what is accepted."""
    found = [row for row in rows if isinstance(row, Mapping)]
    keys = [frozenset(row) for row in found]
    if not keys:
        raise BadInput(
            say("{path}: the rows are no objects with named fields.", path=where), remedy=accepted()
        )
    votes = Counter(name for row in found for name in layouts_of(row))
    for name in [name for name in votes if name.endswith("_labels")]:
        unjudged = name.removesuffix("_labels")
        if votes[name] > votes[unjudged]:  # rows that lack their label are defects, not another layout
            votes.pop(unjudged, None)
    if len(votes) == 1 or {kind_of(name) for name in votes} in ({"preference"}, {"labelled"}, {"retrieval"}):
        return votes.most_common(1)[0][0]
    if len(votes) > 1:
        counted = [
            say("{layout} ({count} of {rows} rows)", layout=name, count=count, rows=len(keys))
            for name, count in votes.most_common()
        ]
        raise BadInput(
            say("{path}: the rows fit several layouts: {layouts}.", path=where,
                layouts=say(" and ").join(counted)),
            remedy=say("Keep the columns of one layout, or split the file."),
        )  # fmt: skip
    raise unknown(keys, where)


def layouts_of(row: Mapping[str, Any]) -> tuple[Format, ...]:
    """Return the layouts that a row fits; rows for other kinds of training fit one only."""
    other = paired(row) or judged(row) or retrieval(row)
    if other is not None:
        return (other,)
    fitting = tuple(name for name, layout in LAYOUTS.items() if set(layout.required) <= set(row))
    return fitting or (("text",) if isinstance(row.get("text"), str) else ())


def paired(row: Mapping[str, Any]) -> Format | None:
    """Return the layout of a preference pair; None for other rows."""
    if {"chosen_response", "rejected_response"} <= set(row):
        return "response_pairs"
    if "response" in row and "sort" in row and "src" in row:
        return "src_tgt_labels" if length(row["response"]) == 1 else "src_tgt_pairs"
    if not {"chosen", "rejected"} <= set(row):
        return None
    if "instruction" in row:
        return "alpaca_pairs"
    if "conversations" in row:
        return "sharegpt_pairs"
    if "messages" in row or not isinstance(said(row["chosen"]), str):
        return "messages_pairs"
    return "prompt_pairs" if "prompt" in row else "hh_pairs"


def judged(row: Mapping[str, Any]) -> Format | None:
    """Return the layout of a judged answer; None for other rows."""
    if all(judgement(row.get(name)) is None for name in LABELS):
        return None
    if "conversations" in row:
        return "sharegpt_labels"
    if "messages" in row:
        return "messages_labels"
    if {"instruction", "output"} <= set(row):
        return "alpaca_labels"
    return "prompt_labels" if {"prompt", "completion"} <= set(row) else None


def retrieval(row: Mapping[str, Any]) -> Format | None:
    """Return the layout of a query with passages; None for other rows."""
    return next(
        (name for name, (query, good, _) in RETRIEVAL_FIELDS.items() if query in row and good in row), None
    )


def judgement(value: Any) -> bool | None:
    """Return what a label says; None for what is no judgement."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    return TRUTH.get(value.strip().lower()) if isinstance(value, str) else None


def length(value: Any) -> int:
    """Return how many entries a list has, also as the text in a table's cell; 1 for anything else."""
    found = parsed(value)
    return len(found) if isinstance(found, list) else 1


def require_stage(layout: Format, stage: str | None, where: str) -> None:
    """Raise `BadInput` for data that is made for another kind of training than `stage`."""
    kind = kind_of(layout)
    if stage is None or stage in STAGES[kind] or not any(stage in stages for stages in STAGES.values()):
        return
    raise BadInput(
        say("{path}: these are {found}.", path=where, found=say(KIND_WORDS[kind])),
        why=say("Training with {stage} does not learn from them.", stage=stage),
        remedy=say(REMEDIES[kind]),
    )


def unknown(keys: list[frozenset[str]], where: str) -> BadInput:
    """Explain keys that fit no layout, with the nearest one if its fields only have other names."""
    common = [name for name, _ in Counter(name for row in keys for name in sorted(row)).most_common(8)]
    found = say(
        "{path}: the fields {fields} fit no known layout.",
        path=where,
        fields=", ".join(f"`{name}`" for name in common),
    )
    renames = [renamed for layout in LAYOUTS.values() if (renamed := rename(common, layout)) is not None]
    if renames:
        nearest = min(renames, key=len)
        pairs = say(" and ").join(
            say("`{have}` to `{want}`", have=have, want=want) for have, want in nearest.items()
        )
        return BadInput(found, remedy=say("Did you mean another name? Rename {pairs}.", pairs=pairs))
    return BadInput(found, remedy=accepted())


def rename(have: list[str], layout: Layout) -> dict[str, str] | None:
    """Return which of the fields `have` would have to be renamed to make `layout`;

    None when they are too different.
    """
    renamed: dict[str, str] = {}
    for want in layout.required:
        if want in have:
            continue
        lowered = {name.lower().strip().lstrip("\ufeff"): name for name in have if name not in renamed}
        near = [name for name in (want, *SYNONYMS[want]) if name in lowered]
        near = near or difflib.get_close_matches(want, lowered, 1, 0.75)
        if not near:
            return None
        renamed[lowered[near[0]]] = want
    return renamed


def accepted() -> str:
    """Return the list of layouts with an example each."""
    return say("Accepted rows:") + " " + "; ".join(
        f"{name} {layout.example}" for name, layout in ALL_LAYOUTS.items() if name in SHOWN
    ) + "."  # fmt: skip


SHOWN = (*LAYOUTS, "prompt_pairs", "prompt_labels", "text", "passages")
"""Layouts that an error names as examples; the manual has all."""
