"""Proves an engine from inside: each probe is announced, run, and its outcome written at once.

A probe that kills the process (an illegal instruction, a crash in a library) leaves its announcement as the
last event, and so tells the app which one it was.
"""

from __future__ import annotations

import io
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from runtime.workers.emit import Emitter, write_result

RELATIVE_TOLERANCE = 1e-5
"""Largest error of a float32 result of size 64, relative to the largest value; a broken kernel exceeds it."""

Spec = dict[str, Any]
Outcome = tuple[str, dict[str, "float | int | str"]]


class BrokenError(Exception):
    """The probe ran and its result is wrong; the message is the sentence for the person."""


def packages(spec: Spec) -> Outcome:
    """Compare what is installed with what the installation recorded."""
    installed = {
        str(each.metadata["Name"]).lower().replace("_", "-"): each.version for each in distributions()
    }
    both = [name for name in ("paddlepaddle", "paddlepaddle-gpu") if name in installed]
    if len(both) == 2:
        raise BrokenError(
            "Both paddlepaddle and paddlepaddle-gpu are installed; they overwrite each other's files"
        )
    recorded: dict[str, str] = spec.get("packages", {})
    changed = [
        f"{name} is {installed.get(name, 'gone')}, not {version}"
        for name, version in sorted(recorded.items())
        if installed.get(name) != version
    ]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise BrokenError(f"Packages were changed after the installation: {'; '.join(changed[:3])}{more}")
    return f"{len(recorded)} packages are as they were installed", {"packages": len(recorded)}


def paddle_imports(spec: Spec) -> Outcome:
    """Import Paddle and compare its build with the one asked for."""
    import paddle

    cuda = bool(paddle.is_compiled_with_cuda())
    if cuda != (spec["build"] != "cpu"):
        raise BrokenError(
            f"This Paddle is compiled {'with' if cuda else 'without'} CUDA, but the build is {spec['build']}"
        )
    return f"Paddle {paddle.__version__} starts", {"paddle": str(paddle.__version__)}


def devices(spec: Spec) -> Outcome:
    """Count the devices that Paddle sees; a CUDA build without one would silently train on the CPU."""
    import paddle

    if spec["build"] == "cpu":
        return "The CPU is its device", {"devices": 0}
    count = int(paddle.device.cuda.device_count())
    if count == 0:
        raise BrokenError("Paddle sees no GPU")
    return f"Paddle sees {count} GPU{'s' if count > 1 else ''}", {"devices": count}


def arithmetic(spec: Spec) -> Outcome:
    """Compare matmul, product and quotient with NumPy.

    Product and quotient are there because on cards that a wheel was not compiled for they have been seen to
    give wrong numbers where other operations refuse (PaddlePaddle/Paddle#73937).
    """
    import numpy as np
    import paddle

    random = np.random.default_rng(0)
    left = random.standard_normal((64, 64)).astype("float32")
    right = (random.uniform(0.5, 2.0, (64, 64)) * random.choice([-1, 1], (64, 64))).astype("float32")
    a, b = paddle.to_tensor(left), paddle.to_tensor(right)
    worst = 0.0
    for name, got, expected in (
        ("matmul", paddle.matmul(a, b), left @ right),
        ("a * b", a * b, left * right),
        ("a / b", a / b, left / right),
    ):
        error = float(np.abs(got.numpy() - expected).max() / np.abs(expected).max())
        if not error <= RELATIVE_TOLERANCE:
            raise BrokenError(f"Paddle's {name} differs from NumPy's by {error:.1e} of the largest value")
        worst = max(worst, error)
    return f"Matrix product, a * b and a / b equal NumPy's within {worst:.0e}", {"relative_error": worst}


def safetensors_roundtrip(spec: Spec) -> Outcome:
    """Write and read Paddle tensors with safetensors; some of its wheels do not know `paddle`."""
    import numpy as np
    import paddle
    from safetensors import safe_open
    from safetensors.paddle import save_file

    values = np.arange(12, dtype="float32").reshape(3, 4)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "probe.safetensors"))
        save_file({"probe": paddle.to_tensor(values)}, path, metadata={"format": "pd"})
        with safe_open(path, framework="paddle") as file:
            read = file.get_tensor("probe")
    if not np.array_equal(paddle.to_tensor(read).numpy(), values):
        raise BrokenError("safetensors returned other values than were written")
    return "Paddle tensors survive safetensors", {}


def toolkit_imports(spec: Spec) -> Outcome:
    """Import the parts of the toolkit that training uses."""
    if spec["engine"] == "paddleformers":
        import paddleformers
        from paddleformers.cli.hparams.parser import get_train_args

        assert get_train_args
        version = str(paddleformers.__version__)
        return f"PaddleFormers {version} imports", {"paddleformers": version}
    import paddlenlp
    from paddlenlp.peft import LoRAModel
    from paddlenlp.trl import SFTTrainer

    assert LoRAModel and SFTTrainer
    return f"PaddleNLP {paddlenlp.__version__} imports", {"paddlenlp": str(paddlenlp.__version__)}


def tracker_imports(spec: Spec) -> Outcome:
    """Import the experiment tracker; training goes on without it."""
    import swanlab

    return f"SwanLab {swanlab.__version__} imports", {"swanlab": str(swanlab.__version__)}


PROBES: tuple[tuple[str, Callable[[Spec], Outcome]], ...] = (
    ("packages", packages),
    ("paddle", paddle_imports),
    ("devices", devices),
    ("arithmetic", arithmetic),
    ("safetensors", safetensors_roundtrip),
    ("toolkit", toolkit_imports),
    ("tracker", tracker_imports),
)
NEEDS_PADDLE = {"devices", "arithmetic", "safetensors", "toolkit"}


def main(spec: Spec, arguments: list[str]) -> int:
    """Run every probe and return 0 if all passed; a failure stops only what depends on Paddle."""
    emitter = Emitter(spec["stage_folder"], spec["stage"])
    failed: set[str] = set()
    figures: Spec = {"python": ".".join(map(str, sys.version_info[:3]))}
    for number, (name, probe) in enumerate(PROBES):
        if name in NEEDS_PADDLE and "paddle" in failed:
            continue
        emitter.progress(number, len(PROBES), "probes", name)
        try:
            with redirect_stdout(io.StringIO()):  # Libraries greet on import; the outcome is in the events.
                sentence, measured = probe(spec)
        except Exception as error:
            traceback.print_exc()
            emitter.proof(name, False, _words(error))
            failed.add(name)
        else:
            emitter.proof(name, True, sentence, **measured)
            figures.update(measured)
    emitter.progress(len(PROBES), len(PROBES), "probes")
    if failed:
        return 1
    write_result(spec["stage_folder"], {}, figures)
    return 0


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, BrokenError) else f"{type(error).__name__}: {error}"
