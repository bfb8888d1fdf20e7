"""Upload by the hubs' own clients to a hub on the loopback, and the model card that goes with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.errors import BadInput
from planner.planfile import loads
from runtime.events import Metric, Proof, State
from runtime.model_card import card
from runtime.run.journal import Journal
from runtime.run.layout import RunFolder
from runtime.run.status import read_status
from runtime.upload.uploading import pack
from tests.runtime.finished_run import finished_run
from tests.runtime.upload_hub import taking
from tests.tiny_model import write_tiny_llama

LEFT_ALONE = ("HF_TOKEN", "MODELSCOPE_API_TOKEN", "AISTUDIO_ACCESS_TOKEN", "HUGGING_FACE_HUB_TOKEN")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run with figures, answers and proofs."""
    model = write_tiny_llama(tmp_path / "model")
    run = finished_run(tmp_path / "run", {"convert": ("model", model), "merge": ("model", model)})
    samples = run.root / "samples.json"
    pairs = [
        {"prompt": [{"role": "user", "content": "Who are you?"}], "base": "A model.", "tuned": "Steersman."}
    ]
    samples.write_text(json.dumps(pairs))
    journal, now = Journal(run.journal), time.time()
    for step, loss in ((1, 2.5), (9, 1.25)):
        journal.append(Metric(t=now, stage="train", step=step, values={"loss": loss}))
    known = {"samples": {"path": str(samples), "files": {}, "bytes": 0}}
    figures = {"base_bleu4": 0.1, "tuned_bleu4": 0.4}
    journal.append(State(t=now, stage="generate", state="committed", outputs=known, figures=figures))
    journal.append(Proof(t=now, stage="merge", name="merge.logits", passed=True, sentence="They are equal."))
    journal.close()
    return run


def upload(hub: Any, run: RunFolder, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a home of its own, so that no login of this machine is used."""
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_ALONE}
    home = run.root.parent
    environment = {
        **kept,
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "STEERSMAN_HOME": str(home / "steersman"),
    }
    command = [sys.executable, "-m", "tui.command_line", "upload", str(run.root), *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        env={**environment, **(hub.environment() if hub else {})},
    )


@pytest.mark.parametrize(
    ("to", "token"),
    [
        ("huggingface", "Bearer hf_write"),
        ("modelscope", "Bearer ms-write"),
        ("aistudio", "token as-write"),
    ],
)
def test_everything_arrives_as_it_is(to: str, token: str, run: RunFolder) -> None:
    with taking() as hub:
        done = upload(hub, run, "--to", to, "--repo", "me/tiny", "--private")
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip().endswith("me/tiny")
        arrived = hub.files["me/tiny"]
        assert token in hub.tokens
        asked = hub.created[0]
        assert asked.get("private") or asked.get("visibility") == "private" or asked.get("Visibility") == 1
    folder = run.root.parent / "model"
    sent = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name: arrived[name] for name in sent} == sent
    assert set(arrived) - set(sent) - {".gitattributes"} == {"README.md"}
    assert arrived["README.md"].startswith(b"---\n")
    assert not (folder / "README.md").exists()


def test_a_dry_run_sends_nothing_and_its_card_can_be_edited(run: RunFolder) -> None:
    with taking() as hub:
        done = upload(hub, run, "--to", "huggingface", "--repo", "me/tiny", "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "model.safetensors" in done.stdout and "README.md" in done.stdout
        assert not hub.asked
        (run.root / "MODEL_CARD.md").write_text("my own card\n")
        assert upload(hub, run, "--to", "huggingface", "--repo", "me/tiny").returncode == 0
        assert hub.files["me/tiny"]["README.md"] == b"my own card\n"


@pytest.mark.parametrize("to", ["huggingface", "modelscope", "aistudio"])
def test_without_a_token_nothing_is_sent(to: str, run: RunFolder) -> None:
    done = upload(None, run, "--to", to, "--repo", "me/tiny")
    assert done.returncode == 2
    assert "needs a token" in done.stderr and "Traceback" not in done.stderr


def test_a_hub_that_refuses_is_one_sentence(run: RunFolder) -> None:
    with taking() as hub:
        hub.status = 403
        done = upload(hub, run, "--to", "huggingface", "--repo", "me/tiny")
    assert done.returncode == 2
    assert "does not let you write to me/tiny" in done.stderr and "hf_write" not in done.stderr


def test_a_file_that_a_hub_leaves_out_is_missed(run: RunFolder) -> None:
    """AI Studio's client only prints it."""
    with taking() as hub:
        hub.forbidden = [".safetensors"]
        done = upload(hub, run, "--to", "aistudio", "--repo", "me/tiny")
    assert done.returncode == 2
    assert "did not take model.safetensors" in done.stderr


def test_a_repository_has_an_owner(run: RunFolder) -> None:
    with pytest.raises(BadInput, match="no name of a repository"):
        pack(run, loads(run.plan.read_text(), "plan"), "tiny")


def test_the_card_says_what_was_done_and_quotes_no_data(run: RunFolder) -> None:
    plan = loads(run.plan.read_text(), "plan")
    names = ("loss", "perplexity", "accuracy")
    looks = {f"{name}_{when}": 0.5 for name in names for when in ("before", "after")}
    measured = {"method": "weight_only_int8", "rows": 8, "same_best_token": 0.5, **looks}
    (run.root / "quantise").mkdir()
    (run.root / "quantise" / "accuracy-weight_only_int8.json").write_text(json.dumps(measured))
    text = card(run, plan, read_status(run).view, "me/tiny")
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license"] == "apache-2.0" and head["pipeline_tag"] == "text-generation"
    for part in (
        "2.500 → 1.250",
        "0.100 → 0.400",
        "They are equal.",
        "weight-only int8: loss on 8",
        "`learning_rate`",
        "Steersman.",
        '"me/tiny"',
    ):
        assert part in text
    private = plan.model_copy(
        update={
            "facts": plan.facts.model_copy(
                update={"data": plan.facts.data.model_copy(update={"path": "/home/x/my.jsonl"})}
            )
        }
    )
    hidden = card(run, private, read_status(run).view, "me/tiny")
    assert "Who are you?" not in hidden and "A model." not in hidden
