"""A module that is executed when something in it is asked for, and names that were taken from it before."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterable
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_executing = threading.RLock()
_MACHINERY = {
    "__spec__",
    "__loader__",
    "__package__",
    "__file__",
    "__cached__",
    "__path__",
    "__warningregistry__",
}
"""What Python asks of every module, and sets itself before a module is executed."""


class LateModule(ModuleType):
    """Looks like the module, from its spec to its path; any other name in it executes it first.

    It stays the same object when it is executed, and turns into an ordinary module.
    """

    def __init__(self, name: str, execute: Callable[[ModuleType], None], names: Iterable[str]) -> None:
        super().__init__(name)
        own = self.__dict__
        own["_late_execute"] = execute
        own["_late_names"] = frozenset(names)
        own["_late_handed"] = {}
        own["_late_changes"] = {}

    def __getattr__(self, name: str) -> Any:
        """Return what was set before the module was executed, a `Later`, or the real thing."""
        if name in _MACHINERY:
            raise AttributeError(name)
        own = self.__dict__
        with _executing:
            if type(self) is LateModule:
                if name in own["_late_changes"]:
                    return own["_late_changes"][name]
                if name in own["_late_names"]:
                    return own["_late_handed"].setdefault(name, Later(self, name))
                execute_late(self)
        return getattr(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep a change until there is something to change: PaddleNLP replaces `datasets.load_dataset`."""
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            self.__dict__["_late_changes"][name] = value

    def __delattr__(self, name: str) -> None:
        execute_late(self)
        delattr(self, name)

    def __dir__(self) -> Iterable[str]:
        execute_late(self)
        return dir(self)


def execute_late(module: ModuleType) -> None:
    """Execute a module that waits, after the packages that it is in; nothing if it has been executed."""
    with _executing:
        parent = sys.modules.get(module.__name__.rpartition(".")[0])
        if isinstance(parent, LateModule):
            execute_late(parent)
        if not isinstance(module, LateModule):
            return
        own = module.__dict__
        execute, handed, changes = (own.pop(f"_late_{part}") for part in ("execute", "handed", "changes"))
        del own["_late_names"]
        object.__setattr__(module, "__class__", ModuleType)
        try:
            execute(module)
        except BaseException:
            sys.modules.pop(module.__name__, None)
            raise
        for name, later in handed.items():
            later.become(getattr(module, name))
        own.update(changes)


def load_late(package: LateModule, name: str) -> ModuleSpec | None:
    """Execute `package`, of which the module `name` is wanted now.

    Returns None for Python's own finders, or, where the package has imported that module itself, a spec of
    what is there; Python would otherwise execute it a second time, by the spec that the module has.
    """
    execute_late(package)
    module = sys.modules.get(name)
    if module is None:
        return None
    there = ModuleSpec(name, _There(module), is_package=hasattr(module, "__path__"))
    module.__spec__ = there
    return there


class _There(Loader):
    """Loads a module that exists, and gives it back its own spec."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


_NOT_YET = object()


class Later:
    """A function or class of a module that waits: using it in any way executes that module.

    Nothing can be an instance of a class that has never been defined, so asking that executes nothing.
    """

    __slots__ = ("_module", "_name", "_real")

    def __init__(self, module: LateModule, name: str) -> None:
        object.__setattr__(self, "_module", module)
        object.__setattr__(self, "_name", name)
        self.become(_NOT_YET)

    def become(self, real: Any) -> None:
        """Stand for `real` from now on."""
        object.__setattr__(self, "_real", real)

    def _now(self) -> Any:
        if self._real is _NOT_YET:
            execute_late(self._module)
        if self._real is _NOT_YET:  # That failed once, and said why; it may say so again.
            self.become(getattr(importlib.import_module(self._module.__name__), self._name))
        if type(self._real) is Later:  # That module took it from another one that waits.
            self.become(self._real._now())
        return self._real

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the real thing."""
        return self._now()(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._now(), name, value)

    def __instancecheck__(self, instance: Any) -> bool:
        return self._real is not _NOT_YET and isinstance(instance, self._now())

    def __subclasscheck__(self, subclass: type) -> bool:
        return self._real is not _NOT_YET and issubclass(subclass, self._now())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (self._now(),)

    def __or__(self, other: Any) -> Any:
        return self._now() | other

    def __ror__(self, other: Any) -> Any:
        return other | self._now()

    def __repr__(self) -> str:
        return f"<{self._module.__name__}.{self._name}, when it is used>"
