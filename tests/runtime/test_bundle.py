"""The archive for support: it tells what happened, and holds no secret, no name and no row of the data."""

from __future__ import annotations

import getpass
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from planner.facts import Facts
from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime.acquire.resolve import resolve_model
from runtime.bundle import write_bundle
from runtime.bundle_redaction import Redaction, extended, shared_rows
from runtime.data.scan import scan
from runtime.events import Error, Log
from runtime.probe import probe_hardware
from runtime.run.journal import Journal
from runtime.run.layout import RunFolder, create_run
from runtime.run.stage_process import StageFolder

SECRETS = {
    "HF_TOKEN": "hf_AbCdEfGhIjKlMnOpQrStUv",
    "SWANLAB_API_KEY": "swankeyswankeyswankey",
    "MY_DATABASE_PASSWORD": "correct-horse-battery",
}
UNKNOWN = "sk-proj-0123456789abcdefghijkl"
"""A token that is in nobody's environment."""
ROWS = [
    {
        "src": "What does the harbour master keep in the blue cabinet?",
        "tgt": "Charts of the northern shoals.",
    },
    {"src": "Wie heißt das Schiff mit dem roten Rumpf?", "tgt": 'Es heißt "Möwe", sagt der Kapitän.'},
    {
        "src": "Patient Jane Q. Public, born 1970-01-01:\nwhat is the dose?",
        "tgt": "Ten milligrams, twice a day.",
    },
]


