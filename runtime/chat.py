"""Talk to the models of a run: find them, start one worker in the engine, stream its replies."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from planner.errors import BadInput, StageFailed
from planner.language import say
from planner.planfile import loads
from planner.render import worker_environment
from runtime.engines.registry import python_of
from runtime.paths import PROJECT, write_atomically
from runtime.run.environment import stage_environment
from runtime.run.layout import RunFolder
from runtime.run.next_steps import output_path
from runtime.run.status import read_status
from runtime.run.task import StageTask

Which = Literal["tuned", "base"]
Message = dict[str, str]
CLOSING_SECONDS = 5


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

    @property
    def folder(self) -> Path:
        """Where the worker's specification and log lie."""
        return self.run.root / "chat"

    @property
    def transcript(self) -> Path:
        """One JSON line per answer, of all chats with this run."""
        return self.run.root / "chat.jsonl"


def find_models(run: RunFolder) -> ChatPlace:
    """Return where a run's models are. BadInput when the merge is not proven or a model is gone."""
    status = read_status(run)
    paths = {}
    for stage in ("convert", "merge"):
        if not status.view.stage(stage).proven:
            running = status.state == "running"
            state = say("it is running now") if running else say("the run has not come that far")
            raise BadInput(
                say(
                    "{run} has no result to talk to: its stage {stage} is not proven, {state}.",
                    run=run.name,
                    stage=stage,
                    state=state,
                ),
                remedy=say(
                    "See `steersman status {run}`; continue with `steersman resume {run}`.", run=run.name
                ),
            )
        paths[stage] = Path(output_path(run, status.view, stage, "model"))
        if not (paths[stage] / "config.json").exists():
            raise BadInput(
                say("The model {path} is gone.", path=paths[stage]),
                remedy=say("Make it again: {command}", command=f"steersman resume {run.name}"),
            )
    plan = loads(run.plan.read_text(encoding="utf-8"), str(run.plan))
    if plan.wishes.stage == "reward":
        raise BadInput(
            say("{run} made a reward model, which scores answers and gives none.", run=run.name),
            remedy=say("Its scores of held-out answers: `steersman status {run}`.", run=run.name),
        )
    python = python_of(str(plan.value("engine")), str(plan.value("engine_build")))
    return ChatPlace(run, paths["convert"], paths["merge"], python, worker_environment(plan, alone=True))


class ChatWorker:
    """One worker process. Use as a context manager; it ends with the block, or with this process."""

    def __init__(self, place: ChatPlace) -> None:
        folder = place.folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log.txt"
        spec = {
            "stage": "chat",
            "stage_folder": str(folder),
            "base": str(place.base),
            "model": str(place.model),
        }
        write_atomically(folder / "spec.json", json.dumps(spec, indent=2) + "\n")
        start = PROJECT / "runtime" / "workers" / "start.py"
        command = (str(place.python), str(start), "chat", str(folder / "spec.json"))
        task = StageTask(
            stage="chat", command=command, spec=spec, environment=dict(place.environment), inside_engine=True
        )
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=stage_environment(task, folder),
                start_new_session=True,  # Ctrl-C in the terminal is for the chat, which decides what it means
            )

    def __enter__(self) -> ChatWorker:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

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
        request = {
            "messages": messages,
            "which": which,
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "seed": seed,
        }
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write((json.dumps(request, ensure_ascii=False) + "\n").encode())
            self.process.stdin.flush()
        while line := self.process.stdout.readline():
            reply: dict[str, Any] = json.loads(line)
            if reply["kind"] == "error":
                raise StageFailed(reply["what"], why=reply["why"], remedy=reply["remedy"])
            yield reply
            if reply["kind"] == "end":
                return
        raise StageFailed(
            say("The chat worker has ended."), remedy=say("Its log says why: {path}", path=self.log)
        )

    def interrupt(self) -> None:
        """End the answer that is being given; its `end` follows, with the text so far."""
        self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End the worker."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


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
