"""The result of a run in few bits, by PaddleSlim: written, read again, measured, and told in the report."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from planner.errors import BadInput, StageFailed
from planner.render import train_config
from runtime.engines.extras import extra_folder, find_extra
from runtime.events import State
from runtime.one_worker import run_worker
from runtime.paths import write_atomically
from runtime.quantisation import before_and_after, prepare, quantisation_plan
from runtime.run import commit, journal
from runtime.run.layout import RunFolder
from runtime.run.resume import decide, histories
from runtime.run.status import read_status
from runtime.run.task import Committed, build_table
from runtime.stages import report
from runtime.stages.report_again import refresh
from runtime.stages.report_quantised import accuracy_file
from tests.planner.scenes import plan
from tests.runtime.finished_run import engine_home, finished_run
from tests.runtime.results_setup import LEARNT, Trained, events_of, run_lab
from tui.command_line import main

LAB = Path(__file__).parent / "after_lab.py"
METHODS = ("weight_only_int8", "weight_only_int4", "gptq", "awq", "a8w8")
PROMPTS = [[1, 20, 30, 40, 50, 60, 70, 80], [1, 20, 90, 7, 9], [5, 100, 110]]


@pytest.fixture(scope="module")
def results(
    trained: dict[str, Trained],
    taught: Trained,
    engine_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the worker gave by method, and what it refused."""
    root = tmp_path_factory.mktemp("quantise")
    rows = [{"src": "Who are you?\nAnd why?", "tgt": LEARNT}, {"src": "Hi", "tgt": LEARNT}]
    for name in ("train.json", "dev.json"):
        (root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    slim = str(extra_folder(engine_python, "paddleslim"))

    def spec(method: str, name: str = "", model: Trained | None = None, **more: Any) -> dict[str, Any]:
        values = {
            "stage": "quantise",
            "stage_folder": str(root / "stages" / (name or method)),
            "base": str((model or taught).base),
            "model": str(model.hf if model else taught.root / "taught"),
            "data": str(root),
            "method": method,
            "rows": 8,
            "src_length": 64,
            "max_length": 128,
            "paddleslim": slim,
            "destination": str(root / "models" / (name or method)),
            "accuracy": str(root / f"{name or method}.json"),
            **more,
        }
        return {"do": "quantise", "spec": values}

    (root / "models").mkdir()
    (root / "empty").mkdir()
    (root / "empty" / "dev.json").write_text("\n")
    qwen, mistral = trained["qwen2-untied"], trained["mistral-untied"]
    folder = root / "models"
    steps = {method: spec(method) for method in METHODS}
    steps |= {
        "qwen2 a8w8": spec("a8w8", "qwen2 a8w8", qwen),
        "qwen2 gptq": spec("gptq", "qwen2 gptq", qwen),
        "mistral awq": spec("awq", "mistral awq", mistral),
        "no answers": spec("weight_only_int8", "no answers", data=str(root / "empty")),
        "too much": spec("weight_only_int8", "too much", max_loss=0.0),
        "adapter": spec("awq", "adapter"),
        "broken": {**spec("a8w8", "broken"), "do": "broken_reload"},
        "int8 scales": {"do": "scales", "folder": str(folder / "weight_only_int8")},
        "int4 scales": {"do": "scales", "folder": str(folder / "weight_only_int4")},
        "rounding": {
            "do": "plain_rounding",
            "folder": str(folder / "weight_only_int4"),
            "model": str(taught.root / "taught"),
        },
        "smoothing": {"do": "smoothing", "model": str(qwen.hf), "slim": slim, "rows": PROMPTS},
    }
    steps["adapter"]["spec"]["model"] = str(trained["llama-tied"].adapter)
    found = run_lab(engine_python, root / "lab", list(steps.values()), LAB)
    return {"folder": root, **dict(zip(steps, found, strict=True))}


def figures(results: dict[str, Any], name: str) -> dict[str, Any]:
    assert "gave" in results[name], results[name]
    found: dict[str, Any] = results[name]["gave"][1]
    return found


@pytest.mark.engine
@pytest.mark.parametrize("name", [*METHODS, "qwen2 a8w8", "qwen2 gptq"])
def test_what_was_written_is_what_was_quantised(name: str, results: dict[str, Any]) -> None:
    """The reader uses nothing of PaddleSlim."""
    found = figures(results, name)
    proofs = {event["name"]: event for event in events_of(results["folder"] / "stages" / name, "proof")}
    assert set(proofs) == {"quantise.reload", "quantise.loss"} and all(p["passed"] for p in proofs.values())
    assert found["mean_logit_difference"] < 1e-5
    assert found["layers"] == 14, "two blocks of seven linear layers"


@pytest.mark.engine
def test_more_bits_cost_less_and_correction_helps(results: dict[str, Any]) -> None:
    found = {method: figures(results, method) for method in METHODS}
    assert len({one["loss_before"] for one in found.values()}) == 1
    assert found["a8w8"]["loss_before"] < 1.0, "the model has learnt its answer"
    lost = {method: abs(one["loss_after"] - one["loss_before"]) for method, one in found.items()}
    assert 0 < lost["weight_only_int8"] < lost["gptq"] < lost["weight_only_int4"], lost
    assert 0 < lost["a8w8"] < 0.05 and lost["awq"] < 0.1, lost
    assert all(one["same_best_token"] == 1.0 for one in found.values())
    for method in METHODS:
        assert json.loads((results["folder"] / f"{method}.json").read_text()) == found[method]


@pytest.mark.engine
def test_the_folder_is_the_one_that_upstreams_predictor_reads(results: dict[str, Any]) -> None:
    """Names: paddlenlp 3.0.0b4, experimental/transformers/llama/ptq_scales_map_shift_smooth.json."""
    folder = results["folder"] / "models" / "a8w8"
    acts, weights = (json.loads((folder / f"{name}_scales.json").read_text()) for name in ("act", "weight"))
    for layer in ("self_attn.q_proj", "self_attn.o_proj.layer", "mlp.gate_proj", "mlp.down_proj.layer"):
        assert acts[f"llama.layers.1.{layer}.activation_quanter"] > 0
        assert len(weights[f"llama.layers.1.{layer}.weight_quanter"]) in (64, 128)
    chosen = json.loads((folder / "config.json").read_text())["quantization_config"]
    assert chosen == {"quant_type": "a8w8", "shift": True, "smooth": True, "shift_smooth_all_linears": True}
    other = json.loads((folder.parent / "gptq" / "config.json").read_text())["quantization_config"]
    assert (other["quant_type"], other["smooth"]) == ("weight_only_int4", False)
    how = json.loads((folder / "quantised.json").read_text())
    assert how["made_with"]["paddleslim"] == "2.6.0" and how["calibration_rows"] == 2
    assert (folder / "tokenizer.json").is_file() and not (folder / "quantization.json").exists()


@pytest.mark.engine
def test_paddles_kernels_find_the_same_whole_numbers_again(results: dict[str, Any]) -> None:
    assert results["int8 scales"]["apart"] < 2e-3 and results["int4 scales"]["apart"] < 2e-3
    assert figures(results, "weight_only_int4")["scales_found_again"] == 1.0
    assert 0.9 < figures(results, "gptq")["scales_found_again"] < 1.0


@pytest.mark.engine
def test_rounding_is_done_by_the_book_and_smoothing_changes_nothing(results: dict[str, Any]) -> None:
    assert results["rounding"] == {"layers": 14, "apart": pytest.approx(0.0, abs=1e-6)}
    assert results["smoothing"]["shift"] < 1e-4 and results["smoothing"]["smooth"] < 1e-4


@pytest.mark.engine
def test_what_cannot_be_quantised_is_refused_in_words_and_leaves_nothing(results: dict[str, Any]) -> None:
    for name, words in {
        "mistral awq": "mistral models have no recipe for smoothing",
        "no answers": "no row with an answer",
        "adapter": "Only a merged model",
        "too much": "--max-loss allows 0.0000",
        "broken": "do not give the model that was quantised",
    }.items():
        assert words in results[name]["refused"], results[name]
        assert not list((results["folder"] / "models").glob(f"*{name}*"))


def test_without_paddleslim_the_command_that_installs_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="PaddleSlim is not installed") as caught:
        find_extra(tmp_path / "bin" / "python", "paddleslim")
    assert "steersman engines install paddlenlp" in caught.value.remedy


