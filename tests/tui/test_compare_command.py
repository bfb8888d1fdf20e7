"""`steersman compare`: plans side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from planner.planfile import dumps
from tests.planner.scenes import SHORT, plan
from tui.command_line import main
from tui.commands.compare import distinct


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("plans")
    plans = {
        "small": plan("smollm2-135m-instruct", SHORT, "4090"),
        "large": plan("qwen2.5-7b-instruct", SHORT, "8x A100-80G nvlink"),
        "pinned": plan("smollm2-135m-instruct", SHORT, "4090", lora_rank=64),
    }
    for name, made in plans.items():
        (folder / f"{name}.yaml").write_text(dumps(made, f"{name}.yaml"), encoding="utf-8")
    return tuple(folder / f"{name}.yaml" for name in plans)


def compare(*arguments: object) -> int:
    return int(main(["compare", *map(str, arguments)]))


def test_three_plans(files: tuple[Path, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(*files) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["small", "large", "pinned"] in lines
    assert "large against small" in out
    assert "pinned against small" in out
    assert " 1 times" not in out
    assert re.search(r"as fast,\s+as long as a whole,\s+as\s+much\s+memory\s+per\s+process", out)
    row = next(line for line in lines if line[:1] == ["lora_rank"])
    assert row[-1] == "64"
    assert "seed" not in [line[0] for line in lines if line]  # the same in all


def test_equal_plans_differ_in_nothing(files: tuple[Path, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(files[0], files[0]) == 0
    assert "Nothing: every setting is the same." in capsys.readouterr().out


def test_json_names_every_difference(files: tuple[Path, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(files[0], files[2], "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["plans"] == ["small", "pinned"]
    changed = {change["name"]: change["after"] for change in answer["differences"]["pinned"]["settings"]}
    assert changed["lora_rank"] == 64
    assert answer["forecasts"]["small"]["peak_memory_bytes"] > 0


def test_chinese_columns_stand_below_each_other(
    files: tuple[Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(files[0], files[1], "--lang", "zh") == 0
    lines = capsys.readouterr().out.splitlines()
    starts = {
        cell_len(line[: line.index(value)])
        for name, value in (("num_processes", "8"), ("tensor_parallel_degree", "2"))
        for line in lines
        if line.split()[:1] == [name] and value in line
    }
    assert len(starts) <= 1
    assert max(map(cell_len, lines)) <= 100


def test_one_plan_is_too_few(files: tuple[Path, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(files[0]) == 2
    assert "A comparison needs two plans or more." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("a.yaml", "x/b.yaml"), ["a", "b"]),
        (("x/plan.yaml", "y/plan.yaml"), ["x/plan.yaml", "y/plan.yaml"]),
        (("plan.yaml", "plan.yaml"), ["plan.yaml (1)", "plan.yaml (2)"]),
    ],
)
def test_names_tell_the_files_apart(paths: tuple[str, ...], names: list[str]) -> None:
    assert distinct(tuple(map(Path, paths))) == names
