"""Evaluation by generation: the model answers dev rows while it trains, and is scored.

PaddleNLP's own way crashes (it decodes without position ids), and is switched off without a word for every
model with a chat template. Here answers are greedy, in left-padded batches, through the template of training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import paddle

from runtime.workers.conversation import as_list, encode_turns
from runtime.workers.decoding import greedy
from runtime.workers.prompting import decode_answer, end_tokens
from runtime.workers.scores import score
from runtime.workers.sft_arguments import Arguments

MOST_ROWS = 32
"""Dev rows that are answered at each look: as many as tell a change, at the cost of a batch or two."""

BATCH_ROWS = 16
MOST_NEW_TOKENS = 256


class Question(NamedTuple):
    """A dev row up to its last answer, which is the reference."""

    prompt: list[int]
    question: str
    reference: str


def questions(rows: list[dict[str, Any]], tokenizer: Any, most_prompt_tokens: int) -> list[Question]:
    """Return the first rows whose prompt fits, whole conversations up to the last question."""
    found = []
    for row in rows:
        turns = encode_turns(tokenizer, row)
        prompt = [token for ask, answer in turns[:-1] for token in (*ask, *answer)] + list(turns[-1][0])
        if len(prompt) <= most_prompt_tokens:
            found.append(Question(prompt, as_list(row["src"])[-1], as_list(row["tgt"])[-1]))
        if len(found) == MOST_ROWS:
            break
    return found


class GenerationEval:
    """Answers the dev rows with the model as it is, keeps what was said, returns the scores."""

    def __init__(self, arguments: Arguments, tokenizer: Any, asked: list[Question], folder: Path) -> None:
        self.tokenizer = tokenizer
        self.asked = asked
        self.folder = folder
        self.ends = end_tokens(tokenizer, arguments.model.model_name_or_path)
        longest = max((len(question.prompt) for question in asked), default=0)
        self.most = max(1, min(MOST_NEW_TOKENS, arguments.data.max_length - longest))

    def run(self, model: Any, args: Any, step: int) -> dict[str, float]:
        """Return the scores at a step, the same on every rank; each rank answers its share of the rows."""
        mine = self.asked[args.dataset_rank :: args.dataset_world_size]
        answers: list[str] = []
        for start in range(0, len(mine), BATCH_ROWS):
            prompts = [question.prompt for question in mine[start : start + BATCH_ROWS]]
            found = greedy(model, prompts, self.ends, self.most)
            answers += [decode_answer(self.tokenizer, answer.tokens).strip() for answer in found]
        samples = [
            {"question": question.question, "reference": question.reference, "answer": answer}
            for question, answer in zip(mine, answers, strict=True)
        ]
        if args.world_size > 1:
            gathered: list[Any] = []
            paddle.distributed.all_gather_object(gathered, samples)
            samples = [sample for share in gathered[: args.dataset_world_size] for sample in share]
        if args.process_index == 0:
            self.write(samples, step)
        return score([one["answer"] for one in samples], [one["reference"] for one in samples])

    def write(self, samples: list[dict[str, str]], step: int) -> None:
        """Write what was said at a step to `samples-<step>.json`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(samples, ensure_ascii=False, indent=2)
        (self.folder / f"samples-{step}.json").write_text(text + "\n", encoding="utf-8")
