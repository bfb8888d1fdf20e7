"""Stage `generate`: the same prompts answered by the base model and by the tuned one, side by side.

Specification: `base` (PaddleNLP folder), `model` (merged Hugging Face folder), `prompts` (lists of
messages), `references` (hoped-for answers or null), `max_new_tokens`. Output: `samples`, a JSON list of
`{prompt, base, tuned, base_ended, tuned_ended, reference}` where `prompt` is the list of messages. Proof:
`generate.answers`. Figures: BLEU-4 and ROUGE of both models where references are known.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the stage; see `answering.work`."""
    return run_stage(spec, "runtime.workers.answering")
