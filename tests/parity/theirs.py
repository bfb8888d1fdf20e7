"""What transformers says to the prompts. Runs in the scratch environment: `theirs.py FOLDER JOB OUT`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    folder, job_path, out = sys.argv[1:]
    job = json.loads(Path(job_path).read_text())
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts = [list(tokenizer(text)["input_ids"]) for text in job["texts"]]
    for chat in job["chats"]:
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        prompts.append(list(tokenizer(text, add_special_tokens=False)["input_ids"]))
    answers = []
    with torch.no_grad():
        for prompt in prompts:
            ids = torch.tensor([prompt])
            found = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=job["new_tokens"],
                min_new_tokens=job["new_tokens"],
                do_sample=False,
                eos_token_id=-1,
                pad_token_id=0,
            )
            answers.append(found[0, len(prompt) :].tolist())
        model.double()
        logits = {
            f"logits{number}": model(torch.tensor([prompt])).logits[0].numpy()
            for number, prompt in enumerate(prompts)
        }
    np.savez(out, tokens=json.dumps({"prompts": prompts, "answers": answers}), **logits)


if __name__ == "__main__":
    main()
