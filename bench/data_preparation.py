"""Rows per second and peak memory of data preparation on a generated file.

`python -m bench.data_preparation MEGABYTES KIND`; KIND is jsonl, json, csv or parquet; by default 1000 and
jsonl. Tokens are estimated, and counted, too, when a model with a tokenizer is in the models cache.
"""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

WORDS = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8").split()
SAMPLE = """
import json, resource, sys, time
from pathlib import Path
from runtime.data.prepare import prepare

path, model, out = sys.argv[1:]
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
start = time.perf_counter()
done = prepare(path, Path(model) if model else None, Path(out), max_length=512, src_length=256, seed=42,
               dev_fraction=0.05, expected_fingerprint=None)
print(json.dumps({"rows": done.scan.rows_read, "tokens": done.scan.facts.lengths.total, "before": before,
                  "peak": peak(), "seconds": time.perf_counter() - start, "cpu": time.process_time()}))
"""


def rows(megabytes: float, seed: int = 0) -> Iterator[dict[str, str]]:
    """Yield alpaca rows of about 700 bytes until they fill `megabytes`."""
    source = random.Random(seed)
    sentences = [" ".join(source.choices(WORDS, k=source.randint(5, 15))) for _ in range(5000)]
    left, number = megabytes * 1e6, 0
    while left > 0:
        number += 1
        row = {
            "instruction": f"{number}: {source.choice(sentences)}",
            "input": source.choice(sentences) if number % 3 == 0 else "",
            "output": " ".join(source.choices(sentences, k=source.randint(2, 12))),
        }
        left -= sum(len(value.encode()) + len(name) + 6 for name, value in row.items())
        yield row


def generate(path: Path, megabytes: float) -> None:
    """Write the rows to `path`; its ending decides on the kind of file."""
    if path.suffix == ".parquet":
        _generate_parquet(path, megabytes)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            table = csv.DictWriter(file, ("instruction", "input", "output"))
            table.writeheader()
            table.writerows(rows(megabytes))
        else:
            start, between, end = ("[\n", ",\n", "\n]\n") if path.suffix == ".json" else ("", "\n", "\n")
            file.write(start)
            for number, row in enumerate(rows(megabytes)):
                file.write((between if number else "") + json.dumps(row, ensure_ascii=False))
            file.write(end)


def _generate_parquet(path: Path, megabytes: float) -> None:
    import itertools

    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(name, pyarrow.string()) for name in ("instruction", "input", "output")])
    stream = rows(megabytes)
    with parquet.ParquetWriter(path, schema) as writer:
        while batch := list(itertools.islice(stream, 200_000)):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))


def generate_apart(path: Path, megabytes: float) -> None:
    """Generate in a process of its own: a child's peak memory starts at what its parent held."""
    code = (
        f"import pathlib, bench.data_preparation as b; b.generate(pathlib.Path({str(path)!r}), {megabytes})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def cached_tokenizer() -> Path | None:
    """Return a model folder of the cache that has a tokenizer."""
    from runtime.paths import models_folder

    return next((path.parent for path in sorted(models_folder().glob("*/tokenizer.json"))), None)


def measure(path: Path, model: Path | None) -> dict[str, float]:
    """Prepare `path` in a process of its own and return its figures."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        command = [sys.executable, "-c", SAMPLE, str(path), str(model or ""), f"{folder}/out"]
        ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def main(megabytes: float = 1000, kind: str = "jsonl") -> None:
    """Generate, prepare, and print the figures: once with estimated and once with counted tokens."""
    with tempfile.TemporaryDirectory(prefix="steersman-bench-") as folder:
        path = Path(folder) / f"data.{kind}"
        start = time.perf_counter()
        generate_apart(path, megabytes)
        size = path.stat().st_size
        print(f"{kind}, {size / 1e6:.0f} MB, generated in {time.perf_counter() - start:.0f} s", flush=True)
        for model in [None, *filter(None, [cached_tokenizer()])]:
            found = measure(path, model)
            how = f"tokens counted with {model.name}" if model else "tokens estimated"
            print(
                f"{how}: {found['rows']:.0f} rows in {found['seconds']:.1f} s = "
                f"{found['rows'] / found['seconds']:.0f} rows/s, {size / 1e6 / found['seconds']:.1f} MB/s, "
                f"{found['tokens'] / found['seconds']:.0f} tokens/s, {found['cpu']:.1f} s of CPU; "
                f"peak memory {found['peak'] / 1e6:.0f} MB ({found['before'] / 1e6:.0f} MB at the start)",
                flush=True,
            )


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((float, str), sys.argv[1:], strict=False)))
