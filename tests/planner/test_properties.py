"""What holds for every plan, whatever the facts and wishes: checked on random ones.

Few examples run every time, always the same; many more in the slow run.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner import memory
from planner.acceptance import refusals
from planner.errors import NothingFeasible
from planner.facts import Facts
from planner.pace import epoch_seconds, step_seconds
from planner.plan import Plan
from planner.planfile import dumps, loads
from planner.render import SUFFIX, train_config
from planner.search import outcome
from planner.search.base import profile_of
from planner.search.outcome import predicted
from planner.setting_values import settings as setting_table
from planner.solve import make_plan, solved
from planner.wishes import Wishes
from planner.workload import kept_tokens
from tests.planner.random_plans import planned, requests, with_memory

Request = tuple[Facts, Wishes]

EXAMPLES = pytest.mark.parametrize("examples", [30, pytest.param(400, marks=pytest.mark.slow)])
TRAINED = ("sft", "dpo", "pretrain")

SLOWER = 0.97
"""A simpler way may cost this much speed (planner/search/ranking.py: TIE, and rounding)."""

HELD = (
    "method",
    "weight_quantize_algo",
    "num_processes",
    "tensor_parallel_degree",
    "sequence_parallel",
    "pipeline_parallel_degree",
    "virtual_pp_degree",
    "sharding",
    "sharding_parallel_degree",
    "recompute",
    "recompute_granularity",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "optim",
    "zero_padding",
    "offload_optim",
)
"""What is kept while only the length grows."""


def hold(examples: int, check: Callable[..., None], *given_by: st.SearchStrategy[Any]) -> None:
    """Check a property on so many random examples, the same in every run."""
    usual = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    usual(given(*given_by)(check))()


def last_resorts(plan: Plan) -> set[str]:
    """Return what a plan does only where it is much faster, or nothing else fits or meets the time limit."""
    used = {"offload": plan.value("offload_optim"), "pipeline": plan.value("pipeline_parallel_degree") != 1}
    return {name for name, taken in used.items() if taken}


@EXAMPLES
def test_a_refusal_says_what_why_and_what_to_do(examples: int) -> None:
    def check(request: Request) -> None:
        try:
            make_plan(*request, alternatives=False)
        except NothingFeasible as error:
            assert error.what.endswith((".", "。"))
            assert error.remedy

    hold(examples, check, requests())


@EXAMPLES
def test_every_setting_is_decided_and_explained(examples: int) -> None:
    def check(request: Request) -> None:
        plan = planned(*request)
        if plan is None:
            return
        assert list(plan.decisions) == list(setting_table())
        for name, decision in plan.decisions.items():
            assert decision.because and decision.rule and decision.source, name
            assert all(other.because for other in decision.alternatives), name
            assert decision.value not in [other.value for other in decision.alternatives], name

    hold(examples, check, requests())


@EXAMPLES
def test_pins_are_kept(examples: int) -> None:
    def check(request: Request) -> None:
        plan = planned(*request)
        if plan is not None:
            for name, value in request[1].pins.items():
                assert plan.value(name) == value
                assert plan.decisions[name].rule == "pin"

    hold(examples, check, requests())


@EXAMPLES
def test_the_same_input_gives_the_same_bytes_and_the_file_reads_back(examples: int) -> None:
    def check(request: Request) -> None:
        plan = planned(*request, alternatives=True)
        if plan is None:
            return
        text = dumps(plan)
        again = planned(*request, alternatives=True)
        assert again is not None
        assert dumps(again) == text
        assert loads(text) == plan

    hold(examples, check, requests())


@EXAMPLES
def test_the_config_renders_and_no_constraint_objects(examples: int) -> None:
    def check(request: Request) -> None:
        plan = planned(*request)
        if plan is not None:
            assert refusals(plan) == ()

    hold(examples, check, requests())


@EXAMPLES
def test_the_search_ranks_by_what_the_forecast_shows(examples: int) -> None:
    def check(request: Request) -> None:
        try:
            s = solved(*request)
        except NothingFeasible:
            return
        found = outcome(s)
        assert step_seconds(s) == pytest.approx(found.seconds_per_step, rel=1e-6)
        passed = kept_tokens(s.data, s.whole("max_length")) / found.tokens_per_second
        assert epoch_seconds(s) == pytest.approx(passed, rel=1e-6)

    hold(examples, check, requests(stages=TRAINED))


@EXAMPLES
def test_more_memory_per_card_never_makes_it_worse(examples: int) -> None:
    """What is trained stays the same: more memory also buys every weight, or more exact ones. It also spares
    a plan the last resorts, which may be faster (`planner.search.ranking`)."""

    def check(request: Request, factor: float) -> None:
        facts, wishes = request
        before = planned(facts, wishes)
        if before is None or not facts.hardware.devices:
            return
        after = planned(with_memory(facts, factor), wishes)
        assert after is not None
        kept = ("method", "weight_quantize_algo", "max_length")
        spared = last_resorts(before) - last_resorts(after)
        if not spared and all(after.value(name) == before.value(name) for name in kept):
            assert after.forecast.tokens_per_second >= SLOWER * before.forecast.tokens_per_second
            if wishes.time_limit_minutes is None:
                assert after.forecast.train_seconds <= before.forecast.train_seconds / SLOWER

    hold(examples, check, requests(most_pins=1, stages=TRAINED), st.sampled_from([1.25, 1.5, 2.0]))


@EXAMPLES
def test_a_longer_sequence_never_needs_less_memory(examples: int) -> None:
    """The way is held fixed: only then does the comparison say something about the forecast."""

    def check(request: Request, length: int) -> None:
        facts, wishes = request
        short = planned(facts, wishes.model_copy(update={"pins": {"max_length": length}}))
        if short is None or 2 * length > facts.model.max_position_embeddings:
            return
        pins = {name: short.value(name) for name in HELD} | {"max_length": 2 * length}
        longer = planned(facts, wishes.model_copy(update={"pins": pins}))
        if longer is not None:
            assert longer.forecast.peak_memory_bytes >= short.forecast.peak_memory_bytes

    hold(examples, check, requests(most_pins=0, stages=TRAINED), st.sampled_from([256, 1024, 2048]))


@EXAMPLES
def test_in_no_way_of_the_grid_does_a_longer_sequence_need_less_memory(examples: int) -> None:
    def check(request: Request, factor: int) -> None:
        try:
            s = solved(*request)
        except NothingFeasible:
            return
        for one in predicted(s, None)[0]:
            longer = replace(one.grid, sequence_length=factor * one.grid.sequence_length)
            short, long = (
                np.asarray(memory.peak_bytes(s.model, grid, s.device, profile_of(s)))
                for grid in (one.grid, longer)
            )
            assert (long >= short).all()

    hold(examples, check, requests(most_pins=1, stages=TRAINED), st.sampled_from([2, 4, 16]))


@pytest.mark.engine
@pytest.mark.parametrize("examples", [40, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("engine", ["paddlenlp", "paddleformers"])
def test_the_engines_own_parser_takes_every_random_config(
    engine: str, examples: int, engine_python: Path, paddleformers_python: Path, tmp_path: Path
) -> None:
    texts: dict[str, int] = {}

    def collect(request: Request) -> None:
        plan = planned(*request)
        if plan is not None:
            text = train_config(plan, model="/m", data="/d", output_dir=str(tmp_path / "out"))
            texts[text] = int(str(plan.value("num_processes")))

    hold(examples, collect, requests(stages=("sft",) if engine == "paddlenlp" else TRAINED, engine=engine))
    assert len(texts) > examples / 5
    worlds = {}
    for index, (text, world) in enumerate(texts.items()):
        name = f"config-{index:03}.{SUFFIX[engine]}"
        (tmp_path / name).write_text(text, encoding="utf-8")
        worlds[name] = world
    (tmp_path / "worlds.json").write_text(json.dumps(worlds), encoding="utf-8")
    parser = "parse_configs.py" if engine == "paddlenlp" else "parse_configs_paddleformers.py"
    python = engine_python if engine == "paddlenlp" else paddleformers_python
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name(parser)), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=tmp_path,
    )
    assert "FAULTS" in done.stdout, done.stderr[-2000:]
    assert json.loads(done.stdout.split("FAULTS")[-1]) == {}
