"""Talk to the models of a run: find them, start one worker in the engine, stream its replies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from planner.language import say
from planner.render import worker_environment
from runtime.engines.registry import python_of
from runtime.line_worker import LineWorker
from runtime.prediction.place import find_place
from runtime.results import answering_plan, result_folder
from runtime.run.layout import RunFolder
from runtime.run.status import read_status

Which = Literal["tuned", "base"]
Message = dict[str, str]


@dataclass(frozen=True)
class ChatPlace:
    """What a chat with a run needs to know."""

    run: RunFolder
    base: Path
    """The base model in PaddleNLP's format."""
    model: Path
    """The merged model as a Hugging Face folder."""
    python: Path
    """The engine's interpreter."""
    environment: Mapping[str, str]
    """Variables that the plan decides for engine processes."""
    static: Path | None = None
    """The exported static graph, where that is to answer instead of the merged model."""

    @property
    def spec(self) -> dict[str, str]:
        """What the worker is told."""
        told = {"base": str(self.base), "model": str(self.model)}
        return told | ({"static": str(self.static)} if self.static else {})

    @property
    def folder(self) -> Path:
        """Where the worker's specification and log lie."""
        return self.run.root / "chat"

    @property
    def transcript(self) -> Path:
        """One JSON line per answer, of all chats with this run."""
        return self.run.root / "chat.jsonl"


def find_models(run: RunFolder, *, static: bool = False) -> ChatPlace:
    """Return where a run's models are. BadInput when the merge is not proven or a model is gone.

    With `static` the exported static graph answers for the tuned model; BadInput when there is none.
    """
    status = read_status(run)
    base, model = (result_folder(run, status, stage) for stage in ("convert", "merge"))
    plan = answering_plan(run)
    python = python_of(str(plan.value("engine")), str(plan.value("engine_build")))
    graph = find_place(run, "static").model if static else None
    return ChatPlace(run, base, model, python, worker_environment(plan, alone=True), graph)


class ChatWorker(LineWorker):
    """One worker process. Use as a context manager; it ends with the block, or with this process."""

    def __init__(self, place: ChatPlace) -> None:
        super().__init__("chat", place.folder, place.python, place.environment, place.spec)

    def __enter__(self) -> ChatWorker:
        return self

    def ended(self) -> str:
        """Return the sentence for a worker that is gone."""
        return say("The chat worker has ended.")

    def ask(
        self,
        messages: list[Message],
        which: Which = "tuned",
        *,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Send a request and yield its replies, the last of kind `end`; kinds: see `runtime.workers.talking`.

        Raises `StageFailed` for a reply of kind `error` and when the worker has ended.
        """
        return self.request(
            {
                "messages": messages,
                "which": which,
                "max_new_tokens": max_new_tokens,
                "temperature": temperature,
                "top_p": top_p,
                "seed": seed,
            }
        )


def append_to_transcript(path: Path, which: Which, messages: list[Message], end: dict[str, Any]) -> None:
    """Append one answer to the run's transcript."""
    line = {
        "t": round(time.time(), 3),
        "which": which,
        "messages": messages,
        "answer": end["text"],
        "reason": end["reason"],
        "tokens": end["tokens"],
        "tokens_per_second": end["tokens_per_second"],
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
