"""Start a worker in fewer seconds: libraries that no worker uses are imported when something asks for them.

Importing PaddleNLP or PaddleFormers imports a server framework, data frames, statistics, an HTTP client and a
compiler front end, which neither training nor merging nor answering touches; and the garbage collector
looks through hundreds of thousands of living objects again and again meanwhile. Of 4.6 seconds of a processor
that `import paddlenlp` takes, both together are half.

`install` puts a finder in front of Python's own. The modules in `LATE` come as modules that are not executed
yet: whoever asks for a name in them executes them, then and there, by their own loader. So `import x`,
`import x.y`, `x.name` and `isinstance(value, x.Name)` mean what they always mean. `from x import name` at
the top of an upstream file would execute x at once; for the names written down here it gets a `Later`, which
becomes the real thing at its first use. Only for versions that this was tried with; others are imported as
ever.
"""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

from runtime.workers.late_module import LateModule, load_late

RARELY = 100_000
"""New containers between two collections while modules are imported, in place of Python's 700. An import of
PaddleNLP leaves about 340,000 objects, nearly all of which live as long as the process."""


class Late(NamedTuple):
    """A module that waits: names that others take from it at once, and what it would have imported first."""

    names: tuple[str, ...] = ()
    first: str = ""


PADDLE = {
    # No worker compiles anything. It prints that ccache is missing.
    "paddle.utils.cpp_extension": Late(
        ("CppExtension", "CUDAExtension", "get_build_directory", "load", "setup", "BuildExtension")
    ),
    "paddle.utils.cpp_extension.extension_utils": Late(),
}
SHARED = {
    "datasets": Late(("load_dataset", "Dataset", "IterableDataset")),
    "pandas": Late(),
    "scipy.linalg": Late(("block_diag",)),
    "sklearn": Late(),
    "sklearn.metrics": Late(("pairwise_distances", "accuracy_score", "roc_curve")),
}
PADDLENLP = {
    # Without it, PaddleNLP's parts would import one another in another order, which fails.
    "paddlenlp.dataaug": Late(first="paddlenlp.prompt"),
    "paddlenlp.taskflow": Late(("Taskflow",)),
    "paddlenlp.server": Late(("SimpleServer",)),
    "paddlenlp.trl.extras.dataset_formatting": Late(("get_formatting_func_from_dataset",)),
    "httpx": Late(),
    "seqeval": Late(),
    "seqeval.metrics": Late(),
    "seqeval.metrics.sequence_labeling": Late(("get_entities",)),
}
LATE: dict[tuple[str, str], dict[str, Late]] = {
    ("paddlepaddle", "3.3.1"): PADDLE,
    ("paddlepaddle-gpu", "3.3.1"): PADDLE,
    ("paddlenlp", "3.0.0b4"): {**SHARED, **PADDLENLP},
    ("paddleformers", "1.2.0"): SHARED,
}
"""(package, version) -> modules that wait. Found with `python -X importtime` on the CPU engines."""

IMPORTS_MUCH = ("paddle", "paddlenlp", "paddleformers", "transformers")
"""What is imported with few collections, and the workers themselves."""


def install() -> None:
    """Let the modules of `LATE` wait, where an engine holds the versions that they were found in."""
    late: dict[str, Late] = {}
    for (package, version), modules in LATE.items():
        if _version(package) == version:
            late.update(modules)
    if not any(isinstance(finder, QuickFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, QuickFinder(late))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


class QuickFinder(MetaPathFinder):
    """Asks the finders behind it, and changes how what they found is executed."""

    def __init__(self, late: dict[str, Late]) -> None:
        self._late = late

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a late module, or of one that is imported with few collections, else None."""
        late = self._late.get(fullname)
        parent = sys.modules.get(fullname.rpartition(".")[0])
        if isinstance(parent, LateModule) and late is None:
            return load_late(parent, fullname)
        if late is None and fullname not in IMPORTS_MUCH and not fullname.startswith("runtime.workers."):
            return None
        spec = self._behind(fullname, path, target)
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return spec
        loader: Any = spec.loader
        if late is None:
            loader.exec_module = _few_collections(loader.exec_module)
        else:
            execute = loader.exec_module
            loader.create_module = lambda spec: LateModule(spec.name, execute, late.names)
            loader.exec_module = lambda module: importlib.import_module(late.first) if late.first else None
        return spec

    def _behind(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                return spec
        return None


class _Importing(threading.local):
    depth = 0


_importing = _Importing()
_frozen = False


def _few_collections(execute: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    """Return `execute` under a collector that seldom runs; afterwards it is as it was before."""

    def quickly(module: ModuleType) -> None:
        global _frozen
        before = gc.get_threshold()
        if _importing.depth == 0:
            gc.set_threshold(RARELY, *before[1:])
        _importing.depth += 1
        try:
            execute(module)
        finally:
            _importing.depth -= 1
            if _importing.depth == 0:
                gc.set_threshold(*before)
                if not _frozen and "paddle" in sys.modules:
                    # Modules never become garbage; without them a full collection takes no half second.
                    _frozen = True
                    gc.freeze()

    return quickly
