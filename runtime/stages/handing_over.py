"""What can be done with a finished model elsewhere: the recipe's commands, each with words."""

from __future__ import annotations

from pathlib import Path

from planner.language import say, template
from planner.plan import Plan
from planner.render import after
from runtime.stages.servable import servers, why_not

WORDS = {
    "vllm serve": template("Serve it with vLLM (an OpenAI-compatible endpoint)"),
    "fastdeploy": template("Serve it with FastDeploy (an OpenAI-compatible endpoint)"),
    "steersman convert": template("Turn it into PaddleNLP's format, for the commands below"),
    "flask_server.py": template(
        "Serve it with Flask and Gradio (from the folder `llm` of PaddleNLP's source)"
    ),
    "export_model.py": template("Export a static graph (from the folder `llm` of PaddleNLP's source)"),
    "predictor.py": template("Answer with the static graph (from the same folder)"),
}
"""Part of a command -> what it does. The commands are in recipes/<engine>/after.md.j2."""


def commands(plan: Plan, model: str) -> list[tuple[str, str]]:
    """Return (what, command) for the merged model in the folder `model`.

    Commands that need a rendered folder beside them are left out: a run folder is none.
    """
    found = []
    for line in after(plan, model).splitlines():
        words = next((words for part, words in WORDS.items() if part in line), "")
        if line.startswith("    ") and words:
            found.append((with_problem(say(words), Path(model), line), line.strip()))
    return found


def with_problem(what: str, folder: Path, command: str) -> str:
    """Return what a command does, and why its server would not serve this folder, if it would not."""
    server = next((name for name in servers() if name in command.split("--")[0]), "")
    problem = why_not(folder, server) if server and folder.is_dir() else ""
    return say("{what}. But: {problem}", what=what, problem=problem) if problem else what
