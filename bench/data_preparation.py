"""Rows per second and peak memory of data preparation on a generated file.

`python -m bench.data_preparation MEGABYTES KIND`; KIND is jsonl, json, csv or parquet; by default 1000 and
jsonl. Tokens are estimated, and counted, too, when a model with a tokenizer is in the models cache. Then the
other kinds of data, fixing, converting and mixing on a twentieth of it.
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


JOB = """
import json, os, resource, sys, time
from pathlib import Path

job, path, out = sys.argv[1:]
os.environ["STEERSMAN_HOME"] = out + "-home"
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
if job == "fix":
    from runtime.data.mending import mend
    run = lambda: mend(path, Path(out)).rows_read
elif job == "fix --near":
    from runtime.data.mending import mend
    run = lambda: mend(path, Path(out), fixes=("near",)).rows_read
elif job == "convert":
    from runtime.data.convert import convert
    run = lambda: convert(path, Path(out), "messages").rows_read
elif job == "mix":
    from runtime.data.bundled import resolve_data
    run = lambda: sum(1 for _ in (resolve_data(f"{path}*0.5 + {path}*0.5") / "train.jsonl").open())
else:
    from runtime.data.prepare import prepare
    run = lambda: prepare(path, None, Path(out), max_length=512, src_length=256, seed=42, dev_fraction=0.05,
                          expected_fingerprint=None).scan.rows_read
before, start = peak(), time.perf_counter()
rows = run()
print(json.dumps({"rows": rows, "before": before, "peak": peak(), "seconds": time.perf_counter() - start,
                  "cpu": time.process_time()}))
"""


def recast(row: dict[str, str], kind: str) -> dict[str, object]:
    """Return a row of another kind of data with the same texts."""
    if kind == "text":
        return {"text": row["output"]}
    if kind == "preference":
        return {"prompt": row["instruction"], "chosen": row["output"], "rejected": row["output"][::-1]}
    return {"prompt": row["instruction"], "completion": row["output"], "label": len(row["output"]) % 2 == 0}


def other_jobs(folder: Path, megabytes: float) -> None:
    """Print the figures of everything but preparing conversations, each in a process of its own."""
    path = folder / "rows.jsonl"
    generate_apart(path, megabytes)
    jobs = [(job, path) for job in ("fix", "fix --near", "convert", "mix")]
    for kind in ("preference", "labelled", "text"):
        other = folder / f"{kind}.jsonl"
        with path.open(encoding="utf-8") as source, other.open("w", encoding="utf-8") as target:
            target.writelines(json.dumps(recast(json.loads(line), kind)) + "\n" for line in source)
        jobs.append((f"prepare {kind}", other))
    for number, (job, source_path) in enumerate(jobs):
        command = [sys.executable, "-c", JOB, job, str(source_path), f"{folder}/out{number}.jsonl"]
        ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(ended.stdout)
        size = source_path.stat().st_size / 1e6
        speed = found["rows"] / found["seconds"]
        print(
            f"{job}, {size:.0f} MB: {found['rows']} rows in {found['seconds']:.1f} s = {speed:.0f} rows/s, "
            f"{found['cpu']:.1f} s of CPU; peak memory {found['peak'] / 1e6:.0f} MB "
            f"({found['before'] / 1e6:.0f} MB at the start)",
            flush=True,
        )


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
        other_jobs(Path(folder), megabytes / 20)


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((float, str), sys.argv[1:], strict=False)))
