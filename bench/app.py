"""The app: time to first paint, key to screen under a flood of log lines, longest turns, memory, imports.

`python -m bench.app` or `make bench-app`; `python -m bench.app paint keys turns memory imports` chooses.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.app_flood import READY
from bench.app_rivals import RIVALS, installed
from bench.app_terminal import Terminal
from bench.app_turns import turns
from tests.tui.app.replay import Replay

COLUMNS, ROWS = 120, 40
OUR_WORDS = "Make a plan"
"""Words of the first screen."""

ROUNDS = 9
"""Starts of each app, alternating, after one that warms the file cache."""

LINES_PER_SECOND = 2000
KEYS = 400
KEY_SECONDS = 0.045
"""Time between two keys: fast typing, and not in step with the app's clock."""

AIM_SECONDS = 0.050
MANY_LINES = 1_000_000
FLAT_MIB = 20.0
"""Growth from the first tenth on that still counts as flat: allocator noise of the interpreter."""

FIGURES = "loss: 2.71828, learning_rate: 0.0002, ips: 1234.5, global_step: 4711"
"""What a line of a training's log looks like."""

FIRST_CHARACTER = 0x0180
"""Letters of one cell from here on (Latin Extended-B) are on no screen, so each is seen once."""


def main(parts: list[str]) -> int:
    """Measure and print; return 2 for an unknown part."""
    table = {"paint": paint, "keys": keys, "turns": turns, "memory": memory, "imports": imports}
    unknown = set(parts) - set(table)
    if unknown:
        print(f"no part named {', '.join(unknown)}; there are: {', '.join(table)}", file=sys.stderr)
        return 2
    for name in parts or table:
        print(f"\n== {name}", flush=True)
        table[name]()
    return 0


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="steersman-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def verdict(good: bool) -> str:
    """Return whether an aim is met."""
    return "met" if good else "NOT met"


def paint() -> None:
    """Print the time from exec to the last byte of the first full screen: ours and two others alternate."""
    with scratch() as folder:
        ours = [sys.executable, "-m", "tui.command_line"]
        programs = {"steersman": (ours, OUR_WORDS)}
        for rival in RIVALS:
            arguments = [argument.format(scratch=folder) for argument in rival.arguments]
            programs[rival.name] = ([str(installed(rival)), *arguments], rival.words)
        environment = {
            "STEERSMAN_HOME": str(folder / "home"),
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "LC_ALL": "C.UTF-8",
        }
        times: dict[str, list[float]] = {name: [] for name in programs}
        for number in range(ROUNDS + 1):
            for name, (command, words) in programs.items():
                terminal = Terminal(command, columns=COLUMNS, rows=ROWS, environment=environment)
                try:
                    seconds = terminal.first_frame(words)
                finally:
                    terminal.close()
                if number:
                    times[name].append(seconds)
    print(f"time to first paint, {COLUMNS}x{ROWS}, {ROUNDS} starts each, alternating")
    print(f"{'app':12} {'median':>8} {'best':>8} {'worst':>8}")
    for name, seen in times.items():
        print(f"{name:12} {statistics.median(seen):7.3f}s {min(seen):7.3f}s {max(seen):7.3f}s")
    mine = statistics.median(times.pop("steersman"))
    fastest = min(statistics.median(seen) for seen in times.values())
    print(f"aim: at most that of both others ({fastest:.3f} s): {verdict(mine <= fastest)}")


