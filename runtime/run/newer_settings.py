"""A run whose plan an earlier version saved: what is finished stays finished.

Settings that its plan lacks get today's defaults, and some of them add a key to a specification or a config.
A stage that was proven, or trained half way, without that key is not another stage because of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import yaml

from runtime.run import commit
from runtime.run.layout import RunFolder
from runtime.run.task import StageTask


def only_added(task: StageTask, run: RunFolder, fingerprints: Collection[str]) -> bool:
    """Return whether a task is what was done before, plus keys that did not exist then.

    `fingerprints` are those of what was done; the files that it left are only believed if they have one of
    them. Always False for a task of a plan that lacks nothing.
    """
    if not task.newer_settings:
        return False
    folder = run.stage(task.stage)
    try:
        spec, inputs = (json.loads(path.read_text(encoding="utf-8")) for path in (folder.spec, folder.inputs))
        files = {name: (folder.root / name).read_text(encoding="utf-8") for name in task.files}
        before = replace(task, spec=spec, files=files, inputs=inputs)
        if commit.fingerprint(before, run) not in fingerprints or inputs != task.inputs:
            return False
        pairs = [(spec, task.spec), *((read(files[name]), read(text)) for name, text in task.files.items())]
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return all(holds(placeless(new, task, run), placeless(old, task, run)) for old, new in pairs)


def read(text: str) -> Any:
    """Return a config's content; YAML holds JSON, too, but reads 1e-05 as a text."""
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def placeless(value: Any, task: StageTask, run: RunFolder) -> Any:
    """Return a content with every known path replaced by what it is."""
    return json.loads(commit.without_places(json.dumps(value, ensure_ascii=False), task, run))


def holds(new: Any, old: Any) -> bool:
    """Return whether `new` has everything that `old` has, in the same words."""
    if isinstance(new, dict) and isinstance(old, dict):
        return all(key in new and holds(new[key], value) for key, value in old.items())
    return bool(new == old)
