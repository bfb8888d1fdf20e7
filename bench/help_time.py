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
    print(f"steersman --help: {statistics.median(helped):.3f} s (interpreter alone: {statistics.median(bare):.3f} s)")


if __name__ == "__main__":
    main()
