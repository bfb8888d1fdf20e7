"""Names for data: the sets that come with Steersman, and a person's own files and folders."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from planner.errors import BadInput
from planner.language import join, say
from runtime.data.sources import SUFFIXES
from runtime.paths import PROJECT

Progress = Callable[[float, float, str, str], None]
FOLDER = PROJECT / "recipes" / "data"


def bundled_names() -> list[str]:
    """Return the names of the bundled sets, sorted."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir() and any(path.glob("train.*")))


def resolve_data(name_or_path: str, progress: Progress = lambda done, total, unit, message: None) -> Path:
    """Return the absolute path of a data set: an existing file or folder, a bundled name, a mixture, or a
    hub's data set, which is fetched once.

    Raises `BadInput` with the nearest names and paths when there is none of them.
    """
    from runtime.data.mixture import SUFFIXES as MIXTURES
    from runtime.data.mixture import resolve_mixture

    path = Path(name_or_path).expanduser()
    if path.exists() and path.suffix.lower() not in MIXTURES:
        return path.resolve()
    mixed = resolve_mixture(name_or_path)
    if mixed is not None:
        return mixed
    if ":" in name_or_path or "/" in name_or_path:
        from runtime.data.hub_data import resolve_hub

        fetched = resolve_hub(name_or_path, progress)
        if fetched is not None:
            return fetched
    names = bundled_names()
    if name_or_path in names:
        return FOLDER / name_or_path
    near = difflib.get_close_matches(name_or_path, names, 2, 0.6) + near_paths(path)
    hint = say("Did you mean {names}?", names=say(" or ").join(near)) if near else ""
    raise BadInput(
        say(
            "There is no data set {name}: no such file or folder, and no bundled set of that name.",
            name=name_or_path,
        ),
        remedy=join((hint, say("Bundled: {names}.", names=", ".join(names)))),
    )


def near_paths(path: Path) -> list[str]:
    """Return up to two existing paths that may be meant: another ending, or a similar name beside it."""
    folder = path.parent
    if not folder.is_dir():
        return []
    usable = [entry for entry in folder.iterdir() if entry.is_dir() or entry.suffix.lower() in SUFFIXES]
    same_stem = [entry.name for entry in usable if entry.stem == path.stem]
    names = [entry.name for entry in usable if not entry.name.startswith(".")]
    found = dict.fromkeys([*sorted(same_stem), *difflib.get_close_matches(path.name, names, 2, 0.6)])
    return [str(folder / name) for name in list(found)[:2]]
