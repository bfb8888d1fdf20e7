"""The three hubs' own clients against a hub on the loopback: pinned, resumed, verified, or refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.facts import ModelSource
from runtime.acquire.fetch import slug
from runtime.acquire.resolve import resolve_model
from runtime.paths import PROJECT
from runtime.workers.folder_manifest import verify
from tests.runtime.hub_server import COMMIT, MODEL, HubServer, serving
from tests.runtime.stand_in_run import wait_until
from tests.tiny_model import write_tiny_llama

HUBS = ("huggingface", "modelscope", "aistudio")
RESOLVE = """
import sys
from runtime.acquire.resolve import resolve_model
print(resolve_model(sys.argv[1]).model_dump_json())
"""
PIN = """
import sys
from planner.facts import ModelFacts
from runtime.gather import pinned
facts = ModelFacts.model_validate_json(sys.argv[1])
print(pinned(facts, lambda sentence: print(sentence, file=sys.stderr)).source.revision)
"""
REFUSED = """
import sys
from planner.errors import BadInput
from runtime.acquire.resolve import resolve_model
for name in sys.stdin:
    try:
        resolve_model(name.strip())
    except BadInput as error:
        print(error.sentence(), flush=True)
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the hub holds: 25 MB of safetensors, and files that must stay there."""
    folder = write_tiny_llama(
        tmp_path_factory.mktemp("hub") / "tiny", layers=3, hidden=512, heads=8, kv_heads=4
    )
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling_tiny.py").write_text("raise SystemExit")
    return folder


@pytest.fixture
def hub(published: Path) -> Iterator[HubServer]:
    with serving(published) as server:
        yield server


def environment(server: HubServer, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    caches = {
        "HF_HOME": str(home / "hf"),
        "MODELSCOPE_CACHE": str(home / "ms"),
        "AISTUDIO_CACHE_HOME": str(home),
    }
    return {**kept, **server.environment(), **caches, "STEERSMAN_HOME": str(home), "HOME": str(home)}


def start_stage(
    server: HubServer, kind: str, home: Path, **source: str
) -> tuple[subprocess.Popen[bytes], Path]:
    folder = home / "stage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    spec = {
        "stage": "acquire",
        "stage_folder": str(folder),
        "source": {"kind": kind, "id": MODEL, **source},
        "models_folder": str(home / "models"),
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "runtime.stages.acquire", str(folder / "spec.json")]
    log = (folder / "log.txt").open("wb")
    return subprocess.Popen(
        command, cwd=PROJECT, env=environment(server, home), stdout=log, stderr=log
    ), folder


def events(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "events-rank0.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", HUBS)
def test_a_hub_model_becomes_a_whole_verified_folder(
    kind: str, hub: HubServer, published: Path, tmp_path: Path
) -> None:
    process, stage = start_stage(hub, kind, tmp_path)
    assert process.wait(60) == 0, (stage / "log.txt").read_text()
    model = Path(json.loads((stage / "result.json").read_text())["outputs"]["model"])
    about, flaw = verify(model)
    assert about is not None, flaw
    for name in ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"):
        assert (model / name).read_bytes() == (published / name).read_bytes()
    assert not (model / "pytorch_model.bin").exists() and not (model / "modeling_tiny.py").exists()
    assert sorted(path.name for path in model.iterdir()) == [
        "config.json", "generation_config.json", "model.safetensors", "steersman-manifest.json",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip

    hub.ranges.clear()
    process, stage = start_stage(hub, kind, tmp_path)
    assert process.wait(60) == 0
    assert hub.ranges == [] and any("Reusing" in str(event.get("message")) for event in events(stage))


def partial(folder: Path) -> bool:
    """Whether a client has written part of what arrived, under whatever name."""
    sizes = (path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return any(size > 1024 * 1024 for size in sizes)


@pytest.mark.parametrize("kind", HUBS)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_interrupted_download_resumes_where_it_stopped(
    kind: str, how: signal.Signals, hub: HubServer, published: Path, tmp_path: Path
) -> None:
    hub.stall_after = 16 * 1024 * 1024
    process, stage = start_stage(hub, kind, tmp_path)
    assert hub.stalled.wait(60), (stage / "log.txt").read_text()
    wait_until(lambda: partial(tmp_path), "a part of the weights was written")
    process.send_signal(how)
    code = process.wait(30)
    destination = tmp_path / "models" / slug(ModelSource(kind=kind, id=MODEL))  # type: ignore[arg-type]
    assert not destination.exists() and not (stage / "result.json").exists()
    if how == signal.SIGTERM:
        assert code == 0 and events(stage)[-1]["state"] == "stopped"

    hub.stall_after = None
    hub.ranges.clear()
    process, stage = start_stage(hub, kind, tmp_path)
    assert process.wait(60) == 0, (stage / "log.txt").read_text()
    assert any(start > 0 for _, start in hub.ranges), "the download started again from zero"
    assert (destination / "model.safetensors").read_bytes() == (published / "model.safetensors").read_bytes()


@pytest.mark.parametrize("kind", HUBS)
def test_facts_come_without_weights_and_pinned_to_a_commit(kind: str, hub: HubServer, tmp_path: Path) -> None:
    prefix = {"huggingface": "hf"}.get(kind, kind)
    command = [sys.executable, "-c", RESOLVE, f"{prefix}:{MODEL}"]
    run = subprocess.run(command, cwd=PROJECT, env=environment(hub, tmp_path), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout)  # Nothing but the answer may stand on stdout.
    assert hub.ranges == []
    assert facts["source"] == {"kind": kind, "id": MODEL, "revision": COMMIT, "sha256": None}
    assert (facts["hidden_size"], facts["num_hidden_layers"], facts["has_chat_template"]) == (512, 3, True)

    hub.shutdown()
    hub.server_close()
    again = subprocess.run(
        command, cwd=PROJECT, env=environment(hub, tmp_path), capture_output=True, text=True
    )
    assert json.loads(again.stdout) == facts, "planned before, so it can be planned again offline"


def test_a_catalogue_model_is_pinned_when_the_hub_answers_and_says_so_when_not(
    hub: HubServer, tmp_path: Path
) -> None:
    known = resolve_model("qwen2.5-7b-instruct")
    facts = known.model_copy(update={"source": ModelSource(kind="huggingface", id=MODEL)})
    command = [sys.executable, "-c", PIN, facts.model_dump_json()]

    def pin() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=PROJECT, env=environment(hub, tmp_path), capture_output=True, text=True
        )

    assert pin().stdout.strip() == COMMIT
    hub.shutdown()
    hub.server_close()
    offline = pin()
    assert offline.stdout.strip() == "None"
    assert "cannot be reached" in offline.stderr


@pytest.fixture(scope="module")
def asking(
    published: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[HubServer, subprocess.Popen[str]]]:
    """A process that resolves one name for each line that it reads: the clients are imported once. What it
    printed besides the answers fails here, in the end."""
    home = tmp_path_factory.mktemp("asking")
    with serving(published) as hub:
        process = subprocess.Popen(
            [sys.executable, "-c", REFUSED],
            cwd=PROJECT,
            env=environment(hub, home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        yield hub, process
        more, errors = process.communicate(timeout=60)
        assert (more, process.returncode) == ("", 0) and "Traceback" not in errors, more + errors


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("hf:someone/absent", 0, "Hugging Face has no model someone/absent"),
        ("hf:someone/tiny@nowhere", 0, "no revision nowhere"),
        ("ms:someone/absent", 0, "ModelScope has no model someone/absent"),
        ("aistudio:someone/absent", 0, "AI Studio has no model someone/absent"),
        ("hf:someone/tiny", 403, "does not let you read someone/tiny"),
        ("ms:someone/tiny", 403, "does not let you read someone/tiny"),
    ],
)
def test_a_refusal_is_one_sentence(
    name: str, status: int, expected: str, asking: tuple[HubServer, subprocess.Popen[str]]
) -> None:
    hub, process = asking
    hub.status = status
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{name}\n")
    process.stdin.flush()
    assert expected in process.stdout.readline()


@pytest.mark.parametrize("kind", HUBS)
def test_an_unreachable_hub_is_one_sentence_in_the_stage(kind: str, hub: HubServer, tmp_path: Path) -> None:
    hub.shutdown()
    hub.server_close()
    process, stage = start_stage(hub, kind, tmp_path)
    assert process.wait(90) == 1
    error = events(stage)[-1]
    assert error["kind"] == "error" and "cannot be reached" in str(error["what"]), error
    assert not (stage / "result.json").exists()


def test_a_file_that_is_not_the_announced_one_is_refused(hub: HubServer, tmp_path: Path) -> None:
    hub.corrupt = "model.safetensors"
    process, stage = start_stage(hub, "huggingface", tmp_path)
    assert process.wait(60) == 1
    assert "arrived damaged" in str(events(stage)[-1]["what"])
    hub.corrupt = ""
    process, _ = start_stage(hub, "huggingface", tmp_path)
    assert process.wait(60) == 0


def test_a_token_goes_to_the_hub_and_nowhere_else(hub: HubServer, tmp_path: Path) -> None:
    os.environ["HF_TOKEN"] = "hf_secretsecretsecret"
    try:
        process, _ = start_stage(hub, "huggingface", tmp_path)
    finally:
        del os.environ["HF_TOKEN"]
    assert process.wait(60) == 0
    assert "Bearer hf_secretsecretsecret" in hub.tokens
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if b"hf_secretsecretsecret" in path.read_bytes()]
