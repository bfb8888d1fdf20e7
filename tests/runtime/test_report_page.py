"""The report of a run, from events alone."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from planner.errors import BadInput
from planner.language import speaking
from planner.planfile import dumps
from runtime.events import Metric, Proof, State
from runtime.run.journal import Journal
from runtime.run.layout import RunFolder, create_run
from runtime.run.next_steps import next_steps, output_path
from runtime.run.view import fold
from runtime.stages.handing_over import commands
from runtime.stages.measured import losses, question, samples
from runtime.stages.prompts import dev_prompts, read_prompts
from runtime.stages.report import main as report_stage
from runtime.stages.report_content import broken_steps, curves
from runtime.stages.report_curves import Curve, chart, ticks
from runtime.stages.report_html import document
from runtime.stages.report_page import figures, page, quantity
from tests.planner.scenes import plan as scene


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


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (28995.4, "tokens/s", "28,995 tokens/s"),
        (4.25, "tokens/s", "4.2 tokens/s"),
        (0.0163, "seconds", "0.016 s"),
        (125.0, "seconds", "2 min 05 s"),
        (2**30, "bytes", "1.0 GiB"),
    ],
)
def test_figures_are_short_and_never_nothing(value: float, unit: str, words: str) -> None:
    assert quantity(value, unit) == words


def test_what_a_proof_measured_is_read_by_people() -> None:
    measured = {"free_bytes": 21720539136, "tokens": 92760, "difference": 1.23456e-5, "same": True}
    assert figures(measured) == "free_bytes = 20.2 GiB, tokens = 92,760, difference = 1.23e-05, same = True"


def test_what_is_off_is_told_by_a_sign_too() -> None:
    text = document({**content(), "language": "en", "figures": {}, "curves": {}})
    assert "≠ 0.50" in text and "≠ stands where" in text


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
    assert read_prompts(file) == [(turns[:1], "answer"), (turns[:1], None)]
    dev = tmp_path / "dev.json"
    rows = [{"src": ["a", "b"], "tgt": ["c", "d"]}, {"src": "x", "tgt": "y"}]
    told = {"src": ["a"], "tgt": ["b"], "system": "Be kind.", "context": {"system": "Be kind."}}
    dev.write_text("\n".join(map(json.dumps, [*rows, told])))
    first, second, third = dev_prompts(dev)
    assert [message["content"] for message in first.messages] == ["a", "c", "b"]
    assert first.reference == "d", "the answer that was hoped for"
    assert second == ([{"role": "user", "content": "x"}], "y")
    assert [turn["role"] for turn in third.messages] == ["system", "user"], "as it was trained"


@pytest.mark.parametrize("line", ["hello", "{}", '{"messages": [1]}', '{"messages": []}'])
def test_a_prompt_that_is_none_is_named_with_file_and_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"messages": [{"role": "user", "content": "a"}]}\n' + line + "\n")
    with pytest.raises(BadInput, match=r"prompts\.jsonl, line 2"):
        read_prompts(file)


def with_curves() -> dict[str, Any]:
    curves = {"loss": [(1, 4.0), (2, 3.0), (10, 0.4)], "eval_loss": [(5, 1.5), (10, 0.9)]}
    return {**content(), "curves": curves, "broken_steps": [7], "language": "en", "figures": {}}


class Outside(HTMLParser):
    """Everything in a page that would be fetched, and whether all tags are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts = 0
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        self.scripts += tag == "script"
        if tag not in ("meta", "br", "line", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()


def test_the_html_page_needs_nothing_from_outside() -> None:
    text = document(with_curves())
    page_of = Outside()
    page_of.feed(text)
    assert (page_of.fetched, page_of.scripts, page_of.open) == ([], 0, [])
    assert "prefers-color-scheme: dark" in text and "default-src 'none'" in text
    assert not re.findall(r"url\(|@import", text)
    assert text.count("<svg") == 1 and "Loss" in text
    assert "steersman chat demo" in text and "0.50" in text
    assert "no number at these steps: 7" in text


def test_no_answer_can_become_markup() -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    report = with_curves()
    report |= {
        "name": evil,
        "summary": evil,
        "samples": [{"question": evil, "base": evil, "tuned": evil}],
        "files": {evil: evil},
        "next": [(evil, evil)],
        "proofs": [{"name": evil, "passed": False, "sentence": evil, "measured": {evil: evil}}],
    }
    text = document(report)
    page_of = Outside()
    page_of.feed(text)
    assert (page_of.fetched, page_of.scripts) == ([], 0)
    assert "{{ 7 * 7 }}" in text and "✗" in text


def test_the_page_speaks_chinese() -> None:
    with speaking("zh"):
        text = document(with_curves() | {"language": "zh"})
    assert 'lang="zh-CN"' in text
    assert "Planned and measured" not in text and "Proofs" not in text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0.3, 4.2, [1, 2, 3, 4]),
        (0, 0.002, [0, 0.0005, 0.001, 0.0015, 0.002]),
        (-3, 3, [-2, 0, 2]),
        (5, 5, [5]),
    ],
)
def test_axes_have_round_marks(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_a_curve_without_two_points_is_not_drawn() -> None:
    assert chart([Curve("loss", [(1, 2.0)])], title="t", x_name="step") == ""
    assert chart([Curve("loss", [(1, math.nan), (2, math.inf)])], title="t", x_name="step") == ""
    flat = chart([Curve("loss", [(1, 2.0), (2, 2.0)])], title="t", x_name="step")
    assert "nan" not in flat and flat.count("<path") == 1


def test_long_curves_are_thinned_and_broken_steps_kept() -> None:
    metrics = [Metric(t=1, stage="train", step=step, values={"loss": 1.0}) for step in range(1, 5002)]
    metrics.append(Metric(t=1, stage="train", step=5002, values={"loss": math.nan}))
    view = fold(metrics)
    points = curves(view)["loss"]
    assert len(points) <= 2001 and points[0][0] == 1 and points[-1] == (5001, 1.0)
    assert broken_steps(view) == [5002]


def test_the_report_offers_commands_for_the_result(tmp_path: Path) -> None:
    offered = commands(scene("smollm2-135m-instruct"), "/runs/my model")
    vllm, fastdeploy, convert, flask = [command for _, command in offered]
    assert fastdeploy.startswith(
        "python -m fastdeploy.entrypoints.openai.api_server --model '/runs/my model'"
    )
    assert vllm == "vllm serve '/runs/my model' --max-model-len 256"
    assert convert == "steersman convert '/runs/my model' '/runs/my model'-paddle --to paddlenlp"
    assert "flask_server.py --model_name_or_path '/runs/my model'-paddle" in flask


def test_the_stage_writes_all_files_in_the_language_of_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real stage, on a journal with what a training leaves."""
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    planned = scene("smollm2-135m-instruct")
    wishes = planned.wishes.model_copy(update={"language": "zh"})
    run = create_run(tmp_path / "run", dumps(planned.model_copy(update={"wishes": wishes})))
    journal = Journal(run.journal)
    journal.append(
        Metric(t=1, stage="train", step=1, values={"loss": 3.0, "learning_rate": 1e-3}),
        Metric(t=2, stage="train", step=2, values={"loss": 2.0, "learning_rate": 5e-4}),
        State(t=3, stage="train", state="committed", figures={"train_seconds": 4.0, "steps": 2}, seconds=5),
    )
    journal.close()
    folder = run.stage("report").root
    folder.mkdir(parents=True)
    assert report_stage({"stage": "report", "stage_folder": str(folder), "run_folder": str(run.root)}) == 0
    written = json.loads((folder / "report.json").read_text())
    assert written["curves"]["loss"] == [[1, 3.0], [2, 2.0]]
    assert set(json.loads((folder / "result.json").read_text())["outputs"]) == {"report", "page", "html"}
    text = (run.root / "report.html").read_text()
    assert 'lang="zh-CN"' in text and text.count("<svg") == 2
