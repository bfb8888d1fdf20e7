"""What people type becomes the model they mean, and what was assumed is said."""

from __future__ import annotations

import pytest

from planner.errors import BadInput
from planner.model_catalogue import find_model, models, rows
from planner.model_names import interpret, named_in, unknown

TYPED = [
    ("qwen2.5 7b", "qwen2.5-7b-instruct"),
    ("Qwen/Qwen2.5-7B", "qwen2.5-7b-base"),
    ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b-instruct"),
    ("Qwen2.5-7B-Instruct", "qwen2.5-7b-instruct"),
    ("qwen2.5-7b base", "qwen2.5-7b-base"),
    ("qwen 7b", "qwen2.5-7b-instruct"),
    ("Qwen 7B chat", "qwen1-7b-chat"),
    ("Qwen/Qwen-7B", "qwen1-7b-base"),
    ("qwen 1.8b", "qwen1-1.8b-chat"),
    ("meta-llama/Llama-2-7b", "llama-2-7b-base"),
    ("meta-llama/Meta-Llama-3.1-8B-Instruct", "llama-3.1-8b-instruct"),
    ("facebook/llama-7b", "llama-1-7b"),
    ("codellama 34b", "codellama-34b-instruct-hf"),
    ("yi 6b chat", "yi-6b-chat"),
    ("gpt oss 20b", "gpt-oss-20b"),
    ("mistral 24b", "mistral-small-24b-instruct-2501"),
    ("Qwen-7B-Chat", "qwen1-7b-chat"),
    ("qwen 14b", "qwen3-14b"),
    ("qwen 32b", "qwen3-32b"),
    ("qwen 72b", "qwen2.5-72b-instruct"),
    ("qwen2 7b", "qwen2-7b-instruct"),
    ("qwen3 8b", "qwen3-8b"),
    ("qwen3 8b base", "qwen3-8b-base"),
    ("qwen3 30b", "qwen3-30b-a3b"),
    ("qwen3-235b", "qwen3-235b-a22b"),
    ("qwen coder 7b", "qwen2.5-coder-7b-instruct"),
    ("qwen math", "qwen2.5-math-7b-instruct"),
    ("llama3 8b", "llama-3-8b-instruct"),
    ("Meta-Llama-3-8B", "llama-3-8b-instruct"),
    ("meta-llama/Meta-Llama-3-8B", "llama-3-8b-base"),
    ("llama 8b", "llama-3.1-8b-instruct"),
    ("llama 3.1 8b", "llama-3.1-8b-instruct"),
    ("llama 70b", "llama-3.3-70b-instruct"),
    ("llama 3.3", "llama-3.3-70b-instruct"),
    ("llama2 7b", "llama-2-7b-chat-hf"),
    ("llama-2-7b-hf", "llama-2-7b-base"),
    ("llama 405b", "llama-3.1-405b-instruct"),
    ("llama 3.2 1b base", "llama-3.2-1b-base"),
    ("tinyllama", "tinyllama-1.1b-chat"),
    ("mistral 7b", "mistral-7b-instruct-v0.3"),
    ("mistral 7b v0.1", "mistral-7b-instruct-v0.1"),
    ("mistral nemo", "mistral-nemo-instruct-2407"),
    ("mixtral 8x7b", "mixtral-8x7b-instruct-v0.1"),
    ("gemma 2b", "gemma-2b-it"),
    ("gemma2 9b", "gemma-2-9b-it"),
    ("gemma 3 1b it", "gemma-3-1b-it"),
    ("google/gemma-3-1b-pt", "gemma-3-1b-base"),
    ("deepseek v3", "deepseek-v3"),
    ("deepseek-v3-base", "deepseek-v3-base"),
    ("deepseek v2 lite", "deepseek-v2-lite-chat"),
    ("deepseek r1", "deepseek-r1"),
    ("deepseek r1 7b", "deepseek-r1-distill-qwen-7b"),
    ("r1 distill llama 70b", "deepseek-r1-distill-llama-70b"),
    ("ernie 4.5 0.3b", "ernie-4.5-0.3b"),
    ("ernie 21b", "ernie-4.5-21b-a3b"),
    ("baidu/ERNIE-4.5-21B-A3B-PT", "ernie-4.5-21b-a3b"),
    ("chatglm3", "chatglm3-6b"),
    ("chatglm2-6b", "chatglm2-6b"),
    ("glm4 9b", "glm-4-9b-chat"),
    ("glm 4.5 air", "glm-4.5-air"),
    ("glm-4.5", "glm-4.5"),
    ("baichuan 13b", "baichuan2-13b-chat"),
    ("baichuan2 7b base", "baichuan2-7b-base"),
    ("bloom 7b", "bloomz-7b1"),
    ("bigscience/bloom-560m", "bloom-560m-base"),
    ("opt 6.7b", "opt-6.7b"),
    ("gpt2", "gpt2"),
    ("yuan2 2b", "yuan2-2b"),
    ("phi 4", "phi-4"),
    ("phi-3.5 mini", "phi-3.5-mini-instruct"),
    ("SMOLLM2", "smollm2-135m-instruct"),
    ("smollm 360m", "smollm2-360m-instruct"),
    ("smollm3", "smollm3-3b"),
    ("pythia 6.9b", "pythia-6.9b"),
    ("stablelm 1.6b", "stablelm-2-1_6b-chat"),
    ("falcon 7b instruct", "falcon-7b-instruct"),
    ("santacoder", "santacoder-1.1b"),
]


