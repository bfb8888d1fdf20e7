"""Failures: what a person is told, where the evidence is, and what the run does next."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.events import Error
from runtime.run import failures
from runtime.run.environment import device_variables, remove_secrets
from runtime.run.layout import RunFolder, StageFolder
from runtime.run.status import read_status
from tests.runtime.stand_in_run import (
    change_plan,
    events,
    executions,
    new_run,
    nobody_left,
    start,
    supervise,
    wait_until,
    worker,
)

pytestmark = pytest.mark.usefixtures("stand_ins")


def rank_log(clock: str, exception: str) -> str:
    return f"[2026-11-21 {clock},123] start\nTraceback (most recent call last):\n  File x\n{exception}\n"


def failure(run: RunFolder, stage: str) -> Error:
    found = [
        event for event in events(run) if event.kind == "error" and event.stage == stage and event.log_path
    ]
    assert found, f"{stage} has no explained failure"
    return found[-1]


LOGS = [
    (
        "gpu-memory",
        "ResourceExhaustedError: \n\nOut of memory error on GPU 0. Cannot allocate 172.000000MB memory",
    ),
    ("host-memory", "numpy._core._exceptions._ArrayMemoryError\nMemoryError: Unable to allocate 3.1 GiB"),
    ("disk-full", "OSError: [Errno 28] No space left on device: 'checkpoint-20'"),
    (
        "shared-memory",
        "SystemError: Unexpected BUS error encountered in DataLoader worker.",
    ),
    ("port-in-use", "RuntimeError: (Unavailable) bind: Address already in use"),
    (
        "unknown-argument",
        "ValueError: Some specified arguments are not used by the PdArgumentParser: ['--unknown_key', '1']",
    ),
    ("bad-argument", "run_finetune.py: error: argument --report_to: expected at least one argument"),
    ("aistudio-download", "ImportError: cannot import name 'download' from 'aistudio_sdk.hub' (/x/hub.py)"),
    ("safetensors-paddle", "safetensors_rust.SafetensorError: framework paddle is invalid"),
    (
        "not-paddle-safetensors",
        "OSError: The safetensors archive passed at m does not contain the valid metadata.",
    ),
    (
        "torn-weights",
        "safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer",
    ),
    ("fused-ln", "ModuleNotFoundError: No module named 'fused_ln'"),
    ("inference-ops", "ImportError: Paddlenlp_kernels are not available"),
    (
        "bf16-kernels",
        "RuntimeError: kernel with key (CPU, Undefined, bfloat16) of kernel triu is not registered",
    ),
    ("cuda-numbers", "RuntimeError: (Unimplemented) Unsupported GPU architecture"),
    (
        "not-compiled-with-cuda",
        "ValueError: The device should not be 'gpu', since PaddlePaddle is not compiled with CUDA",
    ),
    (
        "flash-attention",
        "RuntimeError: (Unimplemented) FlashAttention is unsupported, please check the GPU compability",
    ),
    ("cpu-parallel", "AssertionError: only support gpu, xpu and custom_device"),
    (
        "launcher-devices",
        "  in get_selected_devices\nIndexError: list index out of range",
    ),
    ("resume-mismatch", "ValueError: Missing keys: {'qwen2.layers.24.mlp.gate_proj.lora_A'}"),
    (
        "unified-checkpoint",
        "TypeError: f() missing 1 required positional argument: 'model_to_load_state_dict'",
    ),
    ("data-format", "ModuleNotFoundError: No module named 'paddlenlp.datasets.json'"),
    ("tokenizer-missing", "OSError: Can't load tokenizer for '/models/x'."),
    ("nan-loss", "ValueError: Loss contains inf or nan values, its value is nan"),
    ("swanlab-login", "RuntimeError: Failed to initialize SwanLab in online mode: no TTY"),
    ("hub-offline", "requests.exceptions.ConnectionError: Max retries exceeded with url"),
    ("missing-module", "ModuleNotFoundError: No module named 'jieba'"),
    ("permission", "PermissionError: [Errno 13] Permission denied: '/models'"),
]


@pytest.mark.parametrize(("row", "text"), LOGS, ids=[row for row, _ in LOGS])
def test_known_tracebacks_become_one_sentence_with_a_remedy(tmp_path: Path, row: str, text: str) -> None:
    folder = StageFolder(tmp_path)
    folder.log.write_text(f"some line\nTraceback (most recent call last):\n  File 'x.py', line 1\n{text}\n")
    explained = failures.explain(folder, 1)
    assert explained.row == row
    assert explained.what.endswith(".")
    assert explained.remedy
    assert "{" not in explained.what


def test_the_table_is_large_unique_and_every_row_can_be_reached() -> None:
    rows = failures.table()
    assert len(rows) >= 20
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert row.pattern or row.signal, row.id
        if row.pattern:
            re.compile(row.pattern)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, "killed from outside (signal 9)"),
        (signal.SIGILL, "processor instructions that this machine does not have"),
        (signal.SIGBUS, "SIGBUS"),
        (signal.SIGSEGV, "SIGSEGV"),
    ],
)
def test_a_death_by_signal_is_told_by_its_signal(tmp_path: Path, number: signal.Signals, words: str) -> None:
    run = new_run(tmp_path / "run", a={"signal": int(number)})
    assert supervise(run) == 4
    assert words in failure(run, "a").what


def test_the_earliest_traceback_of_any_rank_is_shown_not_the_loudest(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path)
    folder.launch.mkdir()
    (folder.launch / "workerlog.0").write_text(rank_log("05:00:09", "RuntimeError: something later"))
    (folder.launch / "workerlog.1").write_text(rank_log("05:00:02", "KeyError: 'lora_A of layer 3'"))
    folder.log.write_text("LAUNCH ERROR Container failed !!!\n")
    explained = failures.explain(folder, 1)
    assert "KeyError: 'lora_A of layer 3'" in explained.why
    assert explained.log_path == str(folder.launch / "workerlog.1")


def test_a_lost_peer_is_never_the_cause_if_there_is_another(tmp_path: Path) -> None:
    folder = StageFolder(tmp_path)
    folder.launch.mkdir()
    peer = rank_log("05:00:01", "RuntimeError: Connection reset by peer")
    (folder.launch / "workerlog.0").write_text(peer)
    (folder.launch / "workerlog.1").write_text(rank_log("05:00:02", "MemoryError"))
    assert failures.explain(folder, 1).row == "host-memory"
    (folder.launch / "workerlog.1").unlink()
    assert failures.explain(folder, 1).row == "other-rank"


def test_an_unknown_failure_names_the_exception_and_the_log(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"raise": "the moon is full"})
    assert supervise(run) == 4
    told = failure(run, "train")
    assert told.what == "The stage train failed: its process ended with exit code 1."
    assert told.why == "It ended with: RuntimeError: the moon is full"
    assert told.log_path == str(run.stage("train").log)
    assert read_status(run).state == "failed"


def test_a_worker_that_explains_itself_is_quoted(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"error": ["Row 3 is empty.", "", "Remove row 3."], "exit": 1})
    assert supervise(run) == 4
    told = failure(run, "train")
    assert (told.what, told.remedy) == ("Row 3 is empty.", "Remove row 3.")


def test_a_worker_says_why_its_proof_fails_and_what_to_do(tmp_path: Path) -> None:
    told = ["It ends none of its answers.", "", "Train longer."]
    run = new_run(tmp_path / "run", train={"fail_proof": True, "error": told})
    assert supervise(run) == 4
    found = failure(run, "train")
    assert (found.what, found.remedy) == ("It ends none of its answers.", "Train longer.")
    assert found.why == "The proof holds failed: off by 3"


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"fail_proof": True}, "The proof holds failed: off by 3"),
        ({"no_result": True}, "its process ended with exit code 0"),
        ({"exit": 3}, "its process ended with exit code 3"),
    ],
)
def test_exit_code_zero_is_not_success_and_a_failed_proof_is_failure(
    tmp_path: Path, behaviour: dict[str, Any], words: str
) -> None:
    run = new_run(tmp_path / "run", a=behaviour, b={})
    assert supervise(run) == 4
    assert words in failure(run, "a").what
    assert "b" not in executions(run)


def test_a_failed_stage_is_done_again_once_its_cause_is_gone(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={}, b={"raise": "no"}, c={})
    assert supervise(run) == 4
    change_plan(run, a={}, b={}, c={})
    assert supervise(run) == 0
    assert executions(run) == ["a", "b", "c"]


def test_fifty_megabytes_of_stderr_do_not_block_a_stage(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={"stderr_bytes": 50 << 20})
    assert supervise(run) == 0
    assert run.stage("a").log.stat().st_size > 50 << 20


def test_a_silent_stage_is_called_stalled_and_left_alone(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={"wait_for": str(tmp_path / "go"), "silence_seconds": 0.5})
    supervisor = start(run)
    wait_until(lambda: any(e.kind == "log" and "Stalled?" in e.message for e in events(run)), "the warning")
    warning = next(e for e in events(run) if e.kind == "log")
    assert warning.level == "warning"
    assert re.search(r"\(pid \d+\) is \w+, \d+ % CPU", warning.message)
    (tmp_path / "go").touch()
    assert supervisor.wait(60) == 0


def test_a_missing_engine_is_bad_input_not_a_failed_stage(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", broken={})
    assert supervise(run) == 2
    assert read_status(run).reason == "The engine is not installed."


def test_too_little_disk_is_said_before_the_stage_starts(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={"disk_bytes": 1 << 60})
    assert supervise(run) == 4
    assert "The stage a needs about" in read_status(run).reason
    assert not run.stage("a").log.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        time.sleep(0.1)
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_one_sentence_and_resume_works_once_there_is_room(small_disk: Path) -> None:
    run = new_run(small_disk / "run", a={}, b={"fill": 8 << 20}, c={})
    assert supervise(run) == 4
    assert failure(run, "b").what == "The disk is full."
    assert read_status(run).state == "failed"
    (run.stage("b").root / "big").unlink()
    change_plan(run, a={}, b={}, c={})
    assert supervise(run) == 0
    assert executions(run) == ["a", "b", "c"]


def test_a_journal_that_cannot_be_written_stays_whole_and_tells_the_end(small_disk: Path) -> None:
    run = new_run(small_disk / "run", train={"steps": 2000, "step_seconds": 0.01, "stop_seconds": 5})
    supervisor = start(run)
    worker(run, "train")
    wait_until(lambda: any(e.kind == "metric" for e in events(run)), "training")
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        with pytest.raises(OSError, match="No space left"):
            while True:
                file.write(b"0" * 4096)
                file.flush()
        wait_until(lambda: _refill(file) and supervisor.poll() is not None, "the supervisor noticed")
    assert supervisor.returncode == 4
    assert nobody_left(run)
    status = read_status(run)
    assert status.state == "failed"
    assert "disk" in status.reason.lower()
    ballast.unlink()
    change_plan(run, train={"steps": 3})
    assert supervise(run) == 0
    assert read_status(run).state == "finished"


def _refill(file: Any) -> bool:
    try:
        file.write(b"0" * 512)
        file.flush()
    except OSError:
        pass
    return True


def test_tokens_reach_only_the_stage_that_may_see_them_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret")
    monkeypatch.setenv("SWANLAB_API_KEY", "swan_very_secret")
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", "") + ":/somewhere")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    seen = {name: tmp_path / f"{name}.json" for name in ("acquire", "train")}
    run = new_run(
        tmp_path / "run",
        acquire={"secrets": ["HF_TOKEN"], "environment_to": str(seen["acquire"])},
        train={
            "inside_engine": True,
            "environment": {"OMP_NUM_THREADS": "2"},
            "environment_to": str(seen["train"]),
        },
    )
    assert supervise(run) == 0
    acquire, train = (json.loads(path.read_text()) for path in seen.values())
    assert acquire["HF_TOKEN"] == "hf_very_secret"
    assert "SWANLAB_API_KEY" not in acquire
    assert not {"HF_TOKEN", "SWANLAB_API_KEY", "PYTHONPATH", "CUDA_VISIBLE_DEVICES"} & set(train)
    assert train["OMP_NUM_THREADS"] == "2"
    for path in run.root.rglob("*"):
        assert not path.is_file() or b"very_secret" not in path.read_bytes(), path
    recorded = json.loads(run.stage("acquire").environment.read_text())
    assert recorded["secrets_let_through"] == ["HF_TOKEN"]


@pytest.mark.parametrize(
    ("devices", "visible", "shown"),
    [(2, None, "0,1"), (2, "4,5,6", "4,5"), (1, "GPU-ab,GPU-cd", "GPU-ab"), (0, "4,5", None)],
)
def test_a_stage_sees_as_many_devices_as_it_takes(
    devices: int, visible: str | None, shown: str | None
) -> None:
    """Whatever the cluster calls them; counted as NVML counts, unless the person says otherwise."""
    outside = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    found = device_variables(devices, outside)
    assert found.get("CUDA_VISIBLE_DEVICES") == shown and found["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    own = device_variables(devices, outside | {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})
    assert own["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"


@pytest.mark.engine
def test_no_file_of_paddles_launcher_keeps_a_token(
    tmp_path: Path, engine_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, secret = tmp_path / "rank.py", "swan_very_secret"
    script.write_text(
        "import os; print(os.environ['FLAGS_selected_gpus'], len(os.environ['SWANLAB_API_KEY']))"
    )
    shown = device_variables(2, {"CUDA_VISIBLE_DEVICES": "4,GPU-7,5"})
    environment = {**os.environ, **shown, "SWANLAB_API_KEY": secret}
    launch = [str(engine_python), "-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
    command = [*launch, "--log_dir", str(tmp_path / "launch"), str(script)]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path, capture_output=True, timeout=300)
    files = list((tmp_path / "launch").iterdir())
    logs = [(tmp_path / "launch" / f"workerlog.{rank}").read_text() for rank in (0, 1)]
    assert [log.split()[-2:] for log in logs] == [["0", "16"], ["1", "16"]], (
        "each has a visible device of its own"
    )
    assert any(secret.encode() in path.read_bytes() for path in files), "the launcher really writes it"
    remove_secrets(tmp_path / "launch", environment)
    assert not any(secret.encode() in path.read_bytes() for path in files)
    assert len(json.loads((tmp_path / "launch" / "backup_env.0.json").read_text())) > 5


def test_what_stands_in_the_run_folder_is_what_ran(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={"value": 5})
    assert supervise(run) == 0
    folder = run.stage("a")
    command = json.loads(folder.command.read_text())["command"]
    folder.result.unlink()
    shutil.rmtree(folder.root / "output")
    subprocess.run(command, check=True, cwd=folder.root)
    assert folder.result.exists(), "the recorded command does it again by hand"
