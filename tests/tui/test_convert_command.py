"""`steersman convert`, `export-adapter` and `merge-adapters`: what they do without an engine, and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from planner.errors import BadInput
from runtime.adapter_merge import parse_weights
from runtime.conversion import kind_of
from tests.runtime.model_folders import fingerprint
from tests.runtime.torch_files import as_bins
from tests.tiny_model import write_tiny_llama
from tui.command_line import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


class Done(NamedTuple):
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def steersman(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in this process."""

    def run(*arguments: str | Path) -> Done:
        code = main([str(argument) for argument in arguments])
        return Done(int(code or 0), *capsys.readouterr())

    return run


def test_torch_weights_become_safetensors_without_an_engine(
    steersman: Callable[..., Done], tmp_path: Path
) -> None:
    original = load_file(write_tiny_llama(tmp_path / "original") / "model.safetensors")
    source = as_bins(write_tiny_llama(tmp_path / "mine"), 2)
    before = fingerprint(source)
    done = steersman("convert", source, tmp_path / "out", "--to", "huggingface")
    assert done.code == 0, done.stderr
    found = load_file(tmp_path / "out" / "model.safetensors")
    assert all(np.array_equal(found[name], value) for name, value in original.items())
    assert "a llama model" in done.stdout and fingerprint(source) == before
    again = steersman("convert", source, tmp_path / "out", "--to", "huggingface")
    assert (again.code, "exists already" in again.stderr) == (2, True)


def test_what_lies_in_a_folder_is_told_by_its_files(tmp_path: Path) -> None:
    hf = write_tiny_llama(tmp_path / "hf")
    assert kind_of(hf) == "huggingface"
    assert kind_of(as_bins(write_tiny_llama(tmp_path / "bin"))) == "bin"
    paddle = tmp_path / "paddle"
    paddle.mkdir()
    save_file(load_file(hf / "model.safetensors"), paddle / "model.safetensors", metadata={"format": "np"})
    assert kind_of(paddle) == "paddlenlp"
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "model_state.tp00.pdparams").touch()
    assert kind_of(cut) == "paddlenlp"
    (tmp_path / "model.gguf").touch()
    assert kind_of(tmp_path / "model.gguf") == "gguf"
    with pytest.raises(BadInput, match="There is no model at"):
        kind_of(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no weights"):
        kind_of(tmp_path / "empty")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("convert", "{hf}", "{out}", "--to", "huggingface"), "is a Hugging Face folder already"),
        (("convert", "{hf}", "{hf}/inside", "--to", "paddlenlp"), "which is never written to"),
        (("convert", "{hf}", "{out}", "--to", "onnx"), "huggingface"),
        (("convert", "{none}", "{out}", "--to", "paddlenlp"), "There is no model at"),
        (("convert", "{hf}", "{out}", "--to", "paddlenlp"), "is not installed"),
        (("export-adapter", "{adapter}"), "Say where to write the adapter"),
        (("export-adapter", "{none}"), "none"),
        (("merge-adapters", "{adapter}", "-o", "{out}"), "name at least two"),
        (("merge-adapters", "{adapter}", "{adapter}", "-o", "{out}"), "--base FOLDER"),
        (
            ("merge-adapters", "{adapter}", "{adapter}", "--base", "{hf}", "--weights", "1", "-o", "{out}"),
            "1 weights",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    steersman: Callable[..., Done], arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    hf, adapter = write_tiny_llama(tmp_path / "hf"), tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "lora_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 4}))
    places = {"hf": hf, "out": tmp_path / "out", "none": tmp_path / "none", "adapter": adapter}
    done = steersman(*(argument.format(**places) for argument in arguments))
    assert done.code == 2, done.stderr
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["a,b", "1", "1,2,3", "1,inf", ""])
def test_weights_are_one_number_for_each_adapter(text: str) -> None:
    assert parse_weights(None, 2) == [1.0, 1.0] and parse_weights("0.7, -0.3", 2) == [0.7, -0.3]
    with pytest.raises(BadInput):
        parse_weights(text, 2)


@pytest.mark.parametrize("command", ["convert", "export-adapter", "merge-adapters"])
def test_each_command_has_help_with_examples(steersman: Callable[..., Done], command: str) -> None:
    done = steersman(command, "--help")
    assert done.code == 0 and "Examples:" in done.stdout
