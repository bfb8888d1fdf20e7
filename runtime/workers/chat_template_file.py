"""Where a model folder keeps its chat template, and what it says, as one Jinja text over `messages`.

In this order, which is that of `transformers` 5 (utils/hub.py) and of PaddleNLP 3.0.0b4 (its
transformers/tokenizer_utils.py:849 lets `chat_template.json` win over the tokenizer's config):

1. `chat_template.jinja`;
2. `chat_template.json`: Hugging Face's `{"chat_template": "..."}`, or PaddleNLP's own form with the fields
   `system`, `conversation` (question and answer of a turn) and `query` (the last question), Jinja texts each;
3. `chat_template` in `tokenizer_config.json`: a text, or several by name, of which `default` is meant.

Standard library only: the app reads it, too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from runtime.workers.speech import say

JINJA, JSON, SETTINGS = "chat_template.jinja", "chat_template.json", "tokenizer_config.json"

PADDLENLP = (
    "{%+ set turn = namespace(number=0) +%}"
    "{%+ set is_training = not add_generation_prompt +%}"
    "{%+ if messages and messages[0]['role'] == 'system' +%}"
    "{%+ set system = messages[0]['content'] +%}"
    "{%+ endif +%}"
    "{system}"
    "{%+ for message in messages +%}"
    "{%+ set index = turn.number +%}{%+ set is_first = turn.number == 0 +%}"
    "{%+ if message['role'] == 'user' +%}"
    "{%+ set user = message['content'] +%}{%+ set query = user +%}"
    "{%+ if loop.last and add_generation_prompt +%}{query}{%+ else +%}{user}{%+ endif +%}"
    "{%+ elif message['role'] == 'assistant' +%}"
    "{%+ set bot = message['content'] +%}{bot}"
    "{%+ set turn.number = turn.number + 1 +%}"
    "{%+ endif +%}"
    "{%+ endfor +%}"
)
"""PaddleNLP's pieces in their places. Plus signs keep Jinja from trimming the pieces' own line breaks."""


class TemplateFileError(ValueError):
    """A template file that says nothing; the message is a sentence for the person."""


def template_text(folder: Path) -> str | None:
    """Return the Jinja text of a model folder's chat template; None where it has none.

    Raises `TemplateFileError` for a file that cannot be read.
    """
    if (folder / JINJA).is_file():
        return (folder / JINJA).read_text(encoding="utf-8")
    if (folder / JSON).is_file():
        return of_json(folder / JSON)
    found = read_json(folder / SETTINGS).get("chat_template") if (folder / SETTINGS).is_file() else None
    if isinstance(found, list):
        named = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
        found = named.get("default") or next(iter(named.values()), None)
    return str(found) if found else None


def of_json(path: Path) -> str:
    """Return the Jinja text of a `chat_template.json` in either form."""
    values = read_json(path)
    if isinstance(values.get("chat_template"), str):
        return str(values["chat_template"])
    pieces = values.get("conversation")
    if not isinstance(pieces, list) or [type(piece) for piece in pieces] != [str, str]:
        raise TemplateFileError(
            say(
                "{path} is no chat template: it needs `chat_template` (Hugging Face's), or `conversation` "
                "with the question and the answer of a turn (PaddleNLP's).",
                path=path,
            )
        )
    user, bot = pieces
    named = {
        "{system}": values.get("system") or "",
        "{user}": user,
        "{bot}": bot,
        "{query}": values.get("query") or user,
    }
    return re.sub(r"\{\w+\}", lambda place: str(named[place[0]]), PADDLENLP)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TemplateFileError(say("{path} cannot be read: {error}.", path=path, error=error)) from error
    return found if isinstance(found, dict) else {}
