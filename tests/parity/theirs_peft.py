"""What transformers and PEFT say to a row of tokens: `theirs_peft.py BASE ADAPTER OUT TOKENS`."""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def main() -> None:
    base, adapter, out, tokens = sys.argv[1:]
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).double().eval()
    adapted = PeftModel.from_pretrained(model, adapter).double().eval()
    ids = torch.tensor([json.loads(tokens)])
    with torch.no_grad():
        logits, before = adapted(ids).logits[0].numpy(), plain(ids).logits[0].numpy()
    np.savez(out, logits=logits, effect=float(np.abs(logits - before).max()))


if __name__ == "__main__":
    main()
