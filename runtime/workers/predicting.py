"""The protocol of worker `predict`: batches of prompts in, one reply for each row out.

A request is one line: `{"rows": [{"row": 7, "messages": [...]}], "max_new_tokens": 256}`. Its replies are
lines: `loading` and `ready` before the first batch, then for each row `answer` (with `row`, `text`,
`ended`, `tokens`, `prompt_tokens`) or `refused` (with `row`, `what`), and one `end` (with `reason`: done or
interrupted) or `error`. SIGINT ends the batch: the rows that had their whole answer keep it.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

from runtime.workers.answering import decode
from runtime.workers.answering_place import choose
from runtime.workers.decoding import Answer, next_logits
from runtime.workers.paddle_load import load_paddle_model
from runtime.workers.prompting import encode_prompt, end_tokens, load_tokenizer
from runtime.workers.refusal import RefusedError
from runtime.workers.result_load import is_adapter, load_result
from runtime.workers.speech import say
from runtime.workers.talking import Interruption

Reply = dict[str, Any]


def load(spec: dict[str, Any]) -> Any:
    """Return the model that is to answer."""
    which = spec["which"]
    if which == "static":
        from runtime.workers.static_runner import StaticModel

        return StaticModel(spec["model"])
    whole = which != "adapter" and not is_adapter(spec["model"])
    dtype = spec.get("dtype") or choose(spec["base"], whole=whole).dtype
    if which == "base":
        return load_paddle_model(spec["base"], dtype)
    if which == "adapter":
        from runtime.workers.adapter import attach

        return attach(load_paddle_model(spec["base"], dtype), spec["model"])
    return load_result(spec["model"], spec["base"], dtype)


class Predictor:
    """The model, loaded when the first batch comes, and its tokenizer."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.tokenizer = load_tokenizer(spec["base"])
        self.ends = end_tokens(self.tokenizer, spec["base"], spec["model"])
        self.model: Any = None

    def fitting(self, rows: list[Reply], limit: int) -> Iterator[tuple[int, list[int]] | Reply]:
        """Yield (row, prompt) where prompt and answer fit into the model, and a reply for other rows."""
        for row in rows:
            try:
                prompt = encode_prompt(self.tokenizer, row["messages"])
            except RefusedError as refused:
                yield {"kind": "refused", "row": row["row"], "what": refused.what}
                continue
            positions = self.model.config.max_position_embeddings
            if len(prompt) + limit <= positions:
                yield row["row"], prompt
                continue
            what = say(
                "The prompt has {tokens} tokens; with {limit} new ones that is more than the {positions} "
                "positions of the model.",
                tokens=len(prompt),
                limit=limit,
                positions=positions,
            )
            yield {"kind": "refused", "row": row["row"], "what": what}

    def batch(self, request: dict[str, Any], interruption: Interruption) -> Iterator[Reply]:
        """Yield the replies to one request; answers come as each row meets its end."""
        if self.model is None:
            started = time.monotonic()
            yield {"kind": "loading", "which": self.spec["which"]}
            self.model = load(self.spec)
            yield {"kind": "ready", "which": self.spec["which"], "seconds": time.monotonic() - started}
        limit = int(request["max_new_tokens"])
        prompts: list[tuple[int, list[int]]] = []
        for found in self.fitting(request["rows"], limit):
            if isinstance(found, dict):
                yield found
            else:
                prompts.append(found)
        if prompts:
            yield from self.answers(prompts, limit, interruption)
        yield {"kind": "end", "reason": "interrupted" if interruption.came else "done"}

    def answers(
        self, prompts: list[tuple[int, list[int]]], limit: int, interruption: Interruption
    ) -> Iterator[Reply]:
        """Answer a left-padded batch greedily; a row that has ended is carried along unseen."""
        answers = [Answer() for _ in prompts]
        running = set(range(len(prompts)))
        steps = next_logits(self.model, [prompt for _, prompt in prompts])
        scores = next(steps)
        while running and not interruption.came:
            best = [int(token) for token in scores.argmax(axis=1)]
            for index in sorted(running):
                answer = answers[index]
                answer.ended = best[index] in self.ends
                if not answer.ended:
                    answer.tokens.append(best[index])
                if answer.ended or len(answer.tokens) == limit:
                    running.discard(index)
                    yield {
                        "kind": "answer",
                        "row": prompts[index][0],
                        "text": decode(self.tokenizer, answer.tokens),
                        "ended": answer.ended,
                        "tokens": len(answer.tokens),
                        "prompt_tokens": len(prompts[index][1]),
                    }
            if running:
                scores = steps.send(best)


def serve(spec: dict[str, Any], requests: TextIO, replies: TextIO) -> int:
    """Answer every request; an error ends its request, not the worker."""

    def reply(message: Reply) -> None:
        replies.write(json.dumps(message, ensure_ascii=False) + "\n")
        replies.flush()

    interruption = Interruption()
    predictor = Predictor(spec)
    for line in requests:
        interruption.came = False
        try:
            for message in predictor.batch(json.loads(line), interruption):
                reply(message)
        except RefusedError as refused:
            reply({"kind": "error", "what": refused.what, "why": refused.why, "remedy": refused.remedy})
        except BrokenPipeError:
            return 0
        except Exception as error:
            traceback.print_exc()
            why = f"{type(error).__name__}: {error}"
            failure = {"kind": "error", "what": say("No answer."), "why": why, "remedy": ""}
            reply(failure | {"unforeseen": True})
    return 0