@pytest.fixture
def run(tmp_path: Path, tiny_hf_model: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run whose every text is full of what must not be packed."""
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS * 10))
    data = scan(str(rows), tiny_hf_model, max_length=512, src_length=256, seed=42, dev_fraction=0.1)
    facts = Facts(model=resolve_model(str(tiny_hf_model)), data=data.facts, hardware=probe_hardware(tmp_path))
    run = create_run(tmp_path / "run", dumps(make_plan(facts, Wishes(pins={"method": "lora"}))))
    train = fill(run.stage("train"))
    (train.launch / "workerlog.0").write_text(f"Authorization: Bearer {UNKNOWN}\n{SECRETS['HF_TOKEN']}\n")
    (train.root / "output").mkdir()
    (train.root / "output" / "model.safetensors").write_bytes(b"weights" * 100)
    prompts = [[{"role": "user", "content": row["src"]}] for row in ROWS]
    generate = fill(run.stage("generate"))
    generate.spec.write_text(json.dumps({"stage": "generate", "prompts": prompts, "max_new_tokens": 9}))
    prepared = run.stage("prepare").root / "data"
    prepared.mkdir(parents=True)
    (prepared / "train.json").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    journal = Journal(run.journal)
    journal.append(
        Log(t=1, stage="train", message=f"Row 3 cannot be used: {ROWS[2]['src']}"),
        Error(t=2, stage="train", what="It failed.", why=f"password={SECRETS['MY_DATABASE_PASSWORD']}"),
    )
    journal.close()
    return run


def fill(folder: StageFolder) -> StageFolder:
    """Write a log that quotes rows in every way, and secrets."""
    folder.launch.mkdir(parents=True)
    lines = [f"step 1 loss 2.5 in {Path.home()}/somewhere by {getpass.getuser()}"]
    lines += [f"ValueError: bad row {row!r}" for row in ROWS]
    lines += [json.dumps(row) for row in ROWS] + [json.dumps(row, ensure_ascii=False) for row in ROWS]
    lines += [f"... {ROWS[0]['src'][10:45]} ...", f"api_key = {SECRETS['SWANLAB_API_KEY']}"]
    lines += ["https://user:hunter2hunter2@example.org/x", "RuntimeError: the moon is full"]
    folder.log.write_text("\n".join(lines) + "\n")
    return folder


def packed(archive: Path) -> dict[str, str]:
    with tarfile.open(archive) as opened:
        found = {}
        for member in opened.getmembers():
            file = opened.extractfile(member)
            assert file is not None and (member.uname, member.uid) == ("", 0)
            found[member.name.partition("/")[2]] = file.read().decode()
        return found


def test_no_secret_no_name_and_no_row_is_in_the_archive(run: RunFolder, tmp_path: Path) -> None:
    archive = tmp_path / "bundle.tar.gz"
    bundle = write_bundle(run, archive, lambda: f"ok login: {SECRETS['HF_TOKEN']}\n", SECRETS)
    inside = packed(archive)
    whole = "\n".join(inside.values())
    for secret in (*SECRETS.values(), UNKNOWN, "hunter2hunter2"):
        assert secret not in whole
    for row in ROWS:
        for text in row.values():
            for written in (text, json.dumps(text)[1:-1], repr(text)[1:-1]):
                pieces = [written[start : start + 20] for start in range(0, max(1, len(written) - 20), 5)]
                assert not [piece for piece in pieces if piece in whole], text
    assert str(tmp_path) not in whole and str(Path.home()) + "/" not in whole
    assert bundle.tokens >= 6 and bundle.rows >= 9 and bundle.names >= 2
    assert not list(tmp_path.glob(".*.partial"))


def test_it_tells_what_happened_and_lists_what_is_not_there(run: RunFolder, tmp_path: Path) -> None:
    archive = tmp_path / "bundle.tar.gz"
    bundle = write_bundle(run, archive, lambda: "ok machine: two cores\n", SECRETS)
    inside = packed(archive)
    assert {"plan.yaml", "journal.jsonl", "doctor.txt", "contents.txt", "origin.json"} <= set(inside)
    assert {"stages/train/log.txt", "stages/train/launch/workerlog.0"} <= set(inside)
    assert "RuntimeError: the moon is full" in inside["stages/train/log.txt"]
    assert "step 1 loss 2.5 in ~/somewhere" in inside["stages/train/log.txt"]
    assert "learning_rate" in inside["plan.yaml"]
    assert len(inside["journal.jsonl"].splitlines()) == 2
    asked = json.loads(inside["stages/generate/spec.json"])
    assert asked == {"stage": "generate", "prompts": "<removed>: 3", "max_new_tokens": 9}
    contents = inside["contents.txt"]
    assert "Inside:" in contents and "Left out:" in contents
    assert "stages/train/output (700 B)" in contents
    assert "stages/prepare/data" in contents
    assert not any("safetensors" in name or "train.json" in name for name in inside)
    assert {packed.name for packed in bundle.inside} | {"contents.txt"} == set(inside)


def test_the_command_packs_the_latest_run_and_names_the_archive(run: RunFolder, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tui.command_line", "bundle", str(run.root), "-o", "a.tar.gz", "--list"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "a.tar.gz")
    assert "journal.jsonl" in done.stdout and "the data itself" in done.stderr
    assert "ok machine: " in packed(tmp_path / "a.tar.gz")["doctor.txt"]
    refused = subprocess.run([*command[:4], "no-such-run"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2


def test_pieces_are_as_long_as_what_both_texts_share() -> None:
    log = "error in <<the quick brown fox jumps over the lazy dog>> end"
    assert shared_rows([log], ["xx the quick brown fox jumps over the lazy cat"]) == (
        "the quick brown fox jumps over the lazy ",
    )
    assert extended("0123456789abcdefXY", 0, "0123456789abcdefZ", 0) == "0123456789abcdef"
    assert shared_rows([log], ["short", "=" * 40]) == ()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("token: abcdefghijklmnop", "token: <removed>"),
        ('{"api_key": "abcdefghijklmnop"}', '{"api_key": "<removed>"}'),
        ("https://me:secretword@host/x", "https://<removed>@host/x"),
        ("AKIAABCDEFGHIJKLMNOP", "<removed>"),
        ("tokens_per_second: 105.5", "tokens_per_second: 105.5"),
        ("max_new_tokens: 200", "max_new_tokens: 200"),
        ("loss 2.5 at step 3", "loss 2.5 at step 3"),
    ],
)
def test_tokens_are_known_by_their_shape_and_figures_stay(text: str, kept: str) -> None:
    assert Redaction((), ()).clean(text) == kept
