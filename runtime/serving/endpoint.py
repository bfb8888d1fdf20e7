"""The endpoint: /v1/models, /v1/chat/completions and /v1/completions in OpenAI's form.

One model in one worker process answers one request at a time. Every error is JSON in OpenAI's form.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from planner.language import say
from runtime.serving.addresses import is_loopback
from runtime.serving.asked import ApiError, Question, chat_question, text_question
from runtime.serving.forms import ChatForm, Form, TextForm
from runtime.serving.model import Reply, ServedModel
from runtime.serving.stopping import StopFilter

MOST_BYTES = 4 << 20
"""Largest request: far more than any model's positions hold."""

FINISH = {"ended": "stop", "length": "length", "interrupted": "length"}
"""Why the worker ended an answer -> OpenAI's word."""


class Endpoint:
    """Serves one model under one name to whoever knows the key; an empty key lets everybody in."""

    def __init__(self, model: ServedModel, name: str, key: str, host: str) -> None:
        self.model, self.name, self.key, self.host = model, name, key, host
        self.started = int(time.time())

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(middlewares=[self.guard], client_max_size=MOST_BYTES)
        app.add_routes(
            [
                web.get("/v1/models", self.models),
                web.get("/v1/models/{name:.+}", self.one_model),
                web.post("/v1/chat/completions", self.chat),
                web.post("/v1/completions", self.complete),
                web.get("/health", self.health),
            ]
        )
        return app

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check key and origin; turn every error into OpenAI's form."""
        try:
            self._check(request)
            return await handler(request)
        except ApiError as error:
            return web.json_response(error.body(), status=error.status)
        except web.HTTPException as error:
            told = ApiError(error.status, error.reason, code="not_found" if error.status == 404 else None)
            return web.json_response(told.body(), status=error.status)

    def _check(self, request: web.Request) -> None:
        """Refuse who does not know the key, and pages of other sites that use this machine's browser."""
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if self.key and not hmac.compare_digest(given.encode(), self.key.encode()):
            raise ApiError(401, say("The API key is missing or wrong."), code="invalid_api_key")
        host = urlsplit(f"//{request.host}").hostname or ""
        origin = request.headers.get("Origin")
        if is_loopback(self.host) and not is_loopback(host):
            raise ApiError(403, say("This address is for programs on this machine."), code="forbidden")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise ApiError(403, say("Another site's page may not use this address."), code="forbidden")

    def _entry(self) -> dict[str, Any]:
        return {"id": self.name, "object": "model", "created": self.started, "owned_by": "steersman"}

    async def health(self, request: web.Request) -> web.Response:
        """Say that the server is up."""
        return web.json_response({"status": "ok"})

    async def models(self, request: web.Request) -> web.Response:
        """List the one model."""
        return web.json_response({"object": "list", "data": [self._entry()]})

    async def one_model(self, request: web.Request) -> web.Response:
        """Describe the model."""
        self._check_name(request.match_info["name"])
        return web.json_response(self._entry())

    def _check_name(self, name: Any) -> None:
        if name != self.name:
            raise ApiError(
                404,
                say("There is no model {name}; this is {served}.", name=name, served=self.name),
                parameter="model",
                code="model_not_found",
            )

    async def _body(self, request: web.Request) -> dict[str, Any]:
        try:
            body = json.loads(await request.read())
        except ValueError as error:
            raise ApiError(400, say("The request is no JSON.")) from error
        if not isinstance(body, dict):
            raise ApiError(400, say("The request must be a JSON object."))
        self._check_name(body.get("model", self.name))
        return body

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a conversation."""
        return await self._answer(request, chat_question(await self._body(request)), ChatForm(self.name))

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Go on from a text."""
        return await self._answer(request, text_question(await self._body(request)), TextForm(self.name))

    async def _answer(self, request: web.Request, question: Question, form: Form) -> web.StreamResponse:
        async with self.model.my_turn():
            pieces = self._pieces(question)
            async with contextlib.aclosing(pieces):
                if question.stream:
                    return await stream(request, pieces, form, question.usage)
                text = ""
                async for piece, end in pieces:
                    text += piece
                    if end is not None:
                        return web.json_response(form.whole(text, end))
        raise ApiError(500, say("The answer has no end."), kind="server_error")

    async def _pieces(self, question: Question) -> AsyncGenerator[tuple[str, Reply | None], None]:
        """Yield text as it comes, the last with the end: its `finish` and the counts of tokens."""
        stops, tokens = StopFilter(question.stops), 0
        replies = self.model.answer(question.request)
        async with contextlib.aclosing(replies):
            async for reply in replies:
                if reply["kind"] == "piece":
                    tokens += 1
                    if piece := stops.let_through(reply["text"]):
                        yield piece, None
                    if stops.stopped and self.model.worker is not None:
                        self.model.worker.interrupt()
                elif reply["kind"] == "end":
                    finish = "stop" if stops.stopped else FINISH[reply["reason"]]
                    yield stops.rest(), {**reply, "finish": finish}


async def stream(
    request: web.Request, pieces: AsyncIterator[tuple[str, Reply | None]], form: Form, usage: bool
) -> web.StreamResponse:
    """Send an answer as server-sent events. What fails before the first piece is an ordinary error."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})

    async def send(value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        await response.write(f"data: {text}\n\n".encode())

    try:
        async for piece, end in pieces:
            if not response.prepared:
                await response.prepare(request)
                for chunk in form.opening():
                    await send(chunk)
            if piece:
                await send(form.piece(piece))
            if end is not None:
                await send(form.closing(end))
                if usage:
                    await send(form.usage_chunk(end))
        await send("[DONE]")
    except ApiError as error:
        if not response.prepared:
            raise
        await send(error.body())
    except ConnectionError:
        return response  # nobody listens any more; leaving ends the answer
    await response.write_eof()
    return response
