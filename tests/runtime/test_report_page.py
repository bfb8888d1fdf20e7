"""The report of a run, from events alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.errors import BadInput
from runtime.events import Metric, Proof, State
from runtime.run.layout import RunFolder
from runtime.run.next_steps import next_steps, output_path
from runtime.run.view import fold
from runtime.stages.measured import losses, question, samples
from runtime.stages.prompts import dev_prompts, read_prompts
from runtime.stages.report_page import page


def content() -> dict[str, Any]:
    return {
        "name": "demo",
        "summary": "Trained LoRA adapters of a model.",
        "comparisons": [
            {"what": "Peak memory", "unit": "bytes", "planned": 2**31, "measured": 2**30, "ratio": 0.5},
            {"what": "Stage train", "unit": "seconds", "planned": 0, "measured": 125.0, "ratio": None},
        ],
        "loss": {"first": 3.2, "last": 0.4, "eval_last": 0.9},
        "proofs": [
            {
                "name": "merge.logits",
                "passed": True,
                "sentence": "Equal.",
                "measured": {"difference": 1.23456e-5},
            }
        ],
        "samples": [{"question": "Who are you?", "base": "a | b\nc", "tuned": "Steersman."}],
        "files": {"Tuned model": "/runs/demo/model"},
        "next": [("Talk to the result", "steersman chat demo")],
    }


def test_the_page_tells_everything_and_no_answer_can_break_its_tables() -> None:
    text = page(content())
    assert "# demo" in text
    assert "Training loss went from 3.200 to 0.400." in text
    assert "| Peak memory | 2.0 GiB | 1.0 GiB | 0.50 |" in text
    assert "| Stage train | - | 2 min 05 s | - |" in text
    assert "| merge.logits | holds | Equal. | difference = 1.23e-05 |" in text
    assert "| Who are you? | a \\| b c | Steersman. |" in text
    assert "- Talk to the result: `steersman chat demo`" in text


def test_figures_come_from_the_journal(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    answers = [{"prompt": [{"role": "user", "content": "Hi?"}], "base": "x", "tuned": "y"}]
    (tmp_path / "samples.json").write_text(json.dumps(answers))
    outputs = {"samples": {"path": "<run>/samples.json", "files": {}, "bytes": 1}}
    view = fold(
        [
            Metric(t=1, stage="train", step=1, values={"loss": 3.0}),
            Metric(t=2, stage="train", step=2, values={"eval_loss": 2.0}),
            Metric(t=3, stage="train", step=3, values={"loss": 1.0}),
            Proof(t=4, stage="generate", name="p", passed=True, sentence="s"),
            State(t=5, stage="generate", state="committed", outputs=outputs),
        ]
    )
    assert losses(view) == {"first": 3.0, "last": 1.0, "eval_first": 2.0, "eval_last": 2.0}
    assert output_path(run, view, "generate", "samples") == str(tmp_path / "samples.json")
    assert [question(sample) for sample in samples(run, view)] == ["Hi?"]
    assert ("Continue", f"steersman resume {tmp_path}") in next_steps(run, view)


def test_prompts_end_with_a_question(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "answer"}]
    file.write_text(json.dumps({"messages": turns}) + "\n\n" + json.dumps({"messages": turns[:1]}) + "\n")
    assert read_prompts(file) == [turns[:1], turns[:1]]
    dev = tmp_path / "dev.json"
    rows = [{"src": ["a", "b"], "tgt": ["c", "d"]}, {"src": "x", "tgt": "y"}]
    dev.write_text("\n".join(map(json.dumps, rows)))
    first, second = dev_prompts(dev)
    assert [message["content"] for message in first] == ["a", "c", "b"]
    assert second == [{"role": "user", "content": "x"}]


@pytest.mark.parametrize("line", ["hello", "{}", '{"messages": [1]}', '{"messages": []}'])
def test_a_prompt_that_is_none_is_named_with_file_and_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"messages": [{"role": "user", "content": "a"}]}\n' + line + "\n")
    with pytest.raises(BadInput, match=r"prompts\.jsonl, line 2"):
        read_prompts(file)
