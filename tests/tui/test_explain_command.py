"""`steersman explain`: every decision can be asked why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.plan import Plan
from planner.planfile import dumps
from planner.setting_values import settings
from planner.settings import GROUPS
from tests.planner.scenes import SHORT, plan
from tui.command_line import main
from tui.explanation import CONCERNS, FORECASTS
from tui.wish_options import ENGINES, GOALS, METHODS, STAGES, TARGETS

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture(scope="module")
def made() -> Plan:
    return plan("qwen2.5-7b-instruct", SHORT, "8x A100-80G nvlink", lora_rank=16)


@pytest.fixture
def file(made: Plan, tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(dumps(made), encoding="utf-8")
    return path


def explain(*arguments: object) -> int:
    return int(main(["explain", *map(str, arguments)]))


def words(text: str) -> str:
    return " ".join(text.split())


def test_one_decision_in_full(made: Plan, file: Path, capsys: Capture) -> None:
    assert explain(file, "sharding") == 0
    out, decision = words(capsys.readouterr().out), made.decisions["sharding"]
    assert f"sharding = {decision.value}" in out
    assert words(decision.because) in out
    assert decision.rule in out
    assert words(decision.source) in out
    assert settings()["sharding"].meaning in out
    for other in decision.alternatives:
        assert words(f"not {other.value}: {other.because}") in out
    assert "optimizer" in out  # the part of the memory that it moves


@pytest.mark.parametrize("group", GROUPS)
def test_a_subject_explains_all_its_settings(group: str, file: Path, capsys: Capture) -> None:
    assert explain(file, group) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in GROUPS[group].model_fields)


def test_without_a_field_everything_is_explained(made: Plan, file: Path, capsys: Capture) -> None:
    assert explain(file) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in settings())
    assert all(decision.rule in out for decision in made.decisions.values())


@pytest.mark.parametrize("topic", ["memory", "time", "cost"])
def test_the_forecast_can_be_asked_about(topic: str, file: Path, capsys: Capture) -> None:
    assert explain(file, topic) == 0
    out = capsys.readouterr().out
    assert {"memory": "weights", "time": "tokens/s", "cost": "--cost-per-hour"}[topic] in out


def test_json_holds_what_was_asked(made: Plan, file: Path, capsys: Capture) -> None:
    assert explain(file, "lora_rank", "memory", "--json") == 0
    answers = json.loads(capsys.readouterr().out)
    assert answers["lora_rank"] == made.decisions["lora_rank"].model_dump(mode="json")
    assert answers["memory"]["peak_memory_bytes"] == made.forecast.peak_memory_bytes


def test_an_unknown_field_gets_the_nearest(file: Path, capsys: Capture) -> None:
    assert explain(file, "lerning_rate") == 2
    assert "Did you mean `learning_rate`?" in capsys.readouterr().err


def test_another_language_says_the_same_values(made: Plan, file: Path, capsys: Capture) -> None:
    assert explain(file, "lora_rank", "lora_alpha", "--lang", "zh", "--json") == 0
    answers = json.loads(capsys.readouterr().out)
    for name, answer in answers.items():
        assert answer["value"] == made.decisions[name].value
        assert answer["because"] != made.decisions[name].because


def test_tables_name_what_exists() -> None:
    assert set(CONCERNS) <= set(settings())
    assert set(FORECASTS).isdisjoint({*settings(), *GROUPS})


def test_options_offer_what_the_settings_take() -> None:
    from typing import get_args

    from planner.wishes import Stage, Wishes

    assert get_args(Stage) == STAGES
    assert get_args(Wishes.model_fields["goal"].annotation) == GOALS
    assert get_args(Wishes.model_fields["target"].annotation) == TARGETS
    assert settings()["method"].choices == METHODS
    assert settings()["engine"].choices == ENGINES
