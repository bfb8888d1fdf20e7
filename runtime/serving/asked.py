"""From a request in OpenAI's form to what the worker is asked, or to an error in OpenAI's form.

Field names and error codes: OpenAI's API reference, chat/completions and completions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from planner.language import say

DEFAULT_TOKENS = 256
MOST_STOPS = 4
"""OpenAI's limit of stop sequences."""

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "best_of": (None, 1),
    "echo": (None, False),
    "logprobs": (None, False, 0),
    "top_logprobs": (None, 0),
    "suffix": (None, ""),
    "tools": (None, []),
    "functions": (None, []),
    "response_format": (None, {"type": "text"}),
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "logit_bias": (None, {}),
    "audio": (None,),
    "tool_choice": (None, "none", "auto"),
    "function_call": (None, "none", "auto"),
    "modalities": (None, ["text"]),
    "stream": (None, False, True),
    "top_k": (None, -1, 0),
    "min_p": (None, 0),
    "repetition_penalty": (None, 1),
    "min_tokens": (None, 0),
    "ignore_eos": (None, False),
    "stop_token_ids": (None, []),
    "use_beam_search": (None, False),
}
"""Field -> values that ask for nothing. Anything else is refused: to pass over it would be another answer.

From `top_k` on: what vLLM's server takes beyond OpenAI's fields (its `ChatCompletionRequest`).
"""


class ApiError(Exception):
    """An error as clients of OpenAI's API expect it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        parameter: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.parameter, self.code = (
            status,
            message,
            kind,
            parameter,
            code,
        )

    def body(self) -> dict[str, Any]:
        """Return what is sent."""
        told = {"message": self.message, "type": self.kind, "param": self.parameter, "code": self.code}
        return {"error": told}


class Question(NamedTuple):
    """What a client wants."""

    request: dict[str, Any]
    """For the worker; see `runtime.workers.talking`."""
    stops: tuple[str, ...]
    """Texts before which an answer ends."""
    stream: bool
    usage: bool
    """Whether a stream ends with the counts of tokens."""


def chat_question(body: dict[str, Any]) -> Question:
    """Read a request of /v1/chat/completions."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, say("`messages` must be a list of at least one message."), parameter="messages")
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    return _question(
        body, {"messages": [_message(each, index) for index, each in enumerate(messages)]}, limit
    )


def text_question(body: dict[str, Any]) -> Question:
    """Read a request of /v1/completions."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt:
        raise ApiError(400, say("`prompt` must be one text that is not empty."), parameter="prompt")
    return _question(body, {"text": prompt}, body.get("max_tokens", 16))


def _question(body: dict[str, Any], what: dict[str, Any], limit: Any) -> Question:
    for name, nothing in WITHOUT_EFFECT.items():
        if name in body and body[name] not in nothing:
            raise ApiError(400, say("`{name}` is not supported here.", name=name), parameter=name)
    stops = body.get("stop")
    stops = [stops] if isinstance(stops, str) else stops or []
    if (
        not isinstance(stops, list)
        or len(stops) > MOST_STOPS
        or not all(isinstance(s, str) and s for s in stops)
    ):
        raise ApiError(
            400,
            say("`stop` must be a text, or a list of up to {most} texts.", most=MOST_STOPS),
            parameter="stop",
        )
    options = body.get("stream_options")
    return Question(
        {
            **what,
            "max_new_tokens": _whole(limit, "max_tokens") if limit is not None else DEFAULT_TOKENS,
            "temperature": _number(body, "temperature", 1.0, 0.0, 2.0),
            "top_p": _number(body, "top_p", 1.0, 0.0, 1.0),
            "seed": _whole(body["seed"], "seed") if body.get("seed") is not None else None,
        },
        tuple(stops),
        body.get("stream") is True,
        isinstance(options, dict) and options.get("include_usage") is True,
    )


def _message(message: Any, index: int) -> dict[str, str]:
    """Return one message with plain text; parts of type `text` are joined."""
    place = f"messages[{index}]"
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        raise ApiError(
            400,
            say("{place} must have a role: {roles}.", place=place, roles=", ".join(ROLES)),
            parameter=place,
        )
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        content = "".join(parts) if all(isinstance(part, str) for part in parts) else None  # type: ignore[arg-type]
    if not isinstance(content, str):
        raise ApiError(400, say("{place} must have text as its content.", place=place), parameter=place)
    return {"role": ROLES[message["role"]], "content": content}


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < (1 if name == "max_tokens" else 0):
        raise ApiError(400, say("`{name}` must be a whole number above 0.", name=name), parameter=name)
    return value


def _number(body: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ApiError(
            400,
            say("`{name}` must be a number from {low:g} to {high:g}.", name=name, low=low, high=high),
            parameter=name,
        )
    return float(value)
