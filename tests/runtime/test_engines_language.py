"""What engines say to a person who reads Chinese."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planner.errors import BadInput
from planner.language import speaking
from runtime.engines.check import CheckReport
from runtime.engines.interpreter import find_interpreter
from runtime.engines.probe_words import SENTENCES, spoken
from runtime.engines.registry import python_of
from runtime.engines.remedies import (
    CHECK,
    INSTALLATION,
    SIGNALS,
    explain_check,
    explain_installation,
    explain_signal,
)
from runtime.health import Finding
from tests.tui.test_run_language import english

PROBED = (
    "212 packages are as they were installed",
    "Paddle 3.3.1 starts",
    "The CPU is its device",
    "Paddle sees 1 GPU",
    "Paddle sees 8 GPUs",
    "Matrix product, a * b and a / b equal NumPy's within 2e-07",
    "Paddle tensors survive safetensors",
    "PaddleNLP 3.0.0b4 imports",
    "Both paddlepaddle and paddlepaddle-gpu are installed; they overwrite each other's files",
    "Packages were changed after the installation: pip is gone, not 25.0; numpy is 2.1, not 1.26.4",
    "Packages were changed after the installation: pip is gone, not 25.0 and 2 more",
    "This Paddle is compiled with CUDA, but the build is cpu",
    "This Paddle is compiled without CUDA, but the build is cu126",
    "safetensors returned other values than were written",
)
"""Sentences of runtime/workers/check.py, one for every row of the table."""


def test_a_missing_engine_is_explained_in_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path))
    folder = tmp_path / "engines/paddlenlp-cpu"
    with speaking("zh"):
        with pytest.raises(BadInput) as caught:
            python_of("paddlenlp", "cpu")
        assert caught.value.sentence() == (
            f"引擎 paddlenlp（cpu）没有安装在 {folder}。"
            "请运行 `steersman engines install paddlenlp --build cpu`。"
        )
    with pytest.raises(BadInput) as caught:
        python_of("paddlenlp", "cpu")
    assert caught.value.remedy == "Run `steersman engines install paddlenlp --build cpu`."


def test_a_missing_python_is_explained_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with speaking("zh"):
        with pytest.raises(BadInput) as caught:
            find_interpreter(["2.6"], "it needs NumPy 1.26, which has no wheel for Python 3.13")
        said = caught.value.sentence().replace("apt install", "").replace("uv python install", "")
    assert english(said) == []


@pytest.mark.parametrize("words", PROBED)
def test_a_probe_speaks_both_languages(words: str) -> None:
    assert spoken(words) == f"{words}."
    with speaking("zh"):
        told = spoken(words)
    assert told.endswith("。") and english(told) == []


def test_every_sentence_of_a_probe_is_tried() -> None:
    first = [next(row for row in SENTENCES if re.fullmatch(row[0], words)) for words in PROBED]
    assert set(first) == set(SENTENCES)


def test_other_words_of_a_probe_stay_as_they_are() -> None:
    with speaking("zh"):
        assert spoken("ValueError: odd") == "ValueError: odd."
        assert spoken("已经是一句。") == "已经是一句。"


def test_remedies_are_chinese() -> None:
    with speaking("zh"):
        said = [explain_signal(number, "paddlenlp", "cpu") for number in (*SIGNALS, 5)]
        said += [explain_check("No module named 'paddle'", "paddlenlp", "cpu")]
        said += [explain_check("", "paddlenlp", "cpu")]
        full = explain_installation("error: No space left on device", Path("/x.log"))
        assert full.sentence().endswith("然后再运行一次。日志：/x.log。")
    assert said[-2] == (
        "引擎里缺少一个软件包：paddle。",
        "请用 `steersman engines install paddlenlp --build cpu --fresh` 把它装回去。",
    )
    for text in (text for pair in said for text in pair):
        assert re.search("[一-鿿]", text) and "{" not in text
    assert len(INSTALLATION) + len(CHECK) > 10


def test_an_earlier_proof_is_told_in_the_language_of_the_moment() -> None:
    finding = Finding(level="ok", subject="paddle", sentence="Paddle 3.3.1 starts.")
    report = CheckReport(
        engine="paddlenlp",
        build="cpu",
        ok=True,
        findings=(finding,),
        seconds=1,
        key="",
        proved={"paddle": "Paddle 3.3.1 starts"},
    )
    with speaking("zh"):
        told = report.said_again(finding)
    assert told.sentence == "Paddle 3.3.1 可以启动。"
    assert report.said_again(told) == finding
