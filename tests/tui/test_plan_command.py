"""`steersman plan` and `steersman render`, on a tiny local model and real files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from planner.planfile import loads
from planner.setting_values import settings
from planner.wishes import Wishes
from tui.command_line import main


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    path = tmp_path / "chats.jsonl"
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"say {n}"},
                {"role": "assistant", "content": f"{n} " * (n % 7 + 1)},
            ]
        }
        for n in range(40)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(*arguments: object) -> int:
    return int(main([str(argument) for argument in arguments]))


def test_the_plan_is_printed_with_reasons_and_written(
    tiny_hf_model: Path, chats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.yaml"
    assert run("plan", "--model", tiny_hf_model, "--data", chats, "-o", file) == 0
    out, err = capsys.readouterr()
    plan = loads(file.read_text(encoding="utf-8"))
    for name in settings():
        assert name in out
    assert "Forecast" in out
    assert "weights" in out
    assert f"Run it with: steersman run {file}" in err
    assert plan.facts.data.train_rows + plan.facts.data.dev_rows == 40
    assert plan.facts.hardware.origin == "probed"
    assert plan.facts.data.lengths.counted


@pytest.mark.parametrize(
    ("flags", "said", "header"),
    [
        (("--data-rows", 500, "--data-tokens", 60), "plan again with --data FILE", "steersman run plan.yaml"),
        (
            (
                "--data-rows",
                500,
                "--data-tokens",
                60,
                "--hardware",
                "2x A100-80G",
                "--set",
                "pipeline_parallel_degree=2",
                "--stage",
                "dpo",
            ),
            "steersman render",
            "steersman render plan.yaml -o folder",
        ),
        (
            ("--data", "steersman-demo", "--stage", "quantise"),
            "steersman render",
            "steersman render plan.yaml",
        ),
    ],
    ids=["described data", "preferences in a pipeline", "quantising"],
)
def test_what_comes_next_is_something_that_works(
    flags: tuple[object, ...],
    said: str,
    header: str,
    tiny_hf_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "plan.yaml"
    assert run("plan", "--model", tiny_hf_model, *flags, "-o", file) == 0
    err = " ".join(capsys.readouterr().err.split())
    assert said in err and f"steersman run {file}" not in err
    assert f"#     {header}" in file.read_text(encoding="utf-8")


def test_the_rows_say_which_training_they_are_for(
    tiny_hf_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs.jsonl"
    row = {"prompt": "say it", "chosen": "gladly", "rejected": "no"}
    pairs.write_text("".join(json.dumps({**row, "prompt": f"say {n}"}) + "\n" for n in range(40)), "utf-8")
    file = tmp_path / "plan.yaml"
    plan = ("plan", "--model", tiny_hf_model, "--data", pairs, "-o", file)
    assert run(*plan) == 0
    assert "so the stage is dpo" in capsys.readouterr().err
    assert loads(file.read_text(encoding="utf-8"), "plan.yaml").wishes.stage == "dpo"
    assert run(*plan, "--force", "--stage", "reward") == 0
    assert "so the stage is" not in capsys.readouterr().err
    assert run(*plan, "--force", "--stage", "sft") == 2
    assert "does not learn from them" in capsys.readouterr().err


def test_rejected_values_and_sources_show_on_request(
    tiny_hf_model: Path, chats: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("plan", "--model", tiny_hf_model, "--data", chats)
    short = capsys.readouterr().out
    run("plan", "--model", tiny_hf_model, "--data", chats, "--why")
    long = capsys.readouterr().out
    assert "not full:" not in short
    assert "not full:" in long
    assert "arXiv:2106.09685" in long


def test_json_is_the_whole_plan_and_nothing_else(
    tiny_hf_model: Path, chats: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--hardware", "8x A100-80G", "--set", "lora_rank=4", "--goal", "quality")
    assert run("plan", "--model", tiny_hf_model, "--data", chats, "--json", *arguments) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["wishes"] == Wishes(goal="quality", pins={"lora_rank": 4}).model_dump(mode="json")
    assert plan["decisions"]["lora_rank"]["value"] == 4
    assert plan["facts"]["hardware"]["devices"][0]["name"] == "A100"


def test_a_pinned_setting_is_marked(
    tiny_hf_model: Path, chats: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("plan", "--model", tiny_hf_model, "--data", chats, "--set", "lora_rank=4")
    out = capsys.readouterr().out
    assert "lora_rank *" in out
    assert "* fixed by you" in out


def test_data_that_is_elsewhere_is_described(
    tiny_hf_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.yaml"
    size = ("--data-rows", 50_000, "--data-tokens", "350:2048")
    assert run("plan", "--model", tiny_hf_model, *size, "--hardware", "8x A100-80G", "-o", file) == 0
    data = loads(file.read_text(encoding="utf-8")).facts.data
    assert (data.typed, data.train_rows + data.dev_rows, data.lengths.max) == (True, 50_000, 2048)
    assert "(described by you)" in capsys.readouterr().out


def test_wishes_reach_the_plan(tiny_hf_model: Path, chats: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ("plan", "--model", tiny_hf_model, "--data", chats, "--hardware", "2x A100-80G")
    wishes = ("--cost-per-hour", "2.5", "--context-length", "128", "--engine", "paddlenlp")
    assert run(*base, *wishes, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["wishes"]["cost_per_device_hour"] == 2.5
    assert plan["wishes"]["context_length"] == 128
    assert plan["wishes"]["pins"] == {"engine": "paddlenlp"}
    assert run(*base, *wishes) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "at 2.5 x 2 devices per hour" in out
    assert "if the whole run is paid" in out
    assert re.search(r"Training takes .* and costs .* The whole run, .* and costs", out)


def test_a_name_means_base_weights_for_pretraining_and_chat_weights_otherwise(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.gather.pinned", lambda model, report: model)
    size = ("--data-rows", 3_000, "--data-tokens", 300, "--hardware", "4090", "--json")
    for stage, name in (("pretrain", "qwen2.5-0.5b-base"), ("sft", "qwen2.5-0.5b-instruct")):
        assert run("plan", "--model", "qwen2.5 0.5b", *size, "--stage", stage) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["facts"]["model"]["name"] == name
        assert name in err


@pytest.mark.parametrize("stage", ["quantise", "export"])
def test_a_plan_that_is_not_run_here_says_how_it_is_rendered(
    stage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.gather.pinned", lambda model, report: model)
    size = ("--data-rows", 3_000, "--data-tokens", 300, "--hardware", "A100-80G", "--stage", stage)
    assert run("plan", "--model", "qwen2.5-0.5b-instruct", *size) == 0
    out = capsys.readouterr().out
    assert "steersman render plan.yaml -o folder" in out
    assert "steersman run plan.yaml" not in out
    assert "Training takes" not in out


@pytest.mark.parametrize("way", ["option", "group", "locale"])
def test_the_page_speaks_chinese(
    way: str,
    tiny_hf_model: Path,
    chats: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ["plan", "--model", tiny_hf_model, "--data", chats]
    if way == "locale":
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    elif way == "option":
        arguments += ["--lang", "zh"]
    else:
        arguments = ["--lang", "zh", *arguments]
    assert run(*arguments) == 0
    out = capsys.readouterr().out
    assert "预测" in out
    assert "lora_rank" in out
    assert "Forecast" not in out
    assert max(cell_len(line) for line in out.splitlines()) <= 100
    assert run("plan", "--lang", "en") == 2
    assert "A plan needs --model" in capsys.readouterr().err


def test_a_terminal_without_unicode_gets_plain_bars(tiny_hf_model: Path, chats: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "COLUMNS": "80"}
    command = [sys.executable, "-m", "tui.command_line", "plan", "--model", tiny_hf_model, "--data", chats]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "#" in done.stdout
    assert "|" in done.stdout
    assert done.stdout.isascii()


def test_nothing_fits_is_said_with_changes_that_would(capsys: pytest.CaptureFixture[str]) -> None:
    size = ("--data-rows", 50_000, "--data-tokens", "350:2048")
    assert run("plan", "--model", "qwen2.5-72b-instruct", *size, "--hardware", "4090") == 3
    out, err = capsys.readouterr()
    assert out == ""
    sentence, *changes = err[err.index("steersman:") :].splitlines()
    assert sentence.startswith("steersman: ")
    assert len(changes) == 3
    assert all("GiB" in change for change in changes)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((), 2, "A plan needs --model and --data. For example: steersman plan --model smollm2-135m-instruct"),
        (("--model", "x"), 2, "A plan needs --data."),
        (("--model", "x", "--data-rows", "9"), 2, "A plan needs --data-tokens."),
        (("--model", "x", "--data", "y", "--data-rows", "9"), 2, "--data names the data and --data-rows"),
        (
            ("--model", "smollm2-135m", "--data-rows", "9", "--data-tokens", "lots"),
            2,
            "Tokens per row cannot be read from 'lots'. Give the mean, or the mean and the longest",
        ),
        (("--recipes", "nowhere"), 2, "There is no recipe folder nowhere."),
        (("--model", "smollm2", "--data", "nowhere.jsonl"), 2, "There is no data set nowhere.jsonl"),
        (
            ("--model", "smolm2-135m", "--data", "steersman-demo"),
            2,
            "There is no model called 'smolm2-135m'.",
        ),
        (("--set", "lora_rnk=4"), 2, "--set: there is no setting `lora_rnk`. Did you mean `lora_rank`?"),
        (
            ("--set", "lora_rank=four"),
            2,
            "--set: `lora_rank` must be a whole number, at least 1, not 'four'.",
        ),
        (("--set", "lora_rank"), 2, "--set 'lora_rank' is not of the form name=value."),
        (("--method", "full", "--set", "method=lora"), 2, "--method says full and --set says method=lora."),
        (("--test-prompts", "nowhere.txt"), 2, "There is no file nowhere.txt with test prompts."),
    ],
)
def test_bad_input_gets_one_sentence(
    arguments: tuple[str, ...], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", *arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith(f"steersman: {sentence}")


def test_hardware_that_is_unknown_or_too_small(
    tiny_hf_model: Path, chats: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ("plan", "--model", tiny_hf_model, "--data", chats)
    assert run(*base, "--hardware", "8x A10O") == 2
    assert "Did you mean `A10`?" in capsys.readouterr().err
    assert run(*base, "--hardware", "cpu 2 cores 1g", "--set", "num_processes=2") == 3
    assert "does not fit" in capsys.readouterr().err


def test_an_existing_plan_is_not_replaced_unasked(
    tiny_hf_model: Path, chats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("mine", encoding="utf-8")
    base = ("plan", "--model", tiny_hf_model, "--data", chats, "-o", file)
    assert run(*base) == 2
    assert "exists already. Add --force" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "mine"
    assert run(*base, "--force") == 0
    loads(file.read_text(encoding="utf-8"))


def test_settings_are_listed_with_ranges(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "--list-settings") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in settings())
    assert "a whole number, at least 1" in out


def test_settings_are_data_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "--list-settings", "--json") == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert list(listed) == list(settings())
    assert all(entry["expected"] and entry["meaning"] for entry in listed.values())


@pytest.fixture
def plan_file(tiny_hf_model: Path, chats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    file = tmp_path / "plan.yaml"
    pins = ("--set", "max_steps=4", "--set", "num_processes=1", "--set", "tracker=none")
    assert run("plan", "--model", tiny_hf_model, "--data", chats, *pins, "-o", file) == 0
    capsys.readouterr()
    return file


def test_render_writes_configs_without_model_and_data_on_request(
    plan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "rendered"
    assert run("render", plan_file, "-o", folder, "--configs-only") == 0
    written = {path.name for path in folder.iterdir()}
    assert {"launch.sh", "config.json", "config.explained.md", "README.md", "plan.yaml", "worker"} <= written
    assert not {"model", "data"} & written
    assert capsys.readouterr().out.splitlines() == sorted(str(path) for path in folder.iterdir())
    done = subprocess.run([str(folder / "launch.sh")], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Put the model (a Hugging Face folder) into model/huggingface" in done.stderr
    assert str(tmp_path) not in (folder / "config.json").read_text(encoding="utf-8")


def test_render_refuses_a_folder_with_other_things_in_it(
    plan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("do not touch", encoding="utf-8")
    assert run("render", plan_file, "-o", folder) == 2
    assert "is not empty and was not written by `steersman render`" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"", b"a: 1"])
def test_render_says_what_is_wrong_with_a_plan(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.yaml"
    if content is not None:
        file.write_bytes(content)
    assert run("render", file, "-o", tmp_path / "out") == 2
    assert str(file) in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.engine
def test_a_rendered_folder_trains_without_steersman_even_after_it_was_moved(
    plan_file: Path, tmp_path: Path, engine_python: Path
) -> None:
    assert run("render", plan_file, "-o", tmp_path / "rendered") == 0
    folder = (tmp_path / "rendered").rename(tmp_path / "moved")
    environment = {**os.environ, "PYTHON": str(engine_python), "PYTHONPATH": ""}
    done = subprocess.run(
        [str(folder / "launch.sh")], capture_output=True, text=True, env=environment, cwd="/", timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result = json.loads((folder / "stages" / "train" / "result.json").read_text(encoding="utf-8"))
    assert result["figures"]["steps"] == 4
    assert list((folder / "output" / "adapter").glob("*.safetensors"))
