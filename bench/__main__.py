"""Run the benchmarks named on the command line, or all of them, one after the other."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = {
    "help_time": "Time from `steersman --help` to text (aim: under 0.3 s)",
    "data_preparation": "Rows per second and peak memory of data preparation on a generated 1 GB file",
    "training_speed": "Demo training tokens per second against plain PaddleNLP defaults (aim: at least 3x)",
    "engine_speed": "Tokens per second of both engines at the same work on this machine",
    "merge_memory": "Peak memory of merging shard by shard (aim: 1.5 x the largest shard plus the adapter)",
    "supervision_overhead": "Wall time under Steersman against the bare launch command (aim: under 2 %)",
}


def main(names: list[str]) -> int:
    """Run each benchmark and print its title and figures; return 2 for an unknown name."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        print(f"\n== {name}: {BENCHMARKS[name]}", flush=True)
        importlib.import_module(f"bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
