"""What Steersman itself can do with a finished model besides talking: a static graph, and fewer bits."""

from __future__ import annotations

import shlex
from typing import Any

from planner.language import say
from planner.plan import Plan
from planner.rules.after import TRACEABLE
from runtime.run.layout import RunFolder
from runtime.run.view import RunView
from runtime.stages.report_quantised import METHODS

KERNELS = {"gptq": "weight_only_int4", "awq": "weight_only_int4"}
"""Method -> the predictor's name of its kernels, where that is another one."""


def more_commands(run: RunFolder, plan: Plan, view: RunView) -> list[tuple[str, str]]:
    """Return (what, command) that work with this run's result; none for what is no merged language model."""
    proofs = view.stage("merge").proofs
    if plan.value("engine") != "paddlenlp" or "merge.tokens" not in proofs:
        return []
    found = []
    if view.stage("export").proven:
        found += [
            (say("Serve the static graph"), f"steersman serve-model {run.reference} --static"),
            (
                say("Answer a file of questions with the static graph"),
                f"steersman predict {run.reference} --static --data questions.jsonl --out answers.jsonl",
            ),
        ]
    elif plan.facts.model.model_type in TRACEABLE:
        found.append((say("Export a static graph, proven"), f"steersman export {run.reference}"))
    if plan.wishes.stage == "sft":
        command = f"steersman quantise {run.reference} --method weight_only_int4"
        found.append((say("Quantise it, and see what that costs"), command))
    return found


def quantised_commands(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return how each quantised model answers on an NVIDIA card (PaddleNLP, llm/docs/inference.md)."""
    return [
        (
            say(
                "Answer with the {method} model on an NVIDIA card (from the folder `llm` of PaddleNLP's "
                "source)",
                method=METHODS[one["method"]],
            ),
            f"python predict/predictor.py --model_name_or_path {shlex.quote(one['folder'])} --mode dynamic "
            f"--inference_model --block_attn --dtype {one.get('precision', 'float16')} "
            f"--quant_type {KERNELS.get(one['method'], one['method'])}",
        )
        for one in found
    ]
