"""Tool calls through a chat template: the plain row gives the very text that the template makes of the
tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.data.chat_template import ChatTemplate, parts_of
from runtime.data.conversation import Conversation, Message
from runtime.data.scan import Scan, scan
from runtime.data.tools import calls_of, function_form, with_tools
from tests.runtime.data_files import write_rows
from tests.tiny_model import CHAT_TEMPLATE, write_tokenizer

TOOL = {"name": "weather", "description": "Tells it.", "parameters": {"type": "object", "properties": {}}}
HERMES = """
{%- set opening = messages[0].content if messages[0].role == 'system' else 'Be kind.' %}
{{- '<|im_start|>system\\n' + opening }}
{%- if tools %}
{{- '\\n\\n# Tools\\n' }}
{%- for tool in tools %}{{- tool | tojson + '\\n' }}{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'assistant' and not message.tool_calls) %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant' }}
{%- if message.content %}{{- '\\n' + message.content }}{%- endif %}
{%- for call in message.tool_calls %}
{{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}
{%- if loop.previtem.role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- if loop.last or loop.nextitem.role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
OWN_ROLE = HERMES.replace("'<|im_start|>user'", "'<|im_start|>tool'")
"""A template whose tools answer in a role of their own, which no plain row can say."""

CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"where": "Rom"}'}}
OPENAI = {
    "messages": [
        {"role": "user", "content": "Weather in Rom?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
        {"role": "assistant", "content": "It is sunny."},
        {"role": "user", "content": "Thanks"},
        {"role": "assistant", "content": "Welcome."},
    ],
    "tools": [{"type": "function", "function": TOOL}],
}
SHAREGPT = {
    "conversations": [
        {"from": "human", "value": "Weather in Rom?"},
        {"from": "function_call", "value": '{"name": "weather", "arguments": {"where": "Rom"}}'},
        {"from": "observation", "value": "sunny"},
        {"from": "gpt", "value": "It is sunny."},
        {"from": "human", "value": "Thanks"},
        {"from": "gpt", "value": "Welcome."},
    ],
    "tools": json.dumps([TOOL]),
}
SPOKEN = [
    *OPENAI["messages"][:1],
    {"role": "assistant", "content": "", "tool_calls": [
        {"type": "function", "function": {"name": "weather", "arguments": {"where": "Rom"}}}]},
    *OPENAI["messages"][2:],
]  # fmt: skip


def model_with(template: str, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    write_tokenizer(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": template}))
    return folder


def read(row: dict[str, Any], template: str, folder: Path) -> tuple[Scan, Conversation]:
    found: list[Conversation] = []
    path = write_rows(folder / "data.jsonl", [row])
    scanned = scan(str(path), model_with(template, folder / "model"), dev_fraction=0,
                   sink=lambda role, value, conversation: found.append(conversation))  # fmt: skip
    return scanned, found[0]


@pytest.mark.parametrize("row", [OPENAI, SHAREGPT], ids=["openai", "sharegpt"])
def test_the_templates_own_text_is_trained_on(row: dict[str, Any], tmp_path: Path) -> None:
    scanned, conversation = read(row, HERMES, tmp_path)
    template = ChatTemplate(HERMES, {})
    expected = parts_of(template, SPOKEN, [{"type": "function", "function": TOOL}])
    assert template.parts(conversation) == expected
    assert list(scanned.samples[0].parts) == expected
    assert conversation.pairs[0][1] == (
        '<tool_call>\n{"name": "weather", "arguments": {"where": "Rom"}}\n</tool_call>'
    )
    assert "# Tools" in conversation.system
    assert conversation.system.startswith("Be kind.")
    assert {"role.tool", "field.ignored"}.isdisjoint(scanned.finding_counts)


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, OWN_ROLE], ids=["no tools", "a role of its own"])
def test_other_templates_train_on_plain_text_and_say_so(template: str, tmp_path: Path) -> None:
    scanned, conversation = read(OPENAI, template, tmp_path)
    assert scanned.finding_counts["role.tool"] == 1
    assert scanned.finding_counts["field.ignored"] == 1
    assert conversation.pairs[0][1] == json.dumps([CALL], ensure_ascii=False)
    assert conversation.pairs[1] == ("sunny", "It is sunny.")


def test_several_calls_and_results_at_once() -> None:
    calls = json.dumps([{"name": "weather", "arguments": {"where": place}} for place in ("Rom", "Ulm")])
    messages = [
        Message("system", "Sys", ""),
        Message("user", "Weather?", ""),
        Message("assistant", "I look.", "", calls),
        Message("user", "sunny", "", result=True),
        Message("user", "rain", "", result=True),
        Message("assistant", "Sun and rain.", ""),
    ]
    found = with_tools(messages, [TOOL], ChatTemplate(HERMES, {}))
    assert found is not None
    assert found.pairs[1][0] == (
        "<tool_response>\nsunny\n</tool_response>\n<tool_response>\nrain\n</tool_response>"
    )
    assert found.pairs[0][1].startswith("I look.\n<tool_call>")


def test_calls_in_every_spelling() -> None:
    plain = {"name": "f", "arguments": {"a": 1}}
    assert calls_of(json.dumps(plain)) == [plain]
    assert calls_of(json.dumps([{"function": {"name": "f", "arguments": '{"a": 1}'}}])) == [plain]
    assert calls_of("look it up") is None
    assert calls_of('{"arguments": {}}') is None
    assert function_form([TOOL]) == function_form(function_form([TOOL]))
