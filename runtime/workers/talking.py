"""The conversation protocol of worker `chat`.

A request is one line: `{"messages": [...], "which": "tuned" | "base", "max_new_tokens", "temperature",
"top_p", "seed"}`, with `text` instead of `messages` to go on from a bare text. Its replies are lines, told
apart by `kind`: `loading` and `ready` around the first use of a model, `unloaded` (with bytes `needed` and
`free`) when the other one had to make way, `piece` for each bit of text, and one `end` (with `reason`: ended,
length or interrupted) or `error`. SIGINT ends the answer that is being given and nothing else.
"""

from __future__ import annotations

import gc
import json
import signal
import time
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any, TextIO

import numpy as np
import paddle

from runtime.workers.answering_place import choose
from runtime.workers.decoding import next_logits, sample
from runtime.workers.paddle_load import load_paddle_model
from runtime.workers.prompting import decode_answer, encode_prompt, end_tokens, load_tokenizer
from runtime.workers.proof_precision import memory_available_bytes
from runtime.workers.refusal import RefusedError
from runtime.workers.result_load import is_adapter, load_result
from runtime.workers.speech import say

UNFINISHED = "\ufffd"
"""What a cut-off character decodes to; such a tail waits for the token that completes it."""

LOADING = 2.0
"""What loading takes at its peak, as a factor on the weights: the file's tensors stand beside the parameters
that they fill (paddlenlp 3.0.0b4, transformers/model_utils.py, `_load_pretrained_model`)."""


class Interruption:
    """Whether SIGINT came since the request did."""

    def __init__(self) -> None:
        self.came = False
        signal.signal(signal.SIGINT, self.note)

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember the signal; the answer ends after the token in progress."""
        self.came = True


class Models:
    """The two models, each loaded when it is first asked for, and their tokenizer.

    With `static` in the specification, that exported graph answers as the tuned one. Where there is no room
    for both, the one makes way for the other. `free_bytes` of the specification says how much room there is;
    without it, what is free is looked up.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.dtype: str | None = spec.get("dtype")
        """Settled with the place where the models answer, when the first one is asked for."""
        self.tokenizer = load_tokenizer(spec["base"])
        self.ends = end_tokens(self.tokenizer, spec["base"], spec["model"])
        self.loaded: dict[str, Any] = {}

    def make_way(self, which: str) -> dict[str, Any] | None:
        """Let go of the other model if both do not fit; return the reply that says so."""
        others = [name for name in self.loaded if name != which]
        if which in self.loaded or not others:
            return None
        needed = int(LOADING * weights_bytes(self.loaded[others[0]]))
        free = int(self.spec.get("free_bytes", -1))
        free = memory_available_bytes() if free < 0 else free
        if needed <= free:
            return None
        del self.loaded[others[0]]
        gc.collect()
        if paddle.device.get_device().startswith("gpu"):
            paddle.device.cuda.empty_cache()
        return {"kind": "unloaded", "which": others[0], "needed": needed, "free": free}

    def get(self, which: str) -> Any:
        """Return the `base` or the `tuned` model."""
        if which not in ("base", "tuned"):
            raise RefusedError(say("`which` is {which!r}; it must be base or tuned.", which=which))
        if which == "tuned" and "static" in self.spec and which not in self.loaded:
            from runtime.workers.static_runner import StaticModel

            self.loaded[which] = StaticModel(self.spec["static"])
        if which not in self.loaded:
            if self.dtype is None:
                whole = not is_adapter(self.spec["model"])
                self.dtype = choose(self.spec["base"], whole=whole).dtype
            if which == "base":
                self.loaded[which] = load_paddle_model(self.spec["base"], self.dtype)
            else:
                self.loaded[which] = load_result(self.spec["model"], self.spec["base"], self.dtype)
        return self.loaded[which]


def weights_bytes(model: Any) -> int:
    """Return the size of a model's weights in memory."""
    if hasattr(model, "step_logits"):
        return int(sum(path.stat().st_size for path in model.folder.glob("*.pdiparams")))
    return sum(int(np.prod(one.shape)) * int(one.element_size()) for one in model.parameters())


