"""A command of another server is offered with what the folder lacks for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.solve import make_plan
from planner.wishes import Wishes
from runtime.stages.handing_over import commands
from runtime.stages.servable import servers, why_not
from tests.planner.scenes import facts, plan
from tests.tiny_model import write_tiny_llama


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_llama(tmp_path / "model")


def test_a_whole_folder_is_served(folder: Path) -> None:
    assert why_not(folder, "vllm") == ""
    assert "not known to load LlamaForCausalLM" in why_not(folder, "fastdeploy")
    assert why_not(write_tiny_llama(folder.parent / "qwen", model_type="qwen2"), "fastdeploy") == ""


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    assert name in why_not(folder, "vllm")


def test_a_missing_shard_is_named(folder: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-00001-of-00002.safetensors").touch()
    assert "model-00002-of-00002" in why_not(folder, "vllm")


def test_without_a_chat_template_there_are_no_chats(folder: Path) -> None:
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    template = settings.pop("chat_template")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert "no chat template" in why_not(folder, "vllm")
    (folder / "chat_template.jinja").write_text(template)
    assert why_not(folder, "vllm") == ""


def test_the_report_says_what_is_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    told = {command.split()[0]: what for what, command in commands(plan(), str(folder))}
    assert "But: The weight file model.safetensors is missing." in told["vllm"]


def test_fastdeploy_is_offered_where_it_loads_the_model_or_was_asked_for(folder: Path) -> None:
    def offered(model: Path, **wishes: Any) -> dict[str, str]:
        found = commands(make_plan(facts(), Wishes(**wishes), alternatives=False), str(model))
        return {
            "fastdeploy" if " fastdeploy." in command else command.split()[0]: what for what, command in found
        }

    qwen = write_tiny_llama(folder.parent / "qwen", model_type="qwen2")
    assert "fastdeploy" not in offered(folder) and "vllm" in offered(folder)
    assert {"vllm", "fastdeploy"} <= offered(qwen).keys() and "But" not in offered(qwen)["fastdeploy"]
    asked = offered(folder, target="fastdeploy")
    assert next(iter(asked)) == "fastdeploy", "what was asked for comes first"
    assert "FastDeploy is not known to load LlamaForCausalLM" in asked["fastdeploy"]


def test_every_server_has_a_source() -> None:
    assert all(row.source and row.architectures for row in servers().values())
