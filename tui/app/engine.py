"""The engine of a plan: installed and proven before its run starts, with words on the way and a way out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from planner.errors import BadInput, Interrupted
from planner.language import say

if TYPE_CHECKING:
    from planner.plan import Plan
    from tui.app.work import Reporter

LOOK_SECONDS = 0.3
"""How often it is looked whether the person wants no more of it."""


def ensure(made: Plan, reporter: Reporter) -> None:
    """Install and prove the plan's engine, unless it is there. Raises `BadInput` in one sentence."""
    from runtime.engines.check import check
    from runtime.engines.install import install
    from runtime.engines.registry import state

    name, build = str(made.value("engine")), str(made.value("engine_build"))
    if state(name, build).state == "installed":
        return
    reporter.say(say("Installing {engine} ({build}), once", engine=name, build=build))
    with cancellable(reporter):
        install(name, build, lambda sentence: reporter.say(sentence.strip()))
    reporter.say(say("Checking the engine"))
    if not check(name, build).ok:
        raise BadInput(
            say("{engine} ({build}) is installed, but does not work here.", engine=name, build=build),
            remedy=say("`steersman doctor` says what to fix."),
        )


@contextmanager
def cancellable(reporter: Reporter) -> Iterator[None]:
    """End the installer when the job is cancelled: a download may say nothing for minutes."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            if reporter.cancelled:
                end_installer()

    threading.Thread(target=watch, name="installation", daemon=True).start()
    try:
        yield
    except Exception as error:
        if reporter.cancelled:
            raise Interrupted(say("Cancelled.")) from error
        raise
    finally:
        over.set()


def end_installer() -> None:
    """End every uv that this process has started; the installation then clears up and fails."""
    import psutil

    from runtime.engines.uv_tool import uv_binary

    for child in psutil.Process().children():
        try:
            if child.cmdline()[:1] == [uv_binary()]:
                child.kill()
        except psutil.Error:
            continue