COST = {
    "method": "gptq",
    "bits": 4,
    "rows": 8,
    "loss_before": 1.5,
    "loss_after": 1.6,
    "perplexity_before": 4.48,
    "perplexity_after": 4.95,
    "accuracy_before": 0.71,
    "accuracy_after": 0.69,
    "same_best_token": 0.93,
    "bytes": 2**20,
}


def test_the_cost_goes_into_the_report_which_stays_proven(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    run = finished_run(tmp_path / "run", {"merge": ("model", tmp_path / "model")})
    assert not refresh(run), "there is no report yet"
    commit_report(run)
    assert "GPTQ" not in (run.root / "report.html").read_text()
    write_atomically(accuracy_file(run, "gptq"), json.dumps(COST))
    assert refresh(run)
    for path in (run.root / "report.html", run.stage("report").root / "report.md"):
        text = path.read_text()
        assert "GPTQ" in text and "1.5000 → 1.6000" in text and "71.0% → 69.0%" in text
    known = histories(journal.read(run.journal))
    task = build_table(run).task("report", proven_of(run))
    assert decide(task, run, known["report"]).action == "skip"
    assert read_status(run).state == "finished"
    assert "perplexity 4.48 → 4.95" in before_and_after(COST)


def proven_of(run: RunFolder) -> dict[str, Committed]:
    """Return what is proven."""
    past = histories(journal.read(run.journal))
    return {name: commit.committed(one.committed, run) for name, one in past.items() if one.committed}


def commit_report(run: RunFolder) -> None:
    """Do the stage report and end the run, as the supervisor does."""
    task = build_table(run).task("report", proven_of(run))
    run.stage("report").root.mkdir(parents=True)
    report.write(task.spec)
    writer = journal.Journal(run.journal)
    writer.append(
        commit.commit(task, run, [], 1.0, time.time()), State(t=time.time(), stage="", state="finished")
    )
    writer.close()


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("weight_only_int8", {"do_ptq": True, "quant_type": "weight_only_int8"}),
        ("a8w8", {"do_ptq": True, "quant_type": "a8w8", "shift": True, "smooth": True}),
        ("gptq", {"do_gptq": True}),
        ("awq", {"do_ptq": True, "do_awq": True, "quant_type": "weight_only_int4"}),
    ],
)
def test_upstreams_config_is_written_for_every_method(method: str, expected: dict[str, Any]) -> None:
    text = train_config(quantisation_plan(plan(), method), model="m", data="d", output_dir="o")
    config = json.loads(text)
    assert {key: config.get(key) for key in expected} == expected