def new_text(tokenizer: Any, tokens: list[int], said: str) -> str:
    """Return what the tokens say beyond `said`, without a character that is still incomplete."""
    text = decode_answer(tokenizer, tokens).rstrip(UNFINISHED)
    return text[len(said) :] if text.startswith(said) else ""


def prompt_of(tokenizer: Any, request: dict[str, Any]) -> list[int]:
    """Return the tokens to go on from: of a conversation, or of a bare text."""
    if "text" not in request:
        return encode_prompt(tokenizer, request["messages"])
    tokens = [int(token) for token in tokenizer(request["text"])["input_ids"]]
    if not tokens:
        raise RefusedError(say("The text to continue is empty."))
    return tokens


def answer(models: Models, request: dict[str, Any], interruption: Interruption) -> Iterator[dict[str, Any]]:
    """Yield the replies to one request."""
    which = request.get("which", "tuned")
    if which not in models.loaded:
        started = time.monotonic()
        unloaded = models.make_way(which)
        if unloaded is not None:
            yield unloaded
        yield {"kind": "loading", "which": which}
        models.get(which)
        yield {"kind": "ready", "which": which, "seconds": round(time.monotonic() - started, 3)}
    model = models.get(which)
    prompt = prompt_of(models.tokenizer, request)
    limit = min(int(request.get("max_new_tokens", 256)), model.config.max_position_embeddings - len(prompt))
    if limit < 1:
        raise RefusedError(
            say("The conversation has {tokens} tokens, all that the model can hold.", tokens=len(prompt)),
            remedy=say("Start a new one: /reset"),
        )
    random = np.random.default_rng(request.get("seed"))
    temperature, top_p = float(request.get("temperature", 0)), float(request.get("top_p", 1))
    tokens: list[int] = []
    said, reason = "", "length"
    started = time.monotonic()
    steps = next_logits(model, [prompt])
    logits = next(steps)
    while not interruption.came:
        token = sample(logits[0], temperature, top_p, random)
        if token in models.ends:
            reason = "ended"
            break
        tokens.append(token)
        piece = new_text(models.tokenizer, tokens, said)
        if piece:
            said += piece
            yield {"kind": "piece", "text": piece}
        if len(tokens) == limit:
            break
        logits = steps.send([token])
    else:
        reason = "interrupted"
    whole = decode_answer(models.tokenizer, tokens)
    if whole.startswith(said) and whole != said:
        yield {"kind": "piece", "text": whole[len(said) :]}
    seconds = time.monotonic() - started
    yield {
        "kind": "end",
        "text": whole,
        "reason": reason,
        "tokens": len(tokens),
        "prompt_tokens": len(prompt),
        "seconds": round(seconds, 3),
        "tokens_per_second": round(len(tokens) / seconds, 2) if seconds > 0 else 0.0,
    }


def parse(line: str) -> dict[str, Any]:
    """Return a request; raises `RefusedError` when the line is none."""
    try:
        request = json.loads(line)
    except ValueError as error:
        raise RefusedError(say("A request must be one line of JSON."), str(error)) from error
    if not isinstance(request, dict) or not (
        isinstance(request.get("messages"), list) or isinstance(request.get("text"), str)
    ):
        raise RefusedError(say("A request must be a JSON object with a list of `messages`."))
    return request


def serve(spec: dict[str, Any], requests: TextIO, replies: TextIO) -> int:
    """Answer every request; an error ends its request, not the worker."""

    def reply(message: dict[str, Any]) -> None:
        replies.write(json.dumps(message, ensure_ascii=False) + "\n")
        replies.flush()

    interruption = Interruption()
    models = Models(spec)
    for line in requests:
        interruption.came = False
        try:
            for message in answer(models, parse(line), interruption):
                reply(message)
        except RefusedError as refused:
            reply({"kind": "error", "what": refused.what, "why": refused.why, "remedy": refused.remedy})
        except BrokenPipeError:
            return 0
        except Exception as error:
            traceback.print_exc()
            reply(
                {
                    "kind": "error",
                    "what": "No answer.",
                    "why": f"{type(error).__name__}: {error}",
                    "remedy": "",
                    "unforeseen": True,
                }
            )
    return 0
