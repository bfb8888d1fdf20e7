"""Data sets of the hubs, by their own clients, against a hub on the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.errors import BadInput
from runtime.data.hub_data import HubData, choose, read_name, role_of
from runtime.paths import PROJECT
from tests.runtime.data_files import write_rows
from tests.runtime.hub_server import COMMIT, MODEL, Handler, HubServer, serving

READ = """
import json, sys
from planner.errors import BadInput
from runtime.data.scan import scan
try:
    found = scan(sys.argv[1], None)
    print(json.dumps({"facts": found.facts.model_dump(mode="json"), "rows": found.rows_read}))
except BadInput as error:
    print(json.dumps({"error": error.sentence()}))
"""


class DataHandler(Handler):
    """The same folder as a data set."""

    def answer(self, body: bool) -> None:
        self.server.__dict__.setdefault("paths", []).append((self.command, self.path))
        if self.path.startswith(f"/api/datasets/{MODEL}/tree/"):  # what `datasets` asks
            entries = [
                {"type": "file", "path": name, "size": self.size(name), "oid": "b"} for name in self.names()
            ]
            self.json(entries)  # type: ignore[arg-type]
            return
        for ours, theirs in (("/api/datasets/", "/api/models/"), ("/datasets/", "/"),
                             ("/api/v1/datasets/", "/api/v1/models/")):  # fmt: skip
            if self.path.startswith(ours):
                self.path = theirs + self.path.removeprefix(ours)
                if "/repo/tree" in self.path:
                    self.path = self.path.replace("/repo/tree", "/repo/files")
                break
        super().answer(body)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    folder = tmp_path / "published"
    rows = [{"instruction": f"question {n}", "output": f"answer {n}"} for n in range(30)]
    write_rows(folder / "train-00000-of-00002.parquet", rows[:10])
    write_rows(folder / "train-00001-of-00002.parquet", rows[10:])
    write_rows(folder / "validation.parquet", [{"instruction": "dev", "output": "x"}])
    write_rows(folder / "test.parquet", [{"instruction": "test", "output": "x"}])
    (folder / "README.md").write_text("# Rows")
    with serving(folder) as server:
        server.RequestHandlerClass = DataHandler
        yield server


def ask(server: HubServer, home: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    caches = {"HF_HOME": str(home / "hf"), "MODELSCOPE_CACHE": str(home / "ms"), "HOME": str(home)}
    return subprocess.run(
        [sys.executable, *(["-c", code] if code else []), *arguments],
        cwd=PROJECT,
        env={**kept, **server.environment(), **caches, "STEERSMAN_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("name", [MODEL, f"ms:{MODEL}", f"aistudio:{MODEL}"])
def test_a_set_is_fetched_once_and_pinned(name: str, hub: HubServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    ended = ask(hub, home, READ, name)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout)
    assert "error" not in found, found
    assert (found["facts"]["train_rows"], found["facts"]["dev_rows"]) == (30, 1)
    assert (found["facts"]["path"], found["facts"]["dev_given"]) == (name, True)
    (folder,) = (home / "data").iterdir()
    if not name.startswith("ms:"):  # ModelScope's server tells the commits of files only
        assert folder.name.endswith(COMMIT[:12])
    before = sorted(path.stat().st_mtime_ns for path in folder.rglob("*.parquet"))
    assert json.loads(ask(hub, home, READ, name).stdout) == found
    assert sorted(path.stat().st_mtime_ns for path in folder.rglob("*.parquet")) == before


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("hf:someone/nothing", 0, "Hugging Face has no data set someone/nothing"),
        ("aistudio:someone/nothing", 0, "AI Studio has no data set someone/nothing"),
        (f"hf:{MODEL}", 403, "only to people who are allowed to have it. Set HF_TOKEN"),
    ],
)
def test_refusals(name: str, status: int, said: str, hub: HubServer, tmp_path: Path) -> None:
    hub.status = status
    ended = ask(hub, tmp_path / "home", READ, name)
    assert said in json.loads(ended.stdout)["error"]


def test_the_first_rows_are_streamed(hub: HubServer, tmp_path: Path) -> None:
    out = tmp_path / "first.jsonl"
    arguments = ["-m", "tui.command_line", "data", "fetch", f"hf:{MODEL}", "--rows", "5", "-o", str(out)]
    ended = ask(hub, tmp_path / "home", "", *arguments)
    assert ended.returncode == 0, ended.stderr[-2000:]
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows == [{"instruction": f"question {n}", "output": f"answer {n}"} for n in range(5)]
    asked = " ".join(path for _, path in hub.__dict__["paths"])
    assert "train-00000" in asked
    assert "train-00001-of-00002.parquet" not in asked
    assert not (tmp_path / "home" / "data").exists()


def test_nobody_answers(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        pass
    ended = ask(server, tmp_path / "home", READ, f"hf:{MODEL}")
    assert "Hugging Face cannot be reached." in json.loads(ended.stdout)["error"]


def test_names() -> None:
    assert read_name("hf:a/b:c/d@v1") == HubData("huggingface", "a/b", "c/d", "v1")
    assert read_name("ms:a/b") == HubData("modelscope", "a/b", None, None)
    assert read_name("aistudio:a/b@v2") == HubData("aistudio", "a/b", None, "v2")
    for other in ("a/b.jsonl", "/etc/hosts", "./data", "steersman-demo", "a/b/c", "tests/nothing"):
        assert read_name(other) is None


def test_which_files_are_meant() -> None:
    wanted = HubData("huggingface", "a/b", None, None)
    sizes = {"data/train-0.parquet": 1, "data/test-0.parquet": 1, "data/validation-0.parquet": 1, "x.py": 1}
    assert choose(wanted, "c", sizes).files == {
        "train": {"data/train-0.parquet": 1},
        "dev": {"data/validation-0.parquet": 1},
    }
    assert choose(wanted, "c", {"rows.jsonl": 3}).files == {"train": {"rows.jsonl": 3}}
    several = {"en/train.jsonl": 1, "zh/train.jsonl": 1}
    with pytest.raises(BadInput, match="holds several data sets: en, zh"):
        choose(wanted, "c", several)
    assert choose(wanted._replace(part="zh"), "c", several).files == {"train": {"zh/train.jsonl": 1}}
    with pytest.raises(BadInput, match="has no training file"):
        choose(wanted, "c", {"model.bin": 1})
    assert [role_of(name) for name in ("train.csv", "x/eval/a.json", "contest.json", "test_2.json")] == [
        "train",
        "dev",
        "",
        "other",
    ]
