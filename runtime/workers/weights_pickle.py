"""Read pickles that hold weights, and nothing else: no name in them is ever looked up or called but a few.

A pickle is a program. It can only do harm through the functions that it names, so each kind of file has a
table of the few names that weights need; any other name refuses the whole file. Standard library and NumPy
only, so that neither torch nor Paddle reads a file of unknown origin.
"""

from __future__ import annotations

import collections
import io
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

Names = Mapping[tuple[str, str], Any]


class Forbidden(Exception):
    """The pickle names something that weights do not need."""


def _reconstruct(*ignored: Any) -> np.ndarray:
    """Return an empty array that the pickle then fills, as NumPy's own function does."""
    return np.zeros(0, "b")


def _encode(text: str, encoding: str) -> bytes:
    """Return bytes that an old protocol wrote as text."""
    if encoding != "latin1":
        raise Forbidden(f"_codecs.encode to {encoding}")
    return text.encode("latin1")


ARRAYS: Names = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("builtins", "tuple"): tuple,
    ("__builtin__", "tuple"): tuple,
    ("_codecs", "encode"): _encode,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}
"""What NumPy arrays in dictionaries need; Paddle's .pdparams are that."""


class WeightsUnpickler(pickle.Unpickler):
    """Knows the names of one table, and the storages that `place` finds."""

    def __init__(self, file: IO[bytes], names: Names, place: Callable[[Any], Any] | None = None) -> None:
        super().__init__(file)
        self.names, self.place = names, place

    def find_class(self, module: str, name: str) -> Any:
        """Return what the table has; raise `Forbidden` for any other name."""
        try:
            return self.names[module, name]
        except KeyError:
            raise Forbidden(f"{module}.{name}") from None

    def persistent_load(self, reference: Any) -> Any:
        """Return what stands for a storage outside of the pickle."""
        if self.place is None:
            raise Forbidden("a storage outside of the file")
        return self.place(reference)


def read_pickle(
    source: Path | bytes, names: Names, where: Path, place: Callable[[Any], Any] | None = None
) -> Any:
    """Return what a pickle (a file, or its bytes) holds; `RefusedError` names `where` and what is wrong."""
    try:
        if isinstance(source, bytes):
            return WeightsUnpickler(io.BytesIO(source), names, place).load()
        with source.open("rb") as file:
            return WeightsUnpickler(file, names, place).load()
    except Forbidden as error:
        raise RefusedError(
            say("{path} asks to run {name}, so it was not opened.", path=where, name=error),
            say("Weights need no such code; a file with it may do anything to this machine."),
            say("Take a version of the model with safetensors."),
        ) from None
    except RefusedError:
        raise
    except FileNotFoundError:
        raise RefusedError(say("There is no file {path}.", path=where)) from None
    except Exception as error:  # A broken pickle raises nearly anything.
        raise RefusedError(
            say("{path} is not a readable weight file.", path=where),
            f"{type(error).__name__}: {error}.",
            say("It is probably a torn download; fetch it again."),
        ) from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return name -> array of a .pdparams file; bfloat16 comes as uint16, its bits.

    Paddle also writes a tensor as (its own name, array), and beside the tensors a table of its own names.
    """
    values = read_pickle(path, ARRAYS, path)
    if not isinstance(values, dict):
        raise RefusedError(say("{path} holds no table of weights.", path=path))
    found = {}
    for name, value in values.items():
        if name == "StructuredToParameterName@@":
            continue
        array = value[1] if isinstance(value, tuple) and len(value) == 2 else value
        if not isinstance(array, np.ndarray) or array.dtype.hasobject:
            raise RefusedError(say("{path} holds {name}, which is no weight.", path=path, name=repr(name)))
        found[str(name)] = array
    return found
