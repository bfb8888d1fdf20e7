"""Stage export: a static graph that answers like the dynamic model, and is refused when it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.finished_run import engine_home, finished_run
from tests.runtime.results_setup import CHATS, LEARNT, PROJECT, Trained, events_of, run_lab
from tests.runtime.test_serving import Served
from tui.command_line import main

pytestmark = pytest.mark.engine

LAB = Path(__file__).parent / "after_lab.py"
PROMPTS = [[1, 20, 30, 40, 50, 60, 70, 80], [1, 20, 90], [5], [1, 100, 110, 120, 130]]
SAMPLING = {"max_new_tokens": 30, "temperature": 0.8, "top_p": 0.9, "seed": 7}
ROWS = [{"row": number, "messages": chat} for number, chat in enumerate(CHATS, start=1)]


@pytest.fixture(scope="module")
def results(
    trained: dict[str, Trained],
    taught: Trained,
    engine_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """Every experiment's result, and the folder of each under `folder`."""
    root = tmp_path_factory.mktemp("export")
    qwen, mistral = trained["qwen2-untied"], trained["mistral-untied"]

    def export(name: str, base: Path, model: Path, wrong: str = "") -> dict[str, Any]:
        spec = {
            "stage": "export",
            "stage_folder": str(root / name),
            "base": str(base),
            "model": str(model),
            "destination": str(root / name / "static"),
            "tolerance": 1e-4,
        }
        return {"do": "export", "spec": spec, "wrong": wrong}

    def predict(which: str, model: Path, base: Path = taught.base, **more: Any) -> dict[str, Any]:
        spec = {"base": str(base), "model": str(model), "which": which}
        return {"do": "predict", "spec": spec, "rows": ROWS, "tokens": 30, **more}

    def talk(**more: Any) -> dict[str, Any]:
        spec = {"base": str(taught.base), "model": str(taught.root / "taught"), **more}
        return {"do": "talk", "spec": spec, "messages": CHATS[0], **SAMPLING}

    llama = trained["llama-tied"]
    static = root / "llama" / "static"
    long = [*ROWS, {"row": 4, "messages": [{"role": "user", "content": "a" * 600}]}]
    steps: dict[str, dict[str, Any]] = {
        "llama": export("llama", taught.base, taught.root / "taught"),
        "qwen2": export("qwen2", qwen.base, qwen.hf),
        "unscaled": export("unscaled", taught.base, taught.root / "taught", "unscaled"),
        "sees padding": export("sees padding", taught.base, taught.root / "taught", "sees padding"),
        "mistral": export("mistral", mistral.base, mistral.hf),
        "adapter": export("adapter", llama.base, llama.adapter),
        "twice": {"do": "static_twice", "folder": str(static), "prompts": PROMPTS},
        "tuned rows": predict("tuned", taught.root / "taught", rows=long),
        "static rows": predict("static", static),
        "adapter rows": predict("adapter", llama.adapter, llama.base, tokens=8),
        "base rows": predict("base", llama.base, llama.base, tokens=8),
        "dynamic talk": talk(),
        "static talk": talk(static=str(static)),
        "no numbers": {"do": "tolerance", "spec": {"stage_folder": str(root / "no numbers")}},
    }
    found = run_lab(engine_python, root / "lab", list(steps.values()), LAB)
    return {"folder": root, **dict(zip(steps, found, strict=True))}


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_a_static_graph_answers_like_the_dynamic_model(kind: str, results: dict[str, Any]) -> None:
    outputs, figures = results[kind]["gave"]
    proofs = {event["name"]: event for event in events_of(results["folder"] / kind, "proof")}
    assert set(proofs) == {"export.logits", "export.tokens"}
    assert all(proof["passed"] for proof in proofs.values())
    assert proofs["export.tokens"]["measured"]["identical"] == 6
    assert figures["max_logit_difference"] < 1e-5
    files = {path.name for path in Path(outputs["static"]).iterdir()}
    assert files >= {"step.json", "step.pdiparams", "static.json", "tokenizer.json", "answer.py", "README.md"}


@pytest.mark.parametrize("wrong", ["unscaled", "sees padding"])
def test_a_graph_that_answers_otherwise_is_not_handed_out(wrong: str, results: dict[str, Any]) -> None:
    assert "does not answer like the model" in results[wrong]["refused"]
    folder = results["folder"] / wrong
    assert not all(event["passed"] for event in events_of(folder, "proof"))
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_scores_that_are_no_numbers_prove_nothing(results: dict[str, Any]) -> None:
    assert "does not answer like the model" in results["no numbers"]["refused"]


def test_what_cannot_become_a_graph_is_refused_in_words(results: dict[str, Any]) -> None:
    assert "Models of type mistral cannot be exported" in results["mistral"]["refused"]
    assert "Only a merged model" in results["adapter"]["refused"]


