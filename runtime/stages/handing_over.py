"""What can be done with a finished model elsewhere: the recipe's commands, each with words."""

from __future__ import annotations

from planner.language import say, template
from planner.plan import Plan
from planner.render import after

WORDS = {
    "vllm serve": template("Serve it with vLLM (an OpenAI-compatible endpoint)"),
    "fastdeploy": template("Serve it with FastDeploy (an OpenAI-compatible endpoint)"),
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
            found.append((say(words), line.strip()))
    return found
