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

    Left out are commands that need a rendered folder beside them, which a run folder is not, and FastDeploy
    where it would not load the model and nobody asked for it.
    """
    found = []
    for line in after(plan, model).splitlines():
        words = next((words for part, words in WORDS.items() if part in line), "")
        if not line.startswith("    ") or not words:
            continue
        server, problem = served_by(line), problem_of(Path(model), line)
        if not problem or server != "fastdeploy" or plan.wishes.target == server:
            found.append((with_problem(say(words), problem), line.strip()))
    return found


def served_by(command: str) -> str:
    """Return the server that a command starts; empty where it starts none that is known."""
    program = command.split()[:3]  # what follows are paths, which may be called anything
    return next((name for name in servers() if program[0] == name or program[-1].startswith(f"{name}.")), "")


def problem_of(folder: Path, command: str) -> str:
    """Return why the server of a command would not serve a folder; empty when it would."""
    server = served_by(command)
    return why_not(folder, server) if server and folder.is_dir() else ""


def with_problem(what: str, problem: str) -> str:
    """Return what a command does, and what stands in its way."""
    return say("{what}. But: {problem}", what=what, problem=problem) if problem else what
