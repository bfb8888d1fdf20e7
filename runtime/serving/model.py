"""The one worker process behind the endpoint, and the line of those who wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.errors import SteersmanError
from planner.language import say
from runtime.chat import ChatPlace
from runtime.line_worker import REFUSED, LineWorker
from runtime.serving.asked import ApiError

Reply = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """How long the server is patient."""

    waiting: int = 1
    """Requests that may wait while one is answered."""
    queue_seconds: float = 60.0
    answer_seconds: float = 600.0


class ServedModel:
    """Answers one request at a time. The worker is started at once, and again when it has ended."""

    def __init__(self, place: ChatPlace, which: str, limits: Limits) -> None:
        self.place, self.which, self.limits = place, which, limits
        self.turn = asyncio.Lock()
        self.waiting = 0
        self.worker: LineWorker | None = None

    @property
    def folder(self) -> Path:
        """Where the worker's specification and log lie."""
        return self.place.run.root / "serving"

    def start(self) -> LineWorker:
        """Return the worker, started if there is none."""
        if self.worker is None or self.worker.process.poll() is not None:
            self.close()
            place = self.place
            self.worker = LineWorker("chat", self.folder, place.python, place.environment, place.spec)
        return self.worker

    def close(self) -> None:
        """End the worker."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    @contextlib.asynccontextmanager
    async def my_turn(self) -> AsyncIterator[None]:
        """Wait until the model is free. `ApiError` 429 when too many wait already, 503 when it takes long."""
        if self.turn.locked() and self.waiting >= self.limits.waiting:
            raise ApiError(
                429,
                say("The model answers another request, and the queue is full. Try again later."),
                kind="rate_limit_error",
                code="queue_full",
            )
        self.waiting += 1
        try:
            await asyncio.wait_for(self.turn.acquire(), self.limits.queue_seconds)
        except asyncio.TimeoutError as error:
            raise ApiError(
                503,
                say(
                    "The model was busy for {seconds:g} seconds. Try again later.",
                    seconds=self.limits.queue_seconds,
                ),
                kind="server_error",
                code="queue_timeout",
            ) from error
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self.turn.release()

    async def answer(self, request: Reply) -> AsyncGenerator[Reply, None]:
        """Yield the worker's replies; whoever stops listening ends the answer. Only within `my_turn`."""
        loop = asyncio.get_running_loop()
        replies: asyncio.Queue[Reply | Exception | None] = asyncio.Queue()
        worker = self.start()

        def listen() -> None:
            """Hand on the replies, from a thread of its own: reading them blocks."""
            found: Iterator[Reply] = worker.request({**request, "which": self.which})
            try:
                for reply in found:
                    loop.call_soon_threadsafe(replies.put_nowait, reply)
            except Exception as error:
                loop.call_soon_threadsafe(replies.put_nowait, error)
            loop.call_soon_threadsafe(replies.put_nowait, None)

        listening = loop.run_in_executor(None, listen)
        ending = loop.call_later(self.limits.answer_seconds, worker.interrupt)
        try:
            while (reply := await replies.get()) is not None:
                if isinstance(reply, Exception):
                    raise _as_api_error(reply)
                yield reply
        finally:
            ending.cancel()
            if not listening.done():
                worker.interrupt()
                await listening


def _as_api_error(error: Exception) -> ApiError:
    """Return a worker's refusal as the client's mistake, and everything else as the server's."""
    if not isinstance(error, SteersmanError):
        return ApiError(500, str(error), kind="server_error")
    if error.details == REFUSED:
        return ApiError(400, error.what)  # its remedy is for people who chat
    return ApiError(500, error.sentence(), kind="server_error")
