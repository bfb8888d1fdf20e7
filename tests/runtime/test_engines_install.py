"""Installing an engine: idempotent, all or nothing, and a sentence for everything that can go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner import engine_builds
from planner.errors import BadInput
from runtime.engines import locks, registry
from runtime.engines.install import install, remove
from runtime.engines.uv_tool import environment
from tests.runtime.tiny_engine import ENGINE, TinyEngine, serve

INSTALL = """
import pathlib, sys
from planner import engine_builds
from runtime.engines import install, locks
engine_builds.TABLE = pathlib.Path(sys.argv[1])
locks.FOLDER = engine_builds.TABLE.parent
install.install("tinykit", "cpu", lambda sentence: print(sentence, flush=True))
"""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyEngine]:
    """A tiny engine, not installed, with a home and a uv cache of its own."""
    with serve(tmp_path) as (address, gate):
        made = TinyEngine(tmp_path, address, gate)
        monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{address}/simple/")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setattr(engine_builds, "TABLE", made.table)
        monkeypatch.setattr(locks, "FOLDER", made.recipes)
        engine_builds.engines.cache_clear()
        yield made
    engine_builds.engines.cache_clear()


def version_in(python: Path, module: str = ENGINE) -> str:
    command = [str(python), "-c", f"import {module}; print({module}.__version__)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def silent(_: str) -> None:
    """Discard a sentence."""


def test_an_installed_engine_runs_and_says_what_it_holds(tiny: TinyEngine) -> None:
    assert registry.state(ENGINE, "cpu").state == "absent"
    python = install(ENGINE, "cpu", silent)
    assert python == registry.python_of(ENGINE, "cpu")
    assert version_in(python) == "1.0"
    found = registry.state(ENGINE, "cpu", measure=True)
    assert found.state == "installed" and found.manifest is not None
    assert found.manifest.packages == {ENGINE: "1.0"}
    assert found.disk_bytes > 0


def test_a_second_installation_touches_nothing_and_says_so(tiny: TinyEngine) -> None:
    python = install(ENGINE, "cpu", silent)
    before = python.parent.parent.resolve()
    said: list[str] = []
    install(ENGINE, "cpu", said.append)
    assert python.parent.parent.resolve() == before
    assert said == [f"Engine {ENGINE} (cpu) is installed at {python.parent.parent}; it is used as it is."]


def test_fresh_installs_again(tiny: TinyEngine) -> None:
    python = install(ENGINE, "cpu", silent)
    (python.parent.parent / "lib").rename(python.parent.parent / "gone")
    install(ENGINE, "cpu", silent, fresh=True)
    assert version_in(python) == "1.0"
    assert len(registry.folders_of(ENGINE, "cpu")) == 1


def test_an_engine_whose_python_was_removed_is_installed_again(tiny: TinyEngine) -> None:
    python = install(ENGINE, "cpu", silent)
    real = python.parent.parent.resolve() / "bin/python"
    real.unlink()
    real.symlink_to("/nonexistent/python")
    install(ENGINE, "cpu", silent)
    assert version_in(python) == "1.0"


def test_a_changed_lock_makes_the_engine_outdated_and_replaces_it(tiny: TinyEngine) -> None:
    install(ENGINE, "cpu", silent)
    tiny.lock_version("2.0")
    assert registry.state(ENGINE, "cpu").state == "outdated"
    with pytest.raises(BadInput, match="out of date") as caught:
        registry.python_of(ENGINE, "cpu")
    assert f"steersman engines install {ENGINE} --build cpu" in caught.value.remedy
    assert version_in(install(ENGINE, "cpu", silent)) == "2.0"
    assert len(registry.folders_of(ENGINE, "cpu")) == 1


def test_paddles_own_registry_is_used_for_paddle_alone(tiny: TinyEngine) -> None:
    python = install(ENGINE, "cu999", silent)
    assert version_in(python) == "1.0"
    assert version_in(python, "tinypaddle") == "1.0"
    with pytest.raises(BadInput, match="not installed"):
        registry.python_of(ENGINE, "cpu")


def test_killed_half_way_there_is_no_engine_and_the_next_installation_clears_up(tiny: TinyEngine) -> None:
    tiny.gate.clear()
    process = subprocess.Popen([sys.executable, "-c", INSTALL, str(tiny.table)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(registry.builds_folder().glob("*/bin/python")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    tiny.gate.set()
    assert len(registry.folders_of(ENGINE, "cpu")) == 1
    assert registry.state(ENGINE, "cpu").state == "absent"
    with pytest.raises(BadInput, match="is not installed"):
        registry.python_of(ENGINE, "cpu")
    assert version_in(install(ENGINE, "cpu", silent)) == "1.0"
    assert len(registry.folders_of(ENGINE, "cpu")) == 1


def test_killed_while_updating_the_old_engine_still_works(tiny: TinyEngine) -> None:
    python = install(ENGINE, "cpu", silent)
    tiny.lock_version("2.0")
    tiny.gate.clear()
    process = subprocess.Popen([sys.executable, "-c", INSTALL, str(tiny.table)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(registry.builds_folder().glob("*/bin/python"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    tiny.gate.set()
    assert version_in(python) == "1.0"


def test_an_unreachable_registry_is_one_sentence_and_leaves_the_old_engine(
    tiny: TinyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = install(ENGINE, "cpu", silent)
    tiny.lock_version("2.0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    with pytest.raises(BadInput, match="registry cannot be reached") as caught:
        install(ENGINE, "cpu", silent)
    assert "UV_DEFAULT_INDEX" in caught.value.remedy and ".install.log" in caught.value.remedy
    assert version_in(python) == "1.0"
    assert len(registry.folders_of(ENGINE, "cpu")) == 1


def test_an_altered_package_is_refused(tiny: TinyEngine) -> None:
    tiny.lock_version("1.0", sha256="f" * 64)
    with pytest.raises(BadInput, match="not the one that was pinned"):
        install(ENGINE, "cpu", silent)
    assert registry.state(ENGINE, "cpu").state == "absent"


def test_a_registry_without_the_pinned_version_is_named_as_the_cause(tiny: TinyEngine) -> None:
    tiny.lock_version("9.9", publish=False)
    with pytest.raises(BadInput, match="does not have a pinned package"):
        install(ENGINE, "cpu", silent)


def test_a_small_disk_is_told_before_anything_is_written(tiny: TinyEngine) -> None:
    tiny.write_table(disk_gb=10_000_000)
    engine_builds.engines.cache_clear()
    with pytest.raises(BadInput, match=r"needs 10000000\.0 GB") as caught:
        install(ENGINE, "cpu", silent)
    assert "GB free" in caught.value.why and "STEERSMAN_HOME" in caught.value.remedy
    assert not registry.folders_of(ENGINE, "cpu")


def test_an_engine_in_use_is_neither_replaced_nor_removed(tiny: TinyEngine) -> None:
    python = install(ENGINE, "cpu", silent)
    tiny.lock_version("2.0")
    user = subprocess.Popen([str(python), "-c", "print(1, flush=True); input()"], stdin=-1, stdout=-1)
    try:
        assert user.stdout is not None and user.stdout.readline()
        for act in (lambda: install(ENGINE, "cpu", silent), lambda: remove(ENGINE, "cpu", silent)):
            with pytest.raises(BadInput, match=f"in use by process {user.pid}"):
                act()
    finally:
        user.communicate(b"\n")
    assert version_in(install(ENGINE, "cpu", silent)) == "2.0"


def test_remove_leaves_nothing_and_says_when_there_is_nothing(tiny: TinyEngine) -> None:
    install(ENGINE, "cpu", silent)
    remove(ENGINE, "cpu", silent)
    assert registry.state(ENGINE, "cpu", measure=True).disk_bytes == 0
    assert not registry.link_of(ENGINE, "cpu").is_symlink()
    with pytest.raises(BadInput, match="nothing to remove"):
        remove(ENGINE, "cpu", silent)


def test_a_folder_of_the_person_is_never_replaced(tiny: TinyEngine) -> None:
    link = registry.link_of(ENGINE, "cpu")
    link.mkdir(parents=True)
    (link / "theirs.txt").write_text("keep")
    with pytest.raises(BadInput, match="not something that Steersman installed"):
        install(ENGINE, "cpu", silent)
    assert (link / "theirs.txt").read_text() == "keep"


def test_uv_uses_pips_mirror_and_certificate_only_where_it_has_none(tmp_path: Path) -> None:
    certificate = tmp_path / "company.pem"
    certificate.write_text("")
    (tmp_path / "pip.conf").write_text(
        f"[global]\nindex-url = https://mirror.example/simple\ncert = {certificate}\n"
    )
    files = [tmp_path / "pip.conf"]
    home = {"HOME": str(tmp_path), "PYTHONPATH": "/x", "VIRTUAL_ENV": "/y"}
    mapped = environment(home, files)
    assert mapped["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert mapped["SSL_CERT_FILE"] == str(certificate)
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & mapped.keys()
    kept = environment({**home, "UV_DEFAULT_INDEX": "https://own.example/simple"}, files)
    assert kept["UV_DEFAULT_INDEX"] == "https://own.example/simple"
    (tmp_path / ".config/uv").mkdir(parents=True)
    (tmp_path / ".config/uv/uv.toml").write_text("")
    assert "UV_DEFAULT_INDEX" not in environment(home, files)
    assert "UV_DEFAULT_INDEX" not in environment({"HOME": os.devnull}, [])
