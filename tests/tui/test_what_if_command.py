"""`steersman what-if`: a change, and both plans side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.plan import Plan
from planner.planfile import dumps, loads
from tests.planner.scenes import SHORT, plan
from tui.command_line import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture(scope="module")
def made() -> Plan:
    return plan("smollm2-135m-instruct", SHORT, "2x A100-80G nvlink", lora_rank=64)


@pytest.fixture
def file(made: Plan, tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(dumps(made), encoding="utf-8")
    return path


def what_if(*arguments: object) -> int:
    return int(main(["what-if", *map(str, arguments)]))


def test_both_plans_stand_side_by_side(file: Path, capsys: Capture) -> None:
    before = file.read_bytes()
    assert what_if(file, "--hardware", "8x A100-80G nvlink", "--set", "lora_rank=32") == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line.split() for line in lines if line.split()[:1] == ["lora_rank"])
    assert row == ["lora_rank", "64", "32"]
    assert any("num_processes" in line for line in lines)
    assert any("settings of" in line and "differ" in line for line in lines)
    assert file.read_bytes() == before


def test_the_new_plan_is_kept_on_request(file: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "other.yaml"
    assert what_if(file, "--goal", "memory", "-o", target) == 0
    other = loads(target.read_text(encoding="utf-8"))
    assert (other.wishes.goal, other.wishes.pins) == ("memory", {"lora_rank": 64})
    assert what_if(file, "--goal", "speed", "-o", target) == 2
    assert "exists already" in capsys.readouterr().err


def test_other_data_change_what_follows_from_them(file: Path, capsys: Capture) -> None:
    assert what_if(file, "--data", "40000 rows of 3000:8192 tokens", "--json") == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    changed = {one["name"]: one for one in found["differences"]["what_if"]["settings"]}
    assert "max_length" in changed
    assert "39,000 rows to train on" in said.err
    assert what_if(file, "--data", "steersman-demo", "--hardware", "8x A100-80G nvlink") == 0
    out = capsys.readouterr().out
    assert "110 rows" in out
    assert what_if(file, "--data", "no-such.jsonl") == 2
    assert "no-such.jsonl" in capsys.readouterr().err


def test_data_of_another_kind_are_refused_in_a_sentence(file: Path, tmp_path: Path, capsys: Capture) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"prompt": "a?", "chosen": "b", "rejected": "c"}\n' * 8, encoding="utf-8")
    assert what_if(file, "--data", pairs) == 2
    assert "pairs.jsonl" in capsys.readouterr().err


def test_a_fixed_setting_can_be_released(file: Path, capsys: Capture) -> None:
    assert what_if(file, "--release", "lora_rank", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["inputs"]["fixed"] == {"now": "lora_rank=64", "what_if": "-"}
    changed = {change["name"]: change for change in answer["differences"]["what_if"]["settings"]}
    assert changed["lora_rank"]["before"] == 64
    assert changed["lora_rank"]["because_before"].startswith("You fixed it")


def test_reasons_of_both_are_given_on_request(file: Path, capsys: Capture) -> None:
    assert what_if(file, "--set", "lora_rank=4", "--why") == 0
    out = capsys.readouterr().out
    assert "lora_rank, now: You fixed it" in out
    assert "lora_rank, what if: You fixed it" in out


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((), 2, "Nothing is different from the plan."),
        (("--goal", "balance"), 2, "Nothing is different from the plan."),
        (("--release", "seed"), 2, "seed is not fixed in this plan. Fixed are: lora_rank."),
        (("--release", "sed"), 2, "--release: there is no setting `sed`. Did you mean `seed`?"),
        (("--set", "max_length=9"), 2, "--set: `max_length` must be a whole number, at least 16, not '9'."),
        (("--hardware", "8x A10O"), 2, "Did you mean `A10`?"),
    ],
)
def test_bad_input_gets_one_sentence(
    arguments: tuple[str, ...], code: int, sentence: str, file: Path, capsys: Capture
) -> None:
    assert what_if(file, *arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err


def test_a_change_that_does_not_fit_says_what_would(file: Path, capsys: Capture) -> None:
    assert what_if(file, "--model", "qwen2.5-72b-instruct", "--hardware", "4090", "--set", "method=full") == 3
    assert "GiB" in capsys.readouterr().err
