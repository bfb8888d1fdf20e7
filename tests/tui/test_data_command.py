"""`steersman data` as a person uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from planner.facts import DataFacts
from runtime.paths import PROJECT
from tests.runtime.data_files import row_in, write_rows
from tests.tiny_model import write_tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return folder


def steersman(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tui.command_line", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)


def test_inspect_shows_everything(model: Path, tmp_path: Path) -> None:
    rows = [
        row_in("messages", [("What now?", "Go on.")]),
        {"messages": []},
        row_in("messages", [("What now?", "Go on.")]),
    ]
    path = write_rows(tmp_path / "data.jsonl", rows)
    ended = steersman("data", "inspect", str(path), "--model", str(model))
    assert ended.returncode == 0
    assert ended.stderr == ""
    said = ended.stdout
    assert "OpenAI messages" in said
    assert "3 read, 1 unusable" in said
    assert "x 1 x there is no answer: row dropped" in said
    assert "data.jsonl row 2 (line 2): the row holds no turns; row dropped." in said
    assert "data.jsonl row 3 (line 3): the same as row 1; kept." in said
    assert "counted by the model's own tokenizer" in said
    assert "Suggested max_length: 64" in said
    assert "<|im_start|>assistant\n>>Go on.<|im_end|>\\n<<" in said
    assert "What now?<|im_end|>\n" in said
    assert "\x1b" not in said


def test_what_would_be_cut(model: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "data.jsonl", [row_in("messages", [("q", "long " * 50)])])
    said = steersman("data", "inspect", str(path), "--model", str(model), "--max-length", "64").stdout
    assert "44 of the answer's 252 tokens are trained on (max_length 64)" in said


def test_json_is_data(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "data.csv", [{"instruction": "a", "output": "b"}, {"instruction": "", "output": "c"}]
    )
    ended = steersman("data", "inspect", str(path), "--json", "--rows", "2")
    found = json.loads(ended.stdout)
    assert DataFacts.model_validate(found["facts"]).train_rows == 1
    assert found["facts"]["lengths"]["counted"] is False
    assert found["finding_counts"] == {"prompt.empty": 1}
    assert (found["findings"][0]["row"], found["findings"][0]["severity"]) == (2, "error")
    assert found["samples"][0]["turns"][0]["answer"] == "b<|im_end|>\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "steersman-dem"], "Did you mean steersman-demo?"),
        (["inspect", "/nowhere/data.json"], "no such file or folder"),
        (["inspect"], "Missing argument 'DATA'"),
        (["inspect", "steersman-demo", "--max-length", "3"], "3 is not in the range"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], said: str) -> None:
    ended = steersman("data", *arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_format_error_leaves_no_bar_behind(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "data.jsonl", [{"prompt": "a", "response": "b"}])
    ended = steersman("data", "inspect", str(path))
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "Rename `prompt` to `instruction` and `response` to `output`." in ended.stderr


def test_fixes_are_shown_by_row_and_written_on_request(tmp_path: Path) -> None:
    rows = [row_in("messages", [("What now?", "Go on.")])] * 2 + [{"messages": []}]
    rows.append(row_in("messages", [("a\r\nb", "c")]))
    path = write_rows(tmp_path / "data.jsonl", rows)
    said = steersman("data", "fix", str(path)).stdout
    assert "1 x leave out rows that repeat an earlier one [copies]" in said
    assert "data.jsonl row 2 (line 2): the same as training row 1" in said
    assert "data.jsonl row 3 (line 3): the row holds no turns" in said
    assert '+ {"messages": [{"role": "user", "content": "a\\nb"}' in said
    assert "2 of 4 rows would be kept." in said
    assert f"Nothing was written. To apply the fixes: steersman data fix {path} -o OUT" in said
    out = tmp_path / "fixed.jsonl"
    assert f"Wrote 2 rows to {out}." in steersman("data", "fix", str(path), "-o", str(out)).stdout
    assert "Nothing to fix in 2 rows." in steersman("data", "fix", str(out)).stdout
    found = json.loads(steersman("data", "fix", str(path), "--only", "copies", "--json").stdout)
    assert found["counts"] == {"copies": 1}
    refused = steersman("data", "fix", str(path), "--only", "everything")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "There is no fix everything. Fixes are unusable, mend" in refused.stderr


def test_half_a_character_is_shown_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(
        '{"messages": [{"role": "user", "content": "a\\ud800"}, {"role": "assistant", "content": "b"}]}'
    )
    assert '"content": "a\\ud800"' in steersman("data", "fix", str(path)).stdout
    found = json.loads(steersman("data", "fix", str(path), "--json").stdout)
    assert "\ud800" in json.dumps(found, ensure_ascii=False)


def test_conversion_says_what_is_lost(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "chosen": "b", "rejected": "c"}, {"prompt": "a", "chosen": "b", "rejected": "b"}]
    path, out = write_rows(tmp_path / "data.json", rows), tmp_path / "out.csv"
    said = steersman("data", "convert", str(path), str(out), "--to", "alpaca").stdout
    assert f"Wrote 2 rows to {out}." in said
    assert "The rejected answers are left out." in said
    told = write_rows(tmp_path / "told.jsonl", [{**rows[0], "system": "Be kind."}])
    said = steersman("data", "convert", str(told), str(tmp_path / "hh.jsonl"), "--to", "hh_pairs").stdout
    assert "The system prompt of 1 row now begins the first question" in said
    labels = steersman("data", "convert", str(path), str(tmp_path / "l.jsonl"), "--to", "src_tgt_pairs")
    assert "1 row could not be used:" in labels.stdout
    assert "row 2 (line 7), `rejected`: there is nothing to prefer; row dropped." in labels.stdout
    again = steersman("data", "convert", str(path), str(out), "--to", "alpaca")
    assert (again.returncode, again.stdout) == (2, "")
    assert "exists already" in again.stderr


def test_bundled_sets_are_listed() -> None:
    assert "steersman-demo" in steersman("data", "list").stdout.splitlines()


def test_help_has_examples() -> None:
    for arguments in (["data"], ["data", "inspect"], ["data", "list"], ["data", "fix"], ["data", "convert"]):
        assert "Example" in steersman(*arguments, "--help").stdout
