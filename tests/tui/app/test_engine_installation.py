"""The engine is installed from the conversation, with words on the way; escape ends it and leaves nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from planner import engine_builds
from runtime.engines import locks, registry
from runtime.engines.uv_tool import uv_binary
from runtime.run.layout import list_runs
from tests.runtime.tiny_engine import ENGINE, TinyEngine, serve
from tests.tui.app.conversing import conversing, prepare, to_the_plan
from tests.tui.app.pilot import screen_text, until

pytestmark = pytest.mark.asyncio


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return prepare(tmp_path / "work")


@pytest.fixture
def registry_of_wheels(tmp_path: Path) -> Iterator[tuple[TinyEngine, threading.Event]]:
    """A registry on this machine; while the event is cleared, it holds wheels back."""
    with serve(tmp_path) as (address, gate):
        yield TinyEngine(tmp_path, address, gate), gate
    engine_builds.engines.cache_clear()


def small_engine(tiny: TinyEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the plan's engine be the tiny one under the real one's name, with pins of its own."""
    row = yaml.safe_load(tiny.table.read_text())[ENGINE]
    tiny.table.write_text(yaml.safe_dump({"paddlenlp": row}))
    (tiny.recipes / "paddlenlp-cpu.txt").write_text((tiny.recipes / f"{ENGINE}-cpu.txt").read_text())
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{tiny.address}/simple/")
    monkeypatch.setattr(engine_builds, "TABLE", tiny.table)
    monkeypatch.setattr(locks, "FOLDER", tiny.recipes)
    engine_builds.engines.cache_clear()


def installers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            found += [child] if child.cmdline()[:1] == [uv_binary()] else []
        except psutil.Error:
            continue
    return found


async def test_an_engine_is_installed_and_what_is_wrong_with_it_is_said(
    folder: Path, registry_of_wheels: tuple[TinyEngine, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny, gate = registry_of_wheels
    async with conversing(folder) as person:
        await to_the_plan(person)
        small_engine(tiny, monkeypatch)
        gate.clear()
        person.screen.pursuit.start()
        await until(person.pilot, lambda: "Installing the packages" in screen_text(person.pilot), 60)
        gate.set()
        await until(person.pilot, lambda: "does not work here" in screen_text(person.pilot), 90)
        assert "steersman doctor" in " ".join(screen_text(person.pilot).split())
    assert registry.state("paddlenlp", "cpu").state == "installed"
    assert list_runs() == [], "an engine that does not work starts no run"


async def test_escape_ends_an_installation_that_says_nothing(
    folder: Path, registry_of_wheels: tuple[TinyEngine, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny, gate = registry_of_wheels
    async with conversing(folder) as person:
        await to_the_plan(person)
        small_engine(tiny, monkeypatch)
        gate.clear()
        person.screen.pursuit.start()
        await until(person.pilot, lambda: "Installing the packages" in screen_text(person.pilot), 60)
        await until(person.pilot, installers)
        await person.pilot.press("escape")
        await until(person.pilot, lambda: not installers())
        await until(person.pilot, lambda: registry.state("paddlenlp", "cpu").state == "absent")
        await person.settle()
        assert "Cancelled." in screen_text(person.pilot)
        assert person.asked == "" and person.dialogue.asked() is not None, "what now? is asked again"
    assert list_runs() == []
