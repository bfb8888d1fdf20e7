"""Fixtures that all tests share: the real engine and a tiny real model."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.engine_start import QUICKLY
from tests.tiny_model import write_tiny_llama

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell's background jobs ignore Ctrl-C, and every process under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Keep what tests run out of the person's own lists of runs, plans and measured peaks.

    Engines and models, which take gigabytes, are those of the person.
    """
    from runtime.paths import home

    own, scratch = home(), Path(tempfile.mkdtemp(prefix="steersman-home-"))
    for name in ("engines", "models"):
        (own / name).mkdir(parents=True, exist_ok=True)
        (scratch / name).symlink_to(own / name)
    os.environ["STEERSMAN_HOME"] = str(scratch)
    config.add_cleanup(lambda: shutil.rmtree(scratch, ignore_errors=True))


LONG = (
    "test_train_process.py",
    "test_conversation.py",
    "test_acquire_hubs.py",
    "test_plan_screen.py",
    "test_run_commands.py",
    "test_paddleformers.py",
    "test_methods.py",
    "test_slash.py",
    "test_data_prepare.py",
    "test_train_exactness.py",
    "test_run_survival.py",
    "test_run_stop.py",
    "test_run_language.py",
    "test_plan_screen_files.py",
    "test_run_screen.py",
    "test_conversation_languages.py",
    "test_data_hub.py",
    "test_machines.py",
    "test_plan_command.py",
    "test_ask.py",
    "test_properties.py",
    "test_run_refuses.py",
    "test_data_command.py",
    "test_what_if_command.py",
)
"""Files that take longest, by the `time` of tests in reports/test.xml: from a minute to a quarter of one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, then those that start engines: the quick ones share out what is left.

    With `-n` whole files are handed out in this order (`--no-loadscope-reorder`), so that no process is left
    alone with a long one in the end.
    """
    engines = {item.path for item in items if item.get_closest_marker("engine")}

    def turn(item: pytest.Item) -> tuple[int, int]:
        name = item.path.name
        return LONG.index(name) if name in LONG else len(LONG), int(item.path not in engines)

    items.sort(key=turn)


CONVERT = """
import json, pathlib, sys
from paddlenlp.transformers import AutoModelForCausalLM, AutoTokenizer
source, destination = sys.argv[1:]
tokenizer_config = pathlib.Path(source, "tokenizer_config.json")
values = json.loads(tokenizer_config.read_text())
values["tokenizer_class"] = "PretrainedTokenizerFast"  # PaddleNLP's spelling
tokenizer_config.write_text(json.dumps(values))
model = AutoModelForCausalLM.from_pretrained(source, convert_from_torch=True, dtype="float32")
model.save_pretrained(destination, safe_serialization=True)
AutoTokenizer.from_pretrained(source).save_pretrained(destination)
"""


@pytest.fixture(scope="session")
def engine_python() -> Path:
    """The interpreter of the paddlenlp CPU engine: `STEERSMAN_TEST_ENGINE`, else the installed engine."""
    override = os.environ.get("STEERSMAN_TEST_ENGINE")
    if override:
        return Path(override)
    from runtime.paths import engines_folder

    python = engines_folder() / "paddlenlp-cpu" / "bin" / "python"
    if not python.exists():
        pytest.fail(
            f"no engine at {python}; `make test` installs it, or run `steersman engines install paddlenlp`"
        )
    return python


@pytest.fixture(scope="session")
def paddleformers_python() -> Path:
    """The interpreter of the paddleformers CPU engine."""
    from runtime.paths import engines_folder

    python = engines_folder() / "paddleformers-cpu" / "bin" / "python"
    if not python.exists():
        pytest.fail(
            f"no engine at {python}; `make test` installs it, or `steersman engines install paddleformers`"
        )
    return python


@pytest.fixture(scope="session")
def tiny_hf_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny llama as a Hugging Face folder. Never write into it."""
    return write_tiny_llama(tmp_path_factory.mktemp("tiny") / "hf")


@pytest.fixture(scope="session")
def tiny_paddle_model(
    tiny_hf_model: Path, engine_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same tiny llama in PaddleNLP's own format. Never write into it."""
    import shutil

    copy = tmp_path_factory.mktemp("tiny") / "copy"
    shutil.copytree(tiny_hf_model, copy)
    destination = copy.parent / "paddle"
    subprocess.run(
        [str(engine_python), "-c", QUICKLY + CONVERT, str(copy), str(destination)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return destination
