"""Rows as the engines read them: PaddleNLP's src/tgt family, which PaddleFormers calls erniekit.

- conversations: `{"src": [questions], "tgt": [answers]}`
- preference pairs: one answer less in `tgt`, and `"response": [better, worse], "sort": [1, 0]`
- judged answers: the same with `"response": [answer]` and `"sort": [1]` for a good one, `[0]` for a bad one
- plain texts: `{"text": ...}`
- queries with passages: `{"query": ..., "pos_passage": [...], "neg_passage": [...]}`; PaddleNLP wants
  all three (paddlenlp 3.0.0b4, datasets/embedding_dataset.py:53)

Sources: paddlenlp 3.0.0b4, trl/trl_data.py:18 (`check_preference_data`) and, for judged answers, upstream's
llm/alignment/kto/run_kto.py (`add_response_kl` adds another row's answer with `sort - 1`); paddleformers
1.2.0, datasets/reader/convertor.py:19 and :256.

`src` and `tgt` are always lists, because upstream's scripts read the file through Arrow, where a column is
either text or lists. The system prompt goes into `{"context": {"system": ...}}`, PaddleNLP's own place for
it, and into `system`, where PaddleFormers looks. Upstream's PaddleNLP passes it on only to a
`chat_template.json`; with the Jinja template of a `tokenizer_config.json` it is ignored there, and
Steersman's own worker renders it. Once one row has a system prompt all rows get both fields: Arrow would
make a missing one null, at which upstream's script fails.
"""

from __future__ import annotations

from typing import Any

from runtime.data.conversation import Conversation
from runtime.data.retrieval import retrieval_row


def engine_row(conversation: Conversation, with_system: bool) -> dict[str, Any]:
    """Return the row; `with_system` when any row of the set has a system prompt."""
    if conversation.kind == "text":
        return {"text": conversation.pairs[0][1]}
    if conversation.kind == "retrieval":
        good = [answer for _, answer in conversation.pairs]
        return retrieval_row("passages", conversation.pairs[0][0], good, list(conversation.negatives or ()))
    questions, answers = map(list, zip(*conversation.pairs, strict=True))
    row: dict[str, Any] = {"src": questions, "tgt": answers}
    if conversation.kind == "preference":
        row |= {"tgt": answers[:-1], "response": [answers[-1], conversation.rejected], "sort": [1, 0]}
    elif conversation.kind == "labelled":
        row |= {"tgt": answers[:-1], "response": answers[-1:], "sort": [int(bool(conversation.label))]}
    if with_system:
        row |= {"system": conversation.system, "context": {"system": conversation.system}}
    return row


def texts_of(row: dict[str, Any]) -> list[str]:
    """Return every text of a row that must not be empty."""
    if "text" in row:
        return [row["text"]]
    if "query" in row:
        return [row["query"], *row["pos_passage"], *row["neg_passage"]]
    return [*row["src"], *row["tgt"], *row.get("response", ())]


def sound(row: dict[str, Any]) -> bool:
    """Return whether a written row teaches something: as many turns as it needs, none of them empty."""
    if "query" in row:
        if not row["pos_passage"]:
            return False
    elif "text" not in row:
        answers = len(row["tgt"]) + ("response" in row)
        if not len(row["src"]) == answers > 0 or len(row.get("sort", ())) != len(row.get("response", ())):
            return False
    return all(text.strip() for text in texts_of(row))
