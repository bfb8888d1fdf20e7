"""What an engine says to the prompts, loading as the workers do. In the engine: `ours.py FOLDER JOB OUT`."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    spec = importlib.util.spec_from_file_location("start", PROJECT / "runtime" / "workers" / "start.py")
    assert spec is not None and spec.loader is not None
    start = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(start)
    start.register_package()
    from runtime.workers.decoding import all_logits, greedy
    from runtime.workers.hf_load import load_hf_model, load_hf_tokenizer
    from runtime.workers.prompting import encode_prompt, load_tokenizer
    from runtime.workers.proof_precision import computes_double
    from runtime.workers.toolkit import is_paddleformers

    folder, job_path, out = sys.argv[1:]
    job = json.loads(Path(job_path).read_text())
    model = load_hf_model(folder)
    tokenizer = load_tokenizer(folder) if is_paddleformers() else load_hf_tokenizer(folder)
    prompts = [list(map(int, tokenizer(text)["input_ids"])) for text in job["texts"]]
    prompts += [encode_prompt(tokenizer, chat) for chat in job["chats"]]
    answers = greedy(model, prompts, set(), job["new_tokens"])
    if computes_double(model):
        model.to(dtype="float64")
    logits = {f"logits{number}": all_logits(model, prompt) for number, prompt in enumerate(prompts)}
    tokens = {"prompts": prompts, "answers": [answer.tokens for answer in answers]}
    np.savez(out, tokens=json.dumps(tokens), **logits)


if __name__ == "__main__":
    main()