def test_a_loaded_graph_can_be_used_again(results: dict[str, Any]) -> None:
    """The predictor writes the next results over the last ones, unless they were copied."""
    assert results["twice"]["same"]


def test_every_way_of_loading_answers_a_batch(results: dict[str, Any]) -> None:
    tuned, static = results["tuned rows"], results["static rows"]
    answers = {reply["row"]: reply for reply in tuned if reply["kind"] == "answer"}
    assert {row: reply["text"] for row, reply in answers.items()} == {1: LEARNT, 2: LEARNT, 3: LEARNT}
    assert all(reply["ended"] for reply in answers.values())
    assert {reply["row"]: reply for reply in static if reply["kind"] == "answer"} == answers
    assert tuned[-1] == {"kind": "end", "reason": "done"}
    texts = [
        [reply["text"] for reply in results[f"{which} rows"] if reply["kind"] == "answer"]
        for which in ("adapter", "base")
    ]
    assert texts[0] != texts[1]


def test_a_chat_hears_the_same_from_the_static_graph(results: dict[str, Any]) -> None:
    """Drawn by chance, too: the same seed draws the same tokens from equal scores."""
    dynamic, static = results["dynamic talk"], results["static talk"]
    assert not dynamic.pop("static") and static.pop("static")
    assert static == dynamic
    assert dynamic["tuned"]["text"] != dynamic["base"]["text"]


@pytest.mark.parametrize("command", [["serve-model"], ["chat", "--prompt", "Hi"]])
def test_without_an_export_the_command_that_makes_one_is_named(
    command: list[str],
    taught: Trained,
    engine_python: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(engine_home(tmp_path / "home", engine_python)))
    models = {"convert": ("model", taught.base), "merge": ("model", taught.root / "taught")}
    run = finished_run(tmp_path / "run", models)
    assert main([*command, "--static", str(run.root)]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "has no static graph yet" in told and f"steersman export {run.root}" in told


def test_a_row_that_does_not_fit_is_refused_alone(results: dict[str, Any]) -> None:
    refused = [reply for reply in results["tuned rows"] if reply["kind"] == "refused"]
    assert [reply["row"] for reply in refused] == [4]
    assert "512 positions" in refused[0]["what"]


@pytest.mark.slow
def test_the_folder_answers_by_itself(results: dict[str, Any], engine_python: Path, tmp_path: Path) -> None:
    """With Paddle, NumPy, tokenizers and jinja2 alone."""
    answer = results["folder"] / "llama" / "static" / "answer.py"
    question = CHATS[0][0]["content"]
    done = subprocess.run(
        [str(engine_python), str(answer), question, "30"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(LEARNT)


@pytest.mark.slow
def test_the_naive_way_cannot_trace_qwen2(
    trained: dict[str, Trained], engine_python: Path, tmp_path: Path
) -> None:
    """PaddleNLP's own `to_static` of the whole generation; our step of the same model is proven above."""
    step = {"do": "naive", "model": str(trained["qwen2-untied"].hf), "prompts": PROMPTS[:1], "tokens": 8}
    found = run_lab(engine_python, tmp_path, [{**step, "folder": str(tmp_path)}], LAB)[0]
    assert "bool" in found["error"] or found["naive"] != found["dynamic"]


@pytest.mark.slow
def test_the_command_exports_what_predict_then_uses(
    taught: Trained, engine_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(engine_home(tmp_path / "home", engine_python)))
    run = finished_run(
        tmp_path / "run", {"convert": ("model", taught.base), "merge": ("model", taught.root / "taught")}
    )
    (tmp_path / "data.jsonl").write_text(json.dumps({"messages": CHATS[0]}) + "\n")
    steersman = [sys.executable, "-m", "tui.command_line"]
    for arguments in (
        ["export", str(run.root)],
        ["export", str(run.root)],
        ["predict", str(run.root), "--static", "--data", "data.jsonl", "--out", "answers.jsonl"],
    ):
        command = [*steersman, *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "answers.jsonl").read_text())["answer"] == LEARNT
    assert not list((tmp_path / "run" / "export").glob(".*"))
    server = Served(tmp_path / "home", run.root, "--static")
    try:
        assert server.chat()[1]["choices"][0]["message"]["content"] == LEARNT
    finally:
        server.process.terminate()
        assert server.process.wait(30) == 0


def test_the_facts_of_a_graph_are_the_models(results: dict[str, Any]) -> None:
    facts = json.loads((results["folder"] / "qwen2" / "static" / "static.json").read_text())
    assert (facts["layers"], facts["heads"], facts["width"]) == (2, 2, 16)
    assert 2 in facts["end_tokens"]
