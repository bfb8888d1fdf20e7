"""A worker in the engine that is asked by lines of JSON on standard input and replies on standard output."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from planner.errors import StageFailed
from planner.language import say
from runtime.paths import PROJECT, write_atomically
from runtime.run.environment import stage_environment
from runtime.run.task import StageTask

CLOSING_SECONDS = 5

REFUSED = "refused"
"""Details of a failure that the request is to blame for, and not the worker."""


class LineWorker:
    """One worker process. Use as a context manager; it ends with the block, or with this process."""

    def __init__(
        self, worker: str, folder: Path, python: Path, environment: Mapping[str, str], spec: dict[str, Any]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log.txt"
        spec = {"stage": worker, "stage_folder": str(folder), **spec}
        write_atomically(folder / "spec.json", json.dumps(spec, indent=2) + "\n")
        start = PROJECT / "runtime" / "workers" / "start.py"
        command = (str(python), str(start), worker, str(folder / "spec.json"))
        task = StageTask(
            stage=worker, command=command, spec=spec, environment=dict(environment), inside_engine=True
        )
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=stage_environment(task, folder),
                start_new_session=True,  # Ctrl-C in the terminal is for the app, which decides what it means
            )

    def __enter__(self) -> LineWorker:
        return self

    def __exit__(self, *failure: object) -> None:
        if failure[0] is not None:
            self.interrupt()  # else it would finish what nobody waits for
        self.close()

    def request(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Send a request and yield its replies, the last of kind `end`; see the worker for their kinds.

        Raises `StageFailed` for a reply of kind `error` and when the worker has ended.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write((json.dumps(message, ensure_ascii=False) + "\n").encode())
            self.process.stdin.flush()
        while line := self.process.stdout.readline():
            reply: dict[str, Any] = json.loads(line)
            if reply["kind"] == "error":
                details = "" if reply.get("unforeseen") else REFUSED
                raise StageFailed(reply["what"], why=reply["why"], remedy=reply["remedy"], details=details)
            yield reply
            if reply["kind"] == "end":
                return
        raise StageFailed(self.ended(), remedy=say("Its log says why: {path}", path=self.log))

    def ended(self) -> str:
        """Return the sentence for a worker that is gone."""
        return say("The worker has ended.")

    def interrupt(self) -> None:
        """End the answer that is being given; its `end` follows, with what there is so far."""
        if self.process.poll() is None:
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
