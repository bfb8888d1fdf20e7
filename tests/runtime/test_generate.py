"""Stage generate: batches answer like single prompts, answers end where the template ends them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.results_setup import CHATS, LEARNT, Trained, events_of, run_lab, run_worker
from tests.tiny_model import SPECIALS

pytestmark = pytest.mark.engine

PROMPTS = [[1, 20, 30, 40, 50, 60, 70, 80], [1, 20, 90], [5], [1, 100, 110, 120, 130]]
GB = 10**9
PLACES: dict[str, tuple[tuple[Any, ...], list[str] | None]] = {
    # weights, numbers on a device, bytes free there, bytes free on the host -> where, and in which numbers
    "7B in bf16 on 24 GB": ((7.6e9, "bfloat16", 24 * GB, 64 * GB), ["gpu", "bfloat16"]),
    "7B in float32 not on 24 GB": ((7.6e9, "float32", 24 * GB, 64 * GB), ["cpu", "float32"]),
    "14B in bf16 not on 24 GB": ((14.7e9, "bfloat16", 24 * GB, 128 * GB), ["cpu", "float32"]),
    "72B on a host with room": ((72e9, "bfloat16", 80 * GB, 512 * GB), ["cpu", "float32"]),
    "72B nowhere": ((72e9, "bfloat16", 80 * GB, 256 * GB), None),
    "no device": ((7.6e9, "bfloat16", None, 64 * GB), ["cpu", "float32"]),
}
END = SPECIALS.index("<|im_end|>")


def chat_of(letters: int) -> list[dict[str, str]]:
    """A question of so many tokens: the tiny tokenizer knows letters only."""
    return [{"role": "user", "content": "a" * letters}]


@pytest.fixture(scope="module")
def results(
    trained: dict[str, Trained], engine_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Every experiment's result, and the folder of each under `folder`."""
    root = tmp_path_factory.mktemp("generate")
    llama, qwen = trained["llama-tied"], trained["qwen2-untied"]

    def spec(name: str, **more: Any) -> dict[str, Any]:
        values = {
            "stage": "generate",
            "stage_folder": str(root / name),
            "base": str(llama.base),
            "model": str(llama.hf),
            "prompts": CHATS,
            "max_new_tokens": 12,
        }
        return {"do": "generate", "spec": {**values, **more}}

    steps: dict[str, dict[str, Any]] = {
        "decode llama": {"do": "decode", "base": str(llama.base), "prompts": PROMPTS, "tokens": 12},
        "decode qwen": {"do": "decode", "base": str(qwen.base), "prompts": PROMPTS, "tokens": 12},
        "ends": {"do": "ends", "base": str(llama.base), "prompt": PROMPTS[0], "tokens": 12},
        "prompting": {"do": "prompting", "base": str(llama.base), "chats": CHATS},
        "sampling": {"do": "sampling"},
        "never ends": spec("never ends", base=str(qwen.base), model=str(qwen.hf)),
        "some too long": spec(
            "some too long",
            prompts=[chat_of(500), *CHATS[:1], chat_of(450)],
            references=["a", "b", "c"],
            max_new_tokens=600,
            usual_answer_tokens=700,
        ),
        "too long": spec("too long", prompts=[chat_of(600)], max_new_tokens=600),
        "no prompts": spec("no prompts", prompts=[]),
        "no model": spec("no model", model=str(root)),
        "unanswerable": spec("unanswerable", prompts=[[{"role": "assistant", "content": "Hi"}]]),
        "places": {"do": "places", "cases": [case for case, _ in PLACES.values()]},
        "no room": spec("no room") | {"do": "no_room"},
    }
    found = run_lab(engine_python, root / "lab", list(steps.values()))
    return {"folder": root, **dict(zip(steps, found, strict=True))}


@pytest.mark.parametrize("family", ["llama", "qwen"])
def test_a_batch_answers_like_each_prompt_alone(family: str, results: dict[str, Any]) -> None:
    """And like running the whole sequence again for every token."""
    decoded = results[f"decode {family}"]
    assert decoded["together"] == decoded["alone"] == decoded["slow"]
    assert len(set(map(tuple, decoded["together"]))) > 1


@pytest.mark.parametrize("family", ["llama", "qwen"])
def test_the_naive_ways_answer_wrongly(family: str, results: dict[str, Any]) -> None:
    """Right padding, and left padding without a mask, give no error in PaddleNLP's own `generate`."""
    decoded = results[f"decode {family}"]
    assert decoded["right_padded"] != decoded["alone"]
    assert decoded["left_without_mask"] != decoded["alone"]


def test_an_answer_stops_at_its_own_end_token(results: dict[str, Any]) -> None:
    """Rows of one batch end independently; the end token is no part of the answer."""
    ends = results["ends"]
    for free, answer, ended in zip(ends["free"], ends["answers"], ends["ended"], strict=True):
        expected = free[: free.index(ends["end"])] if ends["end"] in free else free
        assert answer == expected
        assert ended == (ends["end"] in free)
    assert ends["ended"][0] and len(ends["answers"][0]) <= 4
    assert sorted(ends["order"]) == [0, 1]


def test_prompts_are_what_training_saw_before_the_answer(results: dict[str, Any]) -> None:
    """System prompt, line breaks between turns and the answer's header included."""
    prompting = results["prompting"]
    for prompt, trained in zip(prompting["prompts"], prompting["trained"], strict=True):
        assert trained[: len(prompt)] == prompt
        assert len(trained) > len(prompt)
    assert END in prompting["ends"]


