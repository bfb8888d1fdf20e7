"""How long a person waits for the first text."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def seconds(command: list[str]) -> float:
    """Return the wall time of one run of `command`."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the median of ten runs, and the part that the bare interpreter needs, alternating."""
    helped, bare = [], []
    for _ in range(10):
        helped.append(seconds([sys.executable, "-m", "tui.command_line", "--help"]))
        bare.append(seconds([sys.executable, "-c", "pass"]))
    text, interpreter = statistics.median(helped), statistics.median(bare)
    print(f"steersman --help: {text:.3f} s (interpreter alone: {interpreter:.3f} s)")


if __name__ == "__main__":
    main()
