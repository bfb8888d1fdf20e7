"""The language of a run: that of its plan, whoever started it and however the machine is set."""

from __future__ import annotations

from pathlib import Path

import yaml

from planner.language import LANGUAGES
from runtime.run.layout import RunFolder

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's loader where PyYAML was built with it: ten times as fast, and a run waits for this."""


def language_of(run: RunFolder) -> str:
    """Return the language in which the plan of a run is written; English where the plan cannot be read."""
    try:
        language = yaml.load(run.plan.read_text(encoding="utf-8"), LOADER)["wishes"]["language"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return "en"
    return language if isinstance(language, str) and language in LANGUAGES else "en"


def language_of_stage(stage_folder: str) -> str:
    """Return the language in which a stage's process speaks: that of the run whose stage it is."""
    return language_of(RunFolder(Path(stage_folder).parent.parent))
