"""The files of a run that a person may want: results first, then the exact inputs and logs of every stage."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from planner.language import say, template
from runtime.run import saving
from runtime.run.layout import RunFolder
from runtime.run.next_steps import output_path
from runtime.run.view import RunView
from tui.app.run_words import stage_name

RESULTS = (
    (template("Tuned model"), "merge", "model"),
    (template("Adapter"), "train", "adapter"),
    (template("Weights"), "train", "model"),
    (template("Static graph"), "export", "static"),
    (template("Answers"), "generate", "samples"),
    (template("Report"), "report", "page"),
)
STAGE_FILES = (
    (template("command"), "command.json"),
    (template("config"), "config.json"),
    (template("environment"), "environment.json"),
    (template("specification"), "spec.json"),
    (template("log"), "log.txt"),
)


class RunFile(NamedTuple):
    """One file or folder."""

    name: str
    path: Path
    stage: str = ""


def results(run: RunFolder, view: RunView) -> list[RunFile]:
    """Return what the run has made so far, and the run's own files."""
    found = [
        RunFile(say(name), Path(found_at))
        for name, stage, output in RESULTS
        if stage in view.stages and (found_at := output_path(run, view, stage, output))
    ]
    seen = {file.path for file in found}
    for stage in view.stages.values():
        for name, place in stage.artifacts.items():
            path = run.root / place if not Path(place).is_absolute() else Path(place)
            if path not in seen and path.exists():
                found.append(RunFile(name, path, stage.name))
                seen.add(path)
    own = [RunFile(say("Plan"), run.plan), RunFile(say("Journal"), run.journal)]
    own += [RunFile(say("Log of the supervisor"), run.supervisor_log), RunFile(say("Run folder"), run.root)]
    return found + [file for file in own if file.path.exists()]


def stage_files(run: RunFolder, stage: str) -> list[RunFile]:
    """Return the exact command, config, environment and logs of a stage: nothing is hidden."""
    folder = run.stage(stage)
    found = [RunFile(say(name), folder.root / file, stage) for name, file in STAGE_FILES]
    found += [
        RunFile(say("log of rank {rank}", rank=log.suffix[1:]), log, stage) for log in folder.rank_logs()
    ]
    return [file for file in found if file.path.exists()]


def title(file: RunFile) -> str:
    """Return what a file is, with its stage."""
    return f"{stage_name(file.stage)}: {file.name}" if file.stage else file.name


def log_first(view: RunView, state: str) -> str:
    """Return the stage whose log a person wants first: the newest, of a finished run the training."""
    started = [stage for stage in view.stages.values() if stage.started]
    if state == "finished" and any(stage.name == saving.SAVES for stage in started):
        return saving.SAVES
    return max(started, key=lambda stage: stage.started).name if started else ""