def test_decoded_text_is_left_as_it_is(results: dict[str, Any]) -> None:
    assert "Who are you?\nAnd why?" in results["prompting"]["texts"][0]
    assert "<|im_start|>" not in results["prompting"]["texts"][0]


def test_sampling_follows_temperature_and_nucleus(results: dict[str, Any]) -> None:
    """Odds are 50, 30, 15 and 5 percent."""
    drawn = results["sampling"]
    assert set(drawn["greedy"]) == {0}
    free = Counter(drawn["free"])
    assert all(abs(free[token] / 4000 - odds) < 0.03 for token, odds in enumerate((0.5, 0.3, 0.15, 0.05)))
    assert set(drawn["nucleus"]) == {0, 1}
    assert set(drawn["narrow"]) == {0}
    assert min(Counter(drawn["hot"]).values()) > 800
    same, again, other = drawn["seeded"]
    assert same == again != other


def test_answers_that_never_end_fail_the_proof_and_are_kept(results: dict[str, Any]) -> None:
    """The tiny random model babbles until it is cut."""
    folder = results["folder"] / "never ends"
    assert "ends none of its 3 answers" in results["never ends"]["refused"]
    proof = events_of(folder, "proof")[0]
    assert not proof["passed"] and proof["measured"]["ended"] == 0
    samples = json.loads((folder / "samples.json").read_text())
    assert [sample["prompt"] for sample in samples] == CHATS
    assert all(sample["tuned"] and not sample["tuned_ended"] for sample in samples)
    assert [sample["tuned"] for sample in samples] == [sample["base"] for sample in samples]


def test_long_conversations_end_no_run(results: dict[str, Any]) -> None:
    """The limit gives way, then prompts; and answers that cannot end within the limit are no failure."""
    outputs, _ = results["some too long"]["gave"]
    samples = json.loads(Path(outputs["samples"]).read_text())
    assert [sample["reference"] for sample in samples] == ["b", "c"]
    assert not any(sample["tuned_ended"] for sample in samples)
    assert events_of(results["folder"] / "some too long", "proof")[0]["passed"]
    said = [event["message"] for event in events_of(results["folder"] / "some too long", "log")]
    assert any("1 of 3 prompts are not asked" in sentence for sentence in said)
    assert any("tokens instead of 600" in sentence for sentence in said)


def test_every_answer_is_a_step_of_progress(results: dict[str, Any]) -> None:
    progress = events_of(results["folder"] / "never ends", "progress")
    assert [event["done"] for event in progress] == [0, 1, 2, 3, 3, 4, 5, 6]
    assert {event["total"] for event in progress} == {6}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("too long", "no room for an answer in the 512 positions"),
        ("no prompts", "no prompt"),
        ("no model", "does not load"),
        ("unanswerable", "must end with a message"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(
    wrong: str, sentence: str, results: dict[str, Any]
) -> None:
    assert sentence in results[wrong]["refused"]


def test_the_worker_proves_a_model_that_has_learnt_to_answer(
    taught: Trained, engine_python: Path, tmp_path: Path
) -> None:
    """Base and tuned differ, the tuned one ends by itself, and the text is exactly what it was taught."""
    spec = {
        "stage": "generate",
        "stage_folder": str(tmp_path),
        "base": str(taught.base),
        "model": str(taught.root / "taught"),
        "prompts": CHATS,
        "max_new_tokens": 30,
    }
    done = run_worker(engine_python, spec)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((tmp_path / "result.json").read_text())
    samples = json.loads(Path(result["outputs"]["samples"]).read_text())
    assert [sample["tuned"] for sample in samples] == [LEARNT] * 3
    assert all(sample["tuned_ended"] for sample in samples)
    proof = events_of(tmp_path, "proof")[0]
    assert proof["passed"]
    assert proof["measured"]["differing"] == 3 and proof["measured"]["ended_share"] == 1.0
    assert result["figures"]["tokens_per_second"] > 0


@pytest.mark.parametrize("case", PLACES)
def test_a_model_answers_where_it_fits(case: str, results: dict[str, Any]) -> None:
    assert results["places"][list(PLACES).index(case)] == PLACES[case][1]


def test_a_model_that_fits_nowhere_leaves_the_run_whole(results: dict[str, Any]) -> None:
    """What was trained and merged is no worse for it: the stage says that nothing was asked, and why."""
    outputs, figures = results["no room"]["gave"]
    assert json.loads(Path(outputs["samples"]).read_text()) == [] and figures == {"asked": 0}
    proof = events_of(results["folder"] / "no room", "proof")[0]
    assert proof["name"] == "generate.answers" and proof["passed"]
    assert proof["measured"] == {"compared": "nothing"} and "GB are free" in proof["sentence"]


def test_an_empty_answer_fails_the_proof(taught: Trained, engine_python: Path, tmp_path: Path) -> None:
    """A model that ends at once was taught by empty answers."""
    spec = {
        "stage": "generate",
        "stage_folder": str(tmp_path),
        "base": str(taught.base),
        "model": str(taught.root / "silent"),
        "prompts": CHATS[:1],
        "max_new_tokens": 10,
    }
    done = run_worker(engine_python, spec)
    assert done.returncode == 1
    assert not events_of(tmp_path, "proof")[0]["passed"]
    assert "empty answer to 1 of 1" in events_of(tmp_path, "error")[0]["what"]