class Flood(threading.Thread):
    """Appends lines to a log, at a rate or as fast as the disk takes them."""

    def __init__(self, log: Path, rate: float, most: int) -> None:
        super().__init__(daemon=True)
        self.log, self.rate, self.most = log, rate, most
        self.written = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Write until enough is written or `ended` is set; fifty times a second."""
        began = time.perf_counter()
        with self.log.open("ab", buffering=0) as file:
            while not self.ended.is_set() and self.written < self.most:
                due = min(int((time.perf_counter() - began) * self.rate), self.most)
                lines = [f"[2026-11-21 10:00:00] step {n}: {FIGURES}\n" for n in range(self.written, due)]
                file.write("".join(lines).encode())
                self.written = due
                time.sleep(0.02)


@contextmanager
def flooded(rate: float, most: int) -> Iterator[tuple[Terminal, Flood]]:
    """Yield the app at the log of a living run, and what writes that log."""
    with scratch() as folder:
        os.environ["STEERSMAN_HOME"] = str(folder / "home")
        replay = Replay("success", folder / "home" / "runs" / "flood", time.time())
        replay.play_until(kind="metric", stage="train")
        replay.live()
        log = replay.run.stage("train").log
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "bench.app_flood", str(replay.run.root)]
        terminal = Terminal(command, columns=COLUMNS, rows=ROWS, environment={"LC_ALL": "C.UTF-8"})
        flood = Flood(log, rate, most)
        try:
            terminal.first_frame(READY)
            flood.start()
            yield terminal, flood
        finally:
            flood.ended.set()
            terminal.close()
            replay.die()


def keys() -> None:
    """Print how long a key takes to the screen while log lines arrive."""
    with flooded(LINES_PER_SECOND, 10**9) as (terminal, flood):
        until = time.perf_counter() + 2
        while time.perf_counter() < until:
            terminal.read(0.1)
        began, before = time.perf_counter(), flood.written
        seen = []
        for number in range(KEYS):
            seen.append(terminal.latency(chr(FIRST_CHARACTER + number % 200)))
            until = time.perf_counter() + KEY_SECONDS
            while (left := until - time.perf_counter()) > 0:
                terminal.read(left)
            if number % 50 == 49:  # the line is emptied, so that no letter is on the screen twice
                os.write(terminal.descriptor, b"\x01\x0b")
                terminal.settle(0.3)
        rate = (flood.written - before) / (time.perf_counter() - began)
    seen.sort()
    p99 = seen[int(len(seen) * 0.99) - 1]
    print(f"key to screen in the Run screen at its log, {rate:,.0f} lines/s arriving, {KEYS} keys")
    figures = {"median": statistics.median(seen), "p99": p99, "worst": seen[-1]}
    print(", ".join(f"{name} {seconds * 1e3:.1f} ms" for name, seconds in figures.items()))
    print(f"aim: p99 at most {AIM_SECONDS * 1e3:.0f} ms: {verdict(p99 <= AIM_SECONDS)}")


def memory() -> None:
    """Print the app's memory while a million log lines pass."""
    with flooded(40_000, MANY_LINES) as (terminal, flood):
        process = psutil.Process(terminal.pid)
        points: list[tuple[int, float]] = []
        for share in (0.0, 0.1, 0.25, 0.5, 0.75, 1.0):
            while flood.written < share * MANY_LINES:
                terminal.read(0.1)
            until = time.perf_counter() + 2  # what was written is read and drawn
            while time.perf_counter() < until:
                terminal.read(0.1)
            terminal.output = b""
            points.append((flood.written, process.memory_info().rss / 2**20))
    print("memory of the app while log lines arrive (40,000 lines/s)")
    print(f"{'lines':>10} {'resident':>12}")
    for lines, mib in points:
        print(f"{lines:10,} {mib:8.1f} MiB")
    growth = points[-1][1] - points[1][1]
    print(f"aim: flat from the first tenth on: {growth:+.1f} MiB, {verdict(growth <= FLAT_MIB)}")


def imports() -> None:
    """Print what the first screen imports: number of modules, and the heaviest."""
    with scratch() as folder:
        command = [sys.executable, "-X", "importtime", "-m", "tui.command_line"]
        environment = {"STEERSMAN_HOME": str(folder / "home"), "LC_ALL": "C.UTF-8"}
        terminal = Terminal(command, columns=COLUMNS, rows=ROWS, environment=environment)
        terminal.first_frame(OUR_WORDS)
        terminal.close()
    # The interpreter reports on stderr, which is the terminal.
    # After the first paint the app loads the planner: that is not counted.
    lines = terminal.output.partition(OUR_WORDS.encode())[0].decode(errors="replace")
    found = re.findall(r"import time:\s+(\d+) \|\s+(\d+) \|( +)([\w.]+)", lines)
    alone = sorted(((int(own), name) for own, _, _, name in found), reverse=True)
    packages: dict[str, int] = {}
    for own, name in alone:
        packages[name.split(".")[0]] = packages.get(name.split(".")[0], 0) + own
    print(
        f"{len(found)} modules imported up to the first screen, {sum(own for own, _ in alone) / 1e3:.0f} ms"
    )
    print(f"{'package':24} {'own time':>10}")
    for name, own in sorted(packages.items(), key=lambda item: -item[1])[:12]:
        print(f"{name:24} {own / 1e3:7.1f} ms")
    print(f"{'heaviest modules':44} {'own time':>10}")
    for own, name in alone[:8]:
        print(f"{name:44} {own / 1e3:7.1f} ms")
    heavy = {
        "pydantic",
        "numpy",
        "datasets",
        "pyarrow",
        "transformers",
        "textual_plot",
        "yaml",
        "jinja2",
        "huggingface_hub",
    }
    early = sorted(heavy & set(packages))
    print(f"heavy packages before the first screen: {', '.join(early) or 'none'}")


def version(python: Path, package: str) -> str:
    """Return the installed version of a package."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
