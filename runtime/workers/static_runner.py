"""Answer with a model that was exported as a static graph: `python answer.py "Who are you?"`.

This file needs paddlepaddle and numpy alone; its command line also tokenizers and jinja2. A copy of it,
called answer.py, lies in every exported folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
from paddle.inference import Config, create_predictor

FACTS = "static.json"
"""What the graph cannot tell: shape of the cache, end tokens, longest text."""


def left_padded(prompts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return int64 [rows, longest]: tokens, what is real, and positions. Padding stands on the left."""
    longest = max(len(prompt) for prompt in prompts)
    ids = np.zeros((len(prompts), longest), np.int64)
    real = np.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = prompt
        real[row, longest - len(prompt) :] = 1
    return ids, real, np.maximum(real.cumsum(axis=1) - 1, 0)


def visible(real: np.ndarray, length: int) -> np.ndarray:
    """Return bool [rows, 1, length, total]: which of the tokens so far each of the last `length` may see."""
    total = real.shape[1]
    earlier = np.tril(np.ones((length, total), bool), total - length)
    seen: np.ndarray = real.astype(bool)[:, None, None, :] & earlier[None, None]
    return seen


class StaticModel:
    """A folder with step.json, step.pdiparams and static.json, loaded into Paddle's inference engine."""

    def __init__(self, folder: str | Path, threads: int = 0) -> None:
        self.folder = Path(folder)
        self.facts: dict[str, Any] = json.loads((self.folder / FACTS).read_text(encoding="utf-8"))
        self.config = SimpleNamespace(max_position_embeddings=int(self.facts["max_position_embeddings"]))
        options = Config(str(self.folder / "step.json"), str(self.folder / "step.pdiparams"))
        if paddle.device.get_device().startswith("gpu"):
            options.enable_use_gpu(100, 0)
        else:
            options.disable_gpu()
            options.disable_onednn()
            if threads:
                options.set_cpu_math_library_num_threads(threads)
        options.switch_ir_optim(False)  # no operation is replaced, so the answers stay what they were
        options.disable_glog_info()
        self.predictor = create_predictor(options)

    def step_logits(self, prompts: Sequence[Sequence[int]]) -> Generator[np.ndarray, Sequence[int], None]:
        """Yield the next token's scores [rows, vocabulary]; `send` the chosen tokens to get the following."""
        layers, heads, width = (int(self.facts[name]) for name in ("layers", "heads", "width"))
        ids, real, positions = left_padded(prompts)
        empty = paddle.zeros([len(prompts), 0, heads, width], dtype=self.facts["dtype"])
        cache = [empty] * (2 * layers)
        while True:
            inputs = (ids, positions, visible(real, ids.shape[1]))
            outputs = self.predictor.run([*map(paddle.to_tensor, inputs), *cache])
            # Their memory is the predictor's, which writes the next step's results over it.
            scores, *cache = [part.clone() for part in outputs]
            chosen = yield scores.numpy()
            ids = np.asarray(chosen, np.int64)[:, None]
            real = np.concatenate([real, np.ones_like(ids)], axis=1)
            positions = positions[:, -1:] + 1

    def answer(self, prompt: Sequence[int], max_new_tokens: int = 256) -> Iterator[int]:
        """Yield the likeliest tokens after a prompt, until one ends the answer."""
        steps = self.step_logits([prompt])
        scores = next(steps)
        for _ in range(min(max_new_tokens, self.config.max_position_embeddings - len(prompt))):
            token = int(scores[0].argmax())
            if token in self.facts["end_tokens"]:
                return
            yield token
            scores = steps.send([token])


def prompt_text(folder: Path, question: str) -> str:
    """Return a question in the model's chat template; as it is when the model has none."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    beside = folder / "chat_template.jinja"
    template = beside.read_text(encoding="utf-8") if beside.exists() else settings.get("chat_template")
    if not template:
        return question
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    special = {
        name: value["content"] if isinstance(value, dict) else value
        for name, value in settings.items()
        if name.endswith("_token")
    }
    messages = [{"role": "user", "content": question}]
    return environment.from_string(template).render(messages=messages, add_generation_prompt=True, **special)


def main() -> int:
    """Answer the question on the command line with the model beside this file."""
    from tokenizers import Tokenizer

    if len(sys.argv) < 2:
        print(f'usage: python {sys.argv[0]} "a question" [most new tokens]', file=sys.stderr)
        return 2
    folder = Path(__file__).resolve().parent
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    prompt = tokenizer.encode(prompt_text(folder, sys.argv[1]), add_special_tokens=False).ids
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else 256
    print(tokenizer.decode(list(StaticModel(folder).answer(prompt, limit)), skip_special_tokens=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
