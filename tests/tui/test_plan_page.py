"""The plan page: bars that add up, what has no effect folded, other plans with their trade-offs."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from planner.language import speaking
from planner.plan import Plan
from planner.planfile import dumps, loads
from planner.setting_values import settings
from planner.situation import Situation
from planner.solve import make_plan, show
from planner.unused import unused
from planner.wishes import Wishes
from tests.planner.scenes import MANY, facts
from tui.alternatives_view import trade_off
from tui.plan_figures import cost, whole_cost
from tui.plan_view import print_plan


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Return a plan with a price and other ways."""
    known = facts("qwen2.5-7b-instruct", MANY, "8x A100-80G nvlink")
    return make_plan(known, Wishes(cost_per_device_hour=2))


def page(plan: Plan, width: int, *, why: bool = False) -> str:
    """Return the page as a terminal of that width shows it."""
    out = io.StringIO()
    print_plan(plan, Console(file=out, width=width, highlight=False), why=why, file="plan.yaml")
    return out.getvalue()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 100, 200])
def test_nothing_is_wider_than_the_terminal_and_columns_are_aligned(
    plan: Plan, width: int, language: str
) -> None:
    with speaking(language):
        lines = page(plan, width).splitlines()
    sentences = [line for line in lines if "steersman " not in line]  # commands are never broken
    assert max(cell_len(line) for line in sentences) <= width
    bars = [line for line in lines if re.search("[█·]{10}", line)]
    assert len(bars) == 1 + sum(part.bytes > 0 for part in plan.forecast.memory_parts.values())
    assert len({cell_len(re.split("[█·▏▎▍▌▋▊▉]", line, maxsplit=1)[0]) for line in bars}) == 1


def test_every_setting_is_named_and_idle_ones_are_folded(plan: Plan) -> None:
    short, long = page(plan, 100), page(plan, 100, why=True)
    assert all(name in short for name in settings())
    situation = Situation(plan.facts, plan.wishes, dict(plan.decisions))
    idle = [name for name in settings() if unused(situation, name)]
    assert len(idle) > 5
    assert "Without effect here: " in short
    assert "Without effect here: " not in long
    for sentence in {plan.decisions[name].because for name in ("scale_loss", "min_learning_rate")}:
        assert sentence not in " ".join(short.split())
        assert sentence in " ".join(long.split())


def test_a_fixed_setting_is_never_folded() -> None:
    known = facts("qwen2.5-7b-instruct", MANY, "8x A100-80G nvlink")
    pinned = make_plan(known, Wishes(pins={"scale_loss": 1024.0}), alternatives=False)
    assert re.search(r"scale_loss \*\s+1024", page(pinned, 100))


def test_training_and_the_whole_run_have_each_their_price(plan: Plan) -> None:
    training, whole = cost(plan), whole_cost(plan)
    assert training is not None and whole is not None
    assert whole.low > training.low
    words = " ".join(page(plan, 200).split())
    assert words.count(training.money()) >= 2
    assert words.count(whole.money()) >= 2


def test_other_ways_stand_beside_this_one_with_commands(plan: Plan) -> None:
    words = page(plan, 200)
    assert "this plan" in words
    for number, other in enumerate(plan.alternatives, 1):
        pins = " ".join(f"--set {name}={show(value)}" for name, value in other.changes.items())
        assert f"{number}. steersman what-if plan.yaml {pins}" in words
        assert trade_off(plan, other) in words


def test_a_trade_off_names_what_is_given_and_taken(plan: Plan) -> None:
    first = plan.alternatives[0]
    here = plan.forecast
    leaner = first.model_copy(
        update={
            "changes": {"recompute": True},
            "peak_memory_bytes": here.peak_memory_bytes // 2,
            "train_seconds": here.train_seconds * 1.5,
        }
    )
    assert re.fullmatch(r"[\d.]+ GiB less, 1.5 times as long", trade_off(plan, leaner))
    fuller = first.model_copy(
        update={
            "changes": {"method": "full" if plan.value("method") != "full" else "lora"},
            "peak_memory_bytes": here.peak_memory_bytes,
            "train_seconds": here.train_seconds,
        }
    )
    learns = "more" if plan.value("method") != "full" else "less"
    assert trade_off(plan, fuller) == f"can learn {learns}, as fast"


def test_a_plan_that_was_read_again_shows_the_same_page(plan: Plan) -> None:
    assert page(loads(dumps(plan)), 100) == page(plan, 100)