@pytest.mark.engine
@pytest.mark.slow
def test_the_command_quantises_a_run_and_adds_to_its_report(
    taught: Trained, engine_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(engine_home(tmp_path / "home", engine_python)))
    data = tmp_path / "data"
    data.mkdir()
    for name in ("train.json", "dev.json"):
        (data / name).write_text(json.dumps({"src": "Who are you?\nAnd why?", "tgt": LEARNT}) + "\n")
    outputs = {
        "convert": ("model", taught.base),
        "prepare": ("data", data),
        "merge": ("model", taught.root / "taught"),
    }
    run = finished_run(tmp_path / "run", outputs)
    commit_report(run)
    assert main(["quantise", str(run.root), "--method", "ptq"]) == 0
    said = capsys.readouterr().out
    assert "A8W8: loss on 1 held-out rows" in said and "report.html" in said
    assert (run.root / "quantise" / "a8w8" / "act_scales.json").is_file()
    assert (run.root / "quantise" / "quantization.json").is_file()
    assert "A8W8" in (run.root / "report.html").read_text()

    must_fall = prepare(run, "weight_only_int4", rows=1, max_loss=-10.0)
    with pytest.raises(StageFailed, match="--max-loss allows"):
        run_worker("quantise", must_fall.spec, lambda *_: None, must_fall.python)
    assert not (run.root / "quantise" / "weight_only_int4").exists()
