"""What few bits cost: measured on a model that has learnt something; upstream's config for the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.render import train_config
from runtime.quantisation import before_and_after, quantisation_plan
from tests.planner.scenes import plan
from tests.runtime.results_setup import LEARNT, Trained, run_lab

LAB = Path(__file__).parent / "after_lab.py"
METHODS = ("weight_only_int8", "weight_only_int4", "a8w8")


@pytest.fixture(scope="module")
def results(taught: Trained, engine_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Figures by method, and what is refused."""
    root = tmp_path_factory.mktemp("quantise")
    rows = [{"src": "Who are you?\nAnd why?", "tgt": LEARNT}, {"src": "Hi", "tgt": LEARNT}]
    for name in ("train.json", "dev.json"):
        (root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def spec(method: str, data: Path = root) -> dict[str, Any]:
        values = {
            "stage": "quantise",
            "stage_folder": str(root / method),
            "base": str(taught.base),
            "model": str(taught.root / "taught"),
            "data": str(data),
            "method": method,
            "rows": 8,
            "src_length": 64,
            "max_length": 128,
            "destination": str(root / f"{method}.json"),
        }
        return {"do": "quantise", "spec": values}

    (root / "empty").mkdir()
    (root / "empty" / "dev.json").write_text("\n")
    steps = {method: spec(method) for method in (*METHODS, "gptq")}
    steps["no answers"] = spec("weight_only_int8", root / "empty")
    steps["scales"] = {"do": "scales"}
    found = run_lab(engine_python, root / "lab", list(steps.values()), LAB)
    return {"folder": root, **dict(zip(steps, found, strict=True))}


@pytest.mark.engine
def test_fewer_bits_cost_more(results: dict[str, Any]) -> None:
    figures = {method: results[method]["gave"][1] for method in METHODS}
    before = {figures[method]["loss_before"] for method in METHODS}
    lost = {method: figures[method]["loss_after"] - figures[method]["loss_before"] for method in METHODS}
    assert len(before) == 1 and before.pop() < 1.0, "the model has learnt its answer"
    assert all(figures[method]["layers"] == 14 for method in METHODS), "two blocks of seven linear layers"
    assert 0 < abs(lost["weight_only_int8"]) < abs(lost["weight_only_int4"])
    assert abs(lost["weight_only_int8"]) < 0.05 and abs(lost["a8w8"]) < 0.2, lost
    assert figures["weight_only_int8"]["same_best_token"] == 1.0
    written = json.loads((results["folder"] / "a8w8.json").read_text())
    assert written == figures["a8w8"]
    assert "stay the same" in before_and_after(written)


@pytest.mark.engine
def test_the_scales_are_those_of_paddles_kernels(results: dict[str, Any]) -> None:
    """The kernels that store the weights run on a CPU in float16; those that compute with them do not."""
    assert max(results["scales"].values()) < 2e-3


@pytest.mark.engine
def test_what_cannot_be_measured_is_refused_in_words(results: dict[str, Any]) -> None:
    assert "NVIDIA cards only" in results["gptq"]["refused"]
    assert "no row with an answer" in results["no answers"]["refused"]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("weight_only_int8", {"do_ptq": True, "quant_type": "weight_only_int8"}),
        ("a8w8", {"do_ptq": True, "quant_type": "a8w8", "smooth": True}),
        ("gptq", {"do_gptq": True}),
        ("awq", {"do_ptq": True, "do_awq": True, "quant_type": "weight_only_int4"}),
    ],
)
def test_upstreams_config_is_written_for_every_method(method: str, expected: dict[str, Any]) -> None:
    text = train_config(quantisation_plan(plan(), method), model="m", data="d", output_dir="o")
    config = json.loads(text)
    assert {key: config.get(key) for key in expected} == expected
