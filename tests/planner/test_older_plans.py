"""Plans that earlier versions saved: all of them open, as they were, with today's defaults for the rest.

The files in `earlier` are what this project's own planner wrote on its way, in the order of their days.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner import planfile
from planner.acceptance import refusals
from planner.errors import BadInput
from planner.plan import Plan
from planner.planfile import dumps, loads, loads_telling
from planner.setting_values import settings
from tests.planner.scenes import plan

EARLIER = sorted((Path(__file__).parent / "earlier").glob("*.yaml"))
LACKING = {"day-1": 51, "day-2": 11, "day-3": 11, "day-4": 1, "day-5": 0}
"""Settings that came after each day, at least; more will come."""


def values_in(text: str) -> dict[str, Any]:
    """Return setting -> value as it stands in a file."""
    groups = yaml.safe_load(text)["decisions"].values()
    return {name: decision["value"] for group in groups for name, decision in group.items()}


@pytest.fixture(params=EARLIER, ids=lambda path: path.stem)
def earlier(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_an_earlier_plan_opens_and_keeps_what_it_says(earlier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def planned_again(*_: object) -> Plan:
        pytest.fail("nobody edited it")

    monkeypatch.setattr(planfile, "replanned", planned_again)
    text = earlier.read_text(encoding="utf-8")
    found, told = loads_telling(text, earlier.name)
    assert list(found.decisions) == list(settings())
    stood = values_in(text)
    assert {name: value for name, value in stood.items() if found.value(name) != value} == {}
    new = [name for name in settings() if name not in stood]
    assert len(new) >= LACKING[earlier.stem[:5]]
    for name in new:
        decision = found.decisions[name]
        assert decision.rule == "filled"
        assert decision.source.startswith("not in the saved plan; today's default")
    assert bool(told) == bool(new)
    if new:
        assert (
            f"{earlier.name} was saved by an earlier version and lacks {len(new)} of today's settings" in told
        )
        assert "\n" not in told


def test_its_config_is_one_that_the_engine_takes(earlier: Path) -> None:
    assert refusals(loads(earlier.read_text(encoding="utf-8"))) == ()


def test_saved_again_it_is_whole(earlier: Path) -> None:
    found = loads(earlier.read_text(encoding="utf-8"))
    again, told = loads_telling(dumps(found))
    assert (again, told) == (found, "")


def test_an_edit_of_an_earlier_plan_is_still_one() -> None:
    text = EARLIER[0].read_text(encoding="utf-8")
    edited = re.sub(r"(\n    lora_rank:\n      value: ).*", r"\g<1>32", text, count=1)
    found = loads(edited)
    assert (found.value("lora_rank"), found.decisions["lora_rank"].rule) == (32, "edited")
    wished = loads(text.replace("goal: balance", "goal: quality", 1))
    assert wished.wishes.goal == "quality"
    assert wished.decisions["lora_rank"].rule != "filled"


def test_a_setting_that_a_person_writes_into_an_earlier_plan_counts() -> None:
    text = next(path for path in EARLIER if path.stem.startswith("day-3")).read_text(encoding="utf-8")
    own = text.replace(
        "\n    evaluation_strategy:", "\n    early_stopping_patience: {value: 2}\n    evaluation_strategy:", 1
    )
    assert own != text
    found = loads(own)
    assert (found.value("early_stopping_patience"), found.decisions["early_stopping_patience"].rule) == (
        2,
        "edited",
    )


def test_todays_rule_decides_beside_what_stands_there() -> None:
    made = plan("qwen2.5-1.5b-instruct", hardware="4090", gradient_accumulation_steps=3)
    text = without(dumps(made), "max_new_tokens", "tracker")
    found, told = loads_telling(text, "mine.yaml")
    assert all(found.value(name) == made.value(name) for name in settings())
    assert told.startswith("mine.yaml was saved by an earlier version and lacks 2 of today's settings")
    assert f"max_new_tokens={made.value('max_new_tokens')}" in told


def test_a_setting_of_another_version_is_refused_with_both_versions() -> None:
    text = dumps(plan()).replace("\n    lora_rank:", "\n    brand_new_thing:")
    line = text[: text.index("    brand_new_thing")].count("\n") + 1
    with pytest.raises(BadInput) as caught:
        loads(text)
    assert caught.value.sentence() == (
        f"plan.yaml, line {line}: it was saved by Steersman 0.1.0 with settings that this version, 0.1.0, "
        "does not have: brand_new_thing. Update Steersman."
    )


def test_a_newer_version_is_named_before_anything_else() -> None:
    newer = dumps(plan()).replace("\nsteersman: 0.1.0", "\nsteersman: 9.1.0", 1)
    newer = newer.replace("\nwishes:", "\nhopes: {}\nwishes:", 1).replace(
        "\n    lora_rank:", "\n    lora_width:", 1
    )
    with pytest.raises(BadInput, match=r"it was made by Steersman 9\.1\.0, and this is 0\.1\.0"):
        loads(newer)


def without(text: str, *names: str) -> str:
    """Return a plan file as a version would have saved it that did not know these settings."""
    for name in names:
        text, count = re.subn(rf"\n    {name}:\n(?:      .*\n)+?(?=    \w|  \w|\n|# )", "\n", text, count=1)
        assert count == 1, name
        text, count = re.subn(rf"\n    {name}: .*", "", text, count=1)
        assert count == 1, name
    return text
