"""PaddleSlim inside the engine: made importable by the one worker that needs it, and able to work on a CPU.

Two things of paddleslim 2.6.0 stop it there, and both are lifted while it works, without touching its code:
it casts to float16, for which Paddle has no CPU kernels of abs, pow and matmul (quant/advanced/smooth.py);
and it assigns to an empty selection, at which Paddle 3.3.1 fails with "The pointer p_index is nullptr"
(quant/advanced/gptq.py, `dead`).
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paddle

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say


def open_slim(folder: str | Path) -> None:
    """Make PaddleSlim importable from the folder beside the engine; `RefusedError` if it does not import.

    Call it after PaddleNLP is imported: that would import PaddleSlim for itself, whether or not it is used.
    """
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        importlib.import_module("paddleslim.quant.advanced")
    except ImportError as error:
        raise RefusedError(
            say("PaddleSlim does not import from {folder}.", folder=folder),
            str(error),
            say("Run `steersman engines install paddlenlp`; the engine itself stays as it is."),
        ) from error


@contextlib.contextmanager
def able_to_work() -> Iterator[None]:
    """Let PaddleSlim work on this device: on a CPU its float16 is float32, which is never less exact."""
    cast, assign = paddle.Tensor.cast, paddle.Tensor.__setitem__

    def cast_to_known(tensor: paddle.Tensor, dtype: Any) -> paddle.Tensor:
        half = on_cpu and dtype in ("float16", paddle.float16)
        return cast(tensor, "float32" if half else dtype)

    def assign_to_some(tensor: paddle.Tensor, index: Any, value: Any) -> None:
        if not selects_nothing(index):
            assign(tensor, index, value)

    on_cpu = paddle.device.get_device() == "cpu"
    paddle.Tensor.cast, paddle.Tensor.__setitem__ = cast_to_known, assign_to_some
    try:
        with paddle.no_grad():
            yield
    finally:
        paddle.Tensor.cast, paddle.Tensor.__setitem__ = cast, assign


def selects_nothing(index: Any) -> bool:
    """Return whether an index names positions, and names none."""
    if isinstance(index, tuple):
        return any(selects_nothing(part) for part in index)
    return isinstance(index, paddle.Tensor) and index.size == 0
