"""Rows that teach an embedding model: a query, passages that answer it, and passages that do not.

| layout | fields | known from |
|---|---|---|
| passages | `query`, `pos_passage`, `neg_passage` | PaddleNLP (datasets/embedding_dataset.py:53) |
| flag_passages | `query`, `pos`, `neg` | FlagEmbedding |
| query_passages | `query`, `positive`, `negative` | many sets on hubs |
| triplets | `anchor`, `positive`, `negative` | sentence-transformers |

A field of passages is a text or a list of texts; the negatives may be absent: the other rows of a batch are
negatives in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from planner.language import say
from runtime.data.cells import parsed
from runtime.data.conversation import Conversation
from runtime.data.findings import Note
from runtime.data.formats import RETRIEVAL_FIELDS, Format
from runtime.data.rows import missing
from runtime.data.text import as_text, clean


class Retrieval(NamedTuple):
    """A query with its passages, none of them empty."""

    query: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...]

    def conversation(self) -> Conversation:
        """Return the row in the shape that all rows have: one pair per positive passage."""
        first, *others = self.positives
        pairs = ((self.query, first), *(("", other) for other in others))
        return Conversation("", pairs, negatives=self.negatives)


def read_retrieval(row: Mapping[str, Any], layout: Format, note: Note) -> Retrieval | None:
    """Return a row of one of the layouts, or None (and a note) when it cannot be used."""
    query_name, positive_name, negative_name = RETRIEVAL_FIELDS[layout]
    query = text_of(row.get(query_name), query_name, note)
    if query is None:
        return None
    positives = passages(row, positive_name, note)
    negatives = passages(row, negative_name, note) if row.get(negative_name) not in (None, "") else ()
    if positives is None or negatives is None:
        return None
    if not positives:
        note("answer.missing", positive_name, say("no passage answers the query"))
        return None
    both = set(positives) & set(negatives)
    if both:
        note("passage.both", negative_name, say("a passage is said to answer the query, and not to"))
    return Retrieval(query, positives, tuple(text for text in negatives if text not in both))


def passages(row: Mapping[str, Any], name: str, note: Note) -> tuple[str, ...] | None:
    """Return the passages of a field, empty ones left out; None (and a note) when one is no text."""
    value = parsed(row.get(name))
    found = []
    for number, entry in enumerate(value if isinstance(value, list) else [value]):
        field = f"{name}[{number}]" if isinstance(value, list) else name
        if isinstance(entry, Mapping) and "text" in entry:  # Tevatron's passages have a title, too
            entry = "\n".join(str(entry[part]) for part in ("title", "text") if entry.get(part))
        if entry is None:
            note("answer.missing", field, missing(field))
            return None
        text = as_text(entry, field, note)
        if text is None:
            return None
        text = clean(text, field, note)
        if text.strip():
            found.append(text)
        else:
            note("passage.empty", field, say("the passage is empty and is left out"))
    return tuple(dict.fromkeys(found))


def text_of(value: Any, name: str, note: Note) -> str | None:
    """Return the query; None (and a note) when there is none."""
    if value is None:
        note("field.missing", name, missing(name))
        return None
    text = as_text(value, name, note)
    if text is None:
        return None
    text = clean(text, name, note)
    if not text.strip():
        note("prompt.empty", name, say("the query is empty"))
        return None
    return text


def retrieval_row(layout: Format, query: str, positives: list[str], negatives: list[str]) -> dict[str, Any]:
    """Return the row of a layout; one passage stands as text where the layout is made for one."""
    names = RETRIEVAL_FIELDS[layout]
    single = layout in ("triplets", "query_passages")
    sides = [
        side[0] if single and len(side) == 1 and parsed(side[0]) is side[0] else side
        for side in (positives, negatives)
    ]
    row: dict[str, Any] = {names[0]: query, names[1]: sides[0], names[2]: sides[1]}
    if single and not negatives:
        del row[names[2]]
    return row