@pytest.mark.parametrize(("typed", "expected"), TYPED)
def test_what_people_type_is_understood(typed: str, expected: str) -> None:
    match = interpret(typed)
    assert match is not None and match.entry.name == expected


def test_an_assumption_is_said_and_a_full_name_needs_none() -> None:
    loose = interpret("qwen 7b")
    assert loose is not None
    for part in ("newest of that size", "qwen2-7b", "qwen2.5-7b-instruct", "qwen2.5-7b-base"):
        assert part in loose.because
    for exact in ("Qwen/Qwen2.5-7B", "qwen2.5-7b-instruct", "deepseek-v3", "gpt2"):
        match = interpret(exact)
        assert match is not None and match.because == ""


def test_plain_text_training_prefers_the_base() -> None:
    match = interpret("qwen2.5 7b", prefer="base")
    assert match is not None and match.entry.name == "qwen2.5-7b-base"
    assert "plain text would undo" in match.because
    named = interpret("qwen2.5-7b-instruct", prefer="base")
    assert named is not None and named.entry.chat


def test_asking_for_weights_that_are_not_there_is_said() -> None:
    match = interpret("phi 4 base")
    assert match is not None and match.entry.name == "phi-4"
    assert "only instruction-tuned" in match.because


@pytest.mark.parametrize(
    ("typed", "candidates"),
    [
        ("mixtral", ["mixtral-8x7b-v0.1", "mixtral-8x22b-v0.1"]),
        ("llama 3", ["llama-3-8b", "llama-3-70b"]),
        ("deepseek", ["deepseek-v2", "deepseek-v3", "deepseek-r1"]),
        ("phi3", ["phi-3-mini", "phi-3-medium"]),
        ("qwen", ["more", "qwen2.5-0.5b"]),
    ],
)
def test_an_ambiguous_name_lists_the_candidates(typed: str, candidates: list[str]) -> None:
    with pytest.raises(BadInput) as refusal:
        interpret(typed)
    for candidate in candidates:
        assert candidate in refusal.value.sentence()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("qwn2.5 7b", "qwen2.5-7b"),
        ("smollm2-135m-instrukt", "smollm2-135m-instruct"),
        ("lama-3-8b", "llama-3-8b"),
    ],
)
def test_a_near_miss_is_answered_with_the_nearest_name(typed: str, meant: str) -> None:
    assert interpret(typed) is None
    assert f"Did you mean `{meant}`?" in unknown(typed).sentence()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/root/models/Qwen/Qwen3-30B-A3B/", "qwen3-30b-a3b"),
        ("./zai-org/GLM-4.5-Air", "glm-4.5-air"),
        ("C:\\models\\DeepSeek-V3", "deepseek-v3"),
        ("./checkpoints/sft_ckpts", None),
        ("/", None),
    ],
)
def test_a_path_of_another_machine_may_name_a_model(path: str, expected: str | None) -> None:
    found = named_in(path)
    assert (found.name if found else None) == expected


def test_a_size_alone_names_nothing() -> None:
    assert interpret("7b") is None and interpret("14B") is None


def test_a_hub_name_that_is_not_in_the_catalogue_is_left_to_the_hub() -> None:
    assert interpret("someone/qwen2.5-7b-finetuned") is None


def test_every_name_alias_and_row_means_itself() -> None:
    for entry in models().values():
        for name in (entry.name, *entry.aliases):
            match = interpret(name)
            assert match is not None and match.entry.name == entry.name, name
            found = find_model(name)
            assert found is not None and found.name == entry.name, name
    for row in rows():
        match = interpret(row)
        assert match is not None and match.entry.row == row
