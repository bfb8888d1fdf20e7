"""`steersman audit` on a terminal: the page, the JSON, the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from planner.errors import BadInput
from tests.planner.test_audit import YAML, text
from tui.commands.audit import command


def run(*arguments: str) -> Result:
    """Run the command in this process, on a wide terminal."""
    return CliRunner().invoke(command, list(arguments), env={"COLUMNS": "120"})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a config that has nothing wrong."""
    path = tmp_path / "sft.json"
    path.write_text(text(), encoding="utf-8")
    return path


def test_a_clean_config_ends_with_zero_and_shows_the_machine(config: Path) -> None:
    result = run(str(config), "--hardware", "8x A100-80G nvlink")
    assert result.exit_code == 0, result.output
    assert "run_finetune" in result.output and "fits" in result.output and "tokens/s" in result.output
    assert "What the planner would change" in result.output


def test_a_refused_config_ends_with_two_and_shows_every_line(tmp_path: Path) -> None:
    path = tmp_path / "full.yaml"
    path.write_text(YAML, encoding="utf-8")
    result = run(str(path))
    assert result.exit_code == 2
    for line in ("line 7", "line 8", "line 10"):
        assert line in result.output
    assert "The engine would refuse it" in result.output and "--hardware" in result.output


def test_json_holds_everything(config: Path) -> None:
    result = run(str(config), "--hardware", "8x A100-80G", "--json")
    found = json.loads(result.stdout)
    assert found["engine"] == "paddlenlp" and found["peak_bytes"] and found["parts"]
    assert found["suggestions"] and all(one["source"] for one in found["suggestions"])


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    binary = tmp_path / "weights.json"
    binary.write_bytes(bytes(range(256)))
    for path, says in (
        (tmp_path / "none.json", "cannot be read"),
        (binary, "binary"),
        (tmp_path, "cannot be read"),
    ):
        result = run(str(path))
        assert isinstance(result.exception, BadInput)
        assert says in result.exception.what


def test_the_models_folder_beside_the_config_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({
            "model_type": "llama", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 4,
            "num_attention_heads": 6, "num_key_value_heads": 6, "head_dim": 64, "vocab_size": 1000,
            "max_position_embeddings": 2048, "architectures": ["LlamaForCausalLM"],
        }),
        encoding="utf-8",
    )  # fmt: skip
    path = tmp_path / "sft.json"
    path.write_text(text(model_name_or_path="model", tensor_parallel_degree=4), encoding="utf-8")
    result = run(str(path), "--hardware", "4x A100", "--json")
    assert result.exit_code == 2
    assert "parallel.tensor-heads" in {one["code"] for one in json.loads(result.stdout)["findings"]}


def test_a_plan_is_told_from_a_config_and_the_other_way_round(config: Path, tmp_path: Path) -> None:
    from planner.planfile import dumps
    from tests.planner.scenes import plan
    from tui.plan_input import read_plan

    file = tmp_path / "plan.yaml"
    file.write_text(dumps(plan(), file.name), encoding="utf-8")
    result = run(str(file))
    assert isinstance(result.exception, BadInput)
    assert f"steersman explain {file}" in result.exception.sentence()
    with pytest.raises(BadInput, match="is a training config, not a plan") as raised:
        read_plan(config)
    assert f"steersman audit {config}" in raised.value.sentence()
