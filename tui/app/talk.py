"""Talk to the models of a run from the app: one worker process, answers that stream, a transcript.

`Talk` lives in threads of the app's work; what it has to say is posted as messages, at most twenty a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from textual.message import Message

from planner.errors import Interrupted, SteersmanError
from planner.language import say
from runtime.chat import ChatPlace, ChatWorker, Which, append_to_transcript, find_models
from runtime.chat import Message as Said
from runtime.run.layout import RunFolder

UPDATE_SECONDS = 0.05
"""Shortest time between two updates of an answer: what an eye can follow, and an event loop can bear."""

BOTH: tuple[Which, ...] = ("base", "tuned")


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; the defaults always take the likeliest."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 256
    seed: int | None = None


@dataclass
class AnswerBegan(Message):
    """A model was asked; until it speaks it may have to be loaded."""

    which: Which


@dataclass
class ModelLoading(Message):
    """A model is being read from disk."""

    which: Which


@dataclass
class ModelMadeWay(Message):
    """A model was let go of, because there is no room for both."""

    which: Which
    needed_bytes: int
    """What loading the other one takes."""
    free_bytes: int


@dataclass
class AnswerGrew(Message):
    """A model said more."""

    which: Which
    text: str


@dataclass
class AnswerEnded(Message):
    """A model has said everything, or was stopped: `reason` is ended, length or interrupted."""

    which: Which
    reason: str
    tokens: int
    tokens_per_second: float


class Asker(Protocol):
    """Who is told: a widget."""

    def post_message(self, message: Message) -> bool:
        """Take a message from any thread."""
        ...


_one_at_a_time = threading.Lock()
_talking: list[Talk] = []


class Talk:
    """A conversation of one screen. Opening it ends the worker of any other: models are large."""

    def __init__(self, run: RunFolder, start: Callable[[ChatPlace], ChatWorker] = ChatWorker) -> None:
        self.run = run
        self.said: dict[Which, list[Said]] = {"base": [], "tuned": []}
        self._start = start
        self._place: ChatPlace | None = None
        self._worker: ChatWorker | None = None
        self._alone: Which | None = None
        """The model in memory, once it was seen that there is no room for both."""
        self._stopped = threading.Event()
        self._closed = False

    def open(self) -> ChatPlace:
        """Find the models and start the worker, which imports its libraries meanwhile. Raises BadInput."""
        if self._place is None:
            self._place = find_models(self.run)
        with _one_at_a_time:
            for other in tuple(_talking):
                if other is not self:
                    other.end_worker()
            if self._worker is None or self._worker.process.poll() is not None:
                self._worker = self._start(self._place)
                if self._closed:
                    self.end_worker()
                    raise Interrupted(say("Cancelled."))
                if self not in _talking:
                    _talking.append(self)
        return self._place

    def ask(
        self, text: str, partners: Sequence[Which], sampling: Sampling, system: str, asker: Asker
    ) -> None:
        """Ask each partner in turn and tell `asker` what comes. Call it in a thread.

        Each remembers its own answers. Stopping ends the answer that is being given and asks nobody else.
        """
        self._stopped.clear()
        place = self.open()
        for which in self.in_turn(partners):
            if self._stopped.is_set():
                return
            messages = [*self.said[which], {"role": "user", "content": text}]
            asker.post_message(AnswerBegan(which))
            whole = [{"role": "system", "content": system}, *messages] if system else messages
            end = self._listen(which, whole, asdict(sampling), asker)
            self.said[which] = [*messages, {"role": "assistant", "content": end["text"]}]
            append_to_transcript(place.transcript, which, whole, end)
            asker.post_message(
                AnswerEnded(which, end["reason"], end["tokens"], float(end["tokens_per_second"]))
            )

    def in_turn(self, partners: Sequence[Which]) -> list[Which]:
        """Return who answers in which order: where models are loaded in turn, the one in memory is first."""
        return sorted(partners, key=lambda which: which != self._alone) if self._alone else list(partners)

    def _listen(
        self, which: Which, messages: list[Said], settings: Mapping[str, Any], asker: Asker
    ) -> dict[str, Any]:
        """Pass on one answer and return its end; one cut off by the end of the worker keeps what was said."""
        assert self._worker is not None
        heard = Hearing(which, asker)
        try:
            for reply in self._replies(messages, which, settings):
                if reply["kind"] == "loading":
                    asker.post_message(ModelLoading(which))
                elif reply["kind"] == "unloaded":
                    self._alone = which
                    asker.post_message(ModelMadeWay(reply["which"], reply["needed"], reply["free"]))
                elif reply["kind"] == "piece":
                    heard.take(reply["text"])
                elif reply["kind"] == "end":
                    heard.flush()
                    return reply
        except SteersmanError:
            heard.flush()
            if not (self._stopped.is_set() and heard.text):
                raise
        return {
            "text": heard.text,
            "reason": "interrupted",
            "tokens": heard.pieces,
            "tokens_per_second": heard.speed,
        }

    def _replies(
        self, messages: list[Said], which: Which, settings: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        worker = self._worker  # `end_worker` may take it away in the middle of an answer
        assert worker is not None
        for reply in worker.ask(messages, which, **settings):
            # An interrupt that came before the worker listened for one was lost: it is sent again.
            if self._stopped.is_set() and reply["kind"] != "end" and worker.process.poll() is None:
                worker.interrupt()
            yield reply

    def stop(self) -> None:
        """End the answer that is being given; what was said stays."""
        self._stopped.set()
        if self._worker is not None and self._worker.process.poll() is None:
            self._worker.interrupt()

    def reset(self) -> None:
        """Forget what was said; the transcript stays."""
        self.said = {"base": [], "tuned": []}

    def close(self) -> None:
        """End the conversation and its worker, at once: a worker has nothing to save."""
        self._closed = True
        self._stopped.set()
        self.end_worker()

    def end_worker(self) -> None:
        """End the worker; the next question starts another."""
        worker, self._worker, self._alone = self._worker, None, None
        if self in _talking:
            _talking.remove(self)
        if worker is not None and worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()


class Hearing:
    """Gathers the pieces of one answer and passes them on no more often than can be shown."""

    def __init__(self, which: Which, asker: Asker) -> None:
        self.text = ""
        self.pieces = 0
        self._which = which
        self._asker = asker
        self._waiting = ""
        self._began = time.monotonic()
        self._told = 0.0

    @property
    def speed(self) -> float:
        """Pieces per second, which are about tokens."""
        return self.pieces / max(time.monotonic() - self._began, 1e-3)

    def take(self, piece: str) -> None:
        """Take a piece."""
        self.text += piece
        self.pieces += 1
        self._waiting += piece
        if time.monotonic() - self._told >= UPDATE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Pass on what waits."""
        if self._waiting:
            self._asker.post_message(AnswerGrew(self._which, self._waiting))
            self._waiting, self._told = "", time.monotonic()
