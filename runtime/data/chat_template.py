"""The model's chat template: how a conversation becomes text, and which parts of that text are answers.

Rendered as `transformers` and PaddleNLP render it: sandboxed Jinja, blocks trimmed, special tokens passed by
name. The text is taken apart turn by turn: what the template adds when the answer joins is the answer, end
token included; so a question that repeats its answer confuses nothing. The training worker does the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from planner.errors import BadInput
from planner.language import say
from runtime.data.conversation import Conversation
from runtime.workers.chat_template_file import TemplateFileError, template_text

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")

Parts = list[tuple[str, str]]
"""(prompt text, answer text) per turn; joined they are the rendered conversation."""


class TemplateRefusedError(Exception):
    """The template cannot render this conversation; the message is its own."""


class TemplateRewritesError(Exception):
    """The template changes earlier turns when a later one comes, so answers cannot be told from questions."""


class _Generation(Extension):
    """`{% generation %}`: marks answers in some templates. Here it only has to be read over."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return the block's body as it is."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """A compiled template with the special tokens that it may name."""

    def __init__(self, text: str, special_tokens: dict[str, Any]) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            extensions=[loopcontrols, _Generation],
        )
        environment.filters["tojson"] = tojson
        environment.globals["raise_exception"] = raise_exception
        environment.globals["strftime_now"] = lambda layout: datetime.now().strftime(layout)
        self.special_tokens = special_tokens
        self.template = environment.from_string(text)
        self.takes_system = self._takes_system()
        self.takes_tools = self._takes_tools()

    def _takes_system(self) -> bool:
        """Return whether a system prompt shows in the text: some templates refuse it, some leave it out."""
        probe = Conversation("steersman-probe", (("question", "answer"),))
        try:
            return "steersman-probe" in self.render(probe.messages(), prompt=False)
        except TemplateRefusedError:
            return False

    def _takes_tools(self) -> bool:
        """Return whether tools, and calls of them, show in the text; most templates leave them out."""
        name = "steersman_probe"
        tool = {"type": "function", "function": {"name": name, "description": "", "parameters": {}}}
        call = {"type": "function", "function": {"name": name + "_call", "arguments": {}}}
        asked = {"role": "user", "content": "question"}
        called = {"role": "assistant", "content": "", "tool_calls": [call]}
        try:
            listed = self.render([asked], prompt=True, tools=[tool])
            return name in listed and name + "_call" in self.render([asked, called], prompt=False)
        except TemplateRefusedError:
            return False

    def render(
        self, messages: Sequence[Mapping[str, Any]], *, prompt: bool, tools: Sequence[Any] = ()
    ) -> str:
        """Return the text of `messages`; `prompt` adds the header of the answer to come."""
        given = {"tools": list(tools)} if tools else {}
        try:
            return self.template.render(
                messages=messages, add_generation_prompt=prompt, **given, **self.special_tokens
            )
        except jinja2.TemplateError as error:
            raise TemplateRefusedError(str(error)) from error
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise TemplateRefusedError(f"{type(error).__name__}: {error}") from error

    def parts(self, conversation: Conversation) -> Parts:
        """Return every turn's texts; raises `TemplateRefusedError` or `TemplateRewritesError`."""
        return parts_of(self, conversation._replace(rejected="").messages())


def parts_of(
    template: ChatTemplate, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] = ()
) -> Parts:
    """Return (prompt, answer) texts for every message of an assistant; the last message must be one.

    Raises `TemplateRefusedError` or `TemplateRewritesError`.
    """
    parts: Parts = []
    so_far = ""
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        with_prompt = template.render(messages[:index], prompt=True, tools=tools)
        whole = template.render(messages[: index + 1], prompt=False, tools=tools)
        if not (with_prompt.startswith(so_far) and whole.startswith(with_prompt)):
            raise TemplateRewritesError
        parts.append((with_prompt[len(so_far) :], whole[len(with_prompt) :]))
        so_far = whole
    return parts


def splits_upstream(parts: Parts) -> bool:
    """Return whether upstream's own script would find the answers, too.

    It searches the rendered text for the answers and expects exactly one place each, so it stops with an
    `AssertionError` at a question that ends like an answer.
    """
    answers = [answer for _, answer in parts]
    whole = "".join(prompt + answer for prompt, answer in parts)
    if all(whole.count(answer) == 1 for answer in answers):
        return True
    found = re.split("|".join(map(re.escape, answers)), whole)
    return [text for text in found if text] == [prompt for prompt, _ in parts if prompt]


def tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    """Jinja's own `tojson` escapes HTML; chat templates mean plain JSON."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def raise_exception(message: str) -> NoReturn:
    """What templates call to refuse a conversation."""
    raise jinja2.TemplateError(message)


def load_chat_template(folder: Path) -> ChatTemplate | None:
    """Return the template of a model folder, wherever it keeps it; None where it has none."""
    config = read_config(folder / "tokenizer_config.json")
    try:
        text = template_text(folder)
    except TemplateFileError as error:
        raise BadInput(str(error)) from error
    if not text:
        return None
    tokens = {name: token_text(config[name]) for name in SPECIAL_TOKENS if config.get(name) is not None}
    try:
        return ChatTemplate(text, tokens)
    except jinja2.TemplateSyntaxError as error:
        raise BadInput(
            say(
                "The chat template of {folder} cannot be read: {message} (line {line}).",
                folder=folder,
                message=error.message,
                line=error.lineno,
            )
        ) from error


def read_config(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; an absent file is an empty one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadInput(
            say("{path} cannot be read: {error}.", path=path, error=error),
            remedy=say("Fetch the model again."),
        ) from error
    return found if isinstance(found, dict) else {}


def token_text(value: Any) -> str:
    """Return a special token's text, which is stored as text or as a record with `content`."""
    return str(value["content"]) if isinstance(value, dict) else str(value)
