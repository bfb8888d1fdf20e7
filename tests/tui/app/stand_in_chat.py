"""Stands in for an engine's interpreter that runs worker `chat`: the protocol of `runtime.workers.talking`.

It says what it was asked, word by word, then its settings. Asked `slow` it speaks until it is stopped, `die`
ends it, and asked about something narrow it has no room for two models.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

stopped = False


def note(number: int, frame: FrameType | None) -> None:
    global stopped
    stopped = True


def reply(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def words(request: dict[str, Any]) -> list[str]:
    asked = request["messages"][-1]["content"]
    if asked == "many":
        return [f"{number} " for number in range(2000)]
    said = f"{request['which']} heard {asked} after {len(request['messages']) - 1} messages"
    return [*(f"{word} " for word in said.split()), f"at {request['temperature']} seed {request['seed']}"]


def answer(request: dict[str, Any], loaded: set[str]) -> None:
    global stopped
    stopped = False
    which, asked = request["which"], request["messages"][-1]["content"]
    if which not in loaded:
        if "narrow" in asked and loaded:
            reply(kind="unloaded", which=loaded.pop(), needed=28 << 30, free=5 << 30)
        reply(kind="loading", which=which)
        loaded.add(which)
        reply(kind="ready", which=which, seconds=0.1)
    if asked == "die":
        os._exit(1)
    if asked == "refuse":
        reply(kind="error", what="The conversation is too long.", why="", remedy="Start a new one: /reset")
        return
    spoken = ""
    endless = [f"word{number} " for number in range(100_000)] if asked == "slow" else words(request)
    for word in endless:
        if stopped:
            break
        spoken += word
        reply(kind="piece", text=word)
        if asked == "slow":
            time.sleep(0.02)
    reason = "interrupted" if stopped else "ended"
    reply(
        kind="end", text=spoken, reason=reason, tokens=len(spoken.split()), seconds=1.0, tokens_per_second=9.5
    )


def main() -> None:
    spec = json.loads(Path(sys.argv[-1]).read_text())
    Path(spec["stage_folder"], "pid").write_text(str(os.getpid()))
    signal.signal(signal.SIGINT, note)
    loaded: set[str] = set()
    for line in sys.stdin:
        answer(json.loads(line), loaded)


if __name__ == "__main__":
    main()
