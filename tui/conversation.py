"""A conversation with one model or both, printed as it comes. Each model remembers its own answers."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from planner.errors import BadInput
from runtime.chat import ChatWorker, Message, Which, append_to_transcript

NAMES: dict[Which, str] = {"tuned": "the tuned model", "base": "the base model"}


@contextlib.contextmanager
def interrupting(worker: ChatWorker) -> Iterator[None]:
    """Let Ctrl-C end the answer instead of this process.

    A handler, not `KeyboardInterrupt`: an exception in the middle of reading would lose part of a reply.
    """
    before = signal.signal(signal.SIGINT, lambda number, frame: worker.interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Conversation:
    """What was said so far, and to whom."""

    def __init__(self, worker: ChatWorker, transcript: Path, which: Which, settings: dict[str, Any]) -> None:
        self.worker = worker
        self.transcript = transcript
        self.settings = settings
        self.partners: tuple[Which, ...] = (which,)
        self.said: dict[Which, list[Message]] = {"tuned": [], "base": []}

    @property
    def label(self) -> str:
        """Short name of the partner or partners."""
        return "both" if len(self.partners) == 2 else self.partners[0]

    @property
    def description(self) -> str:
        """The partner or partners in words."""
        return " and ".join(NAMES[which] for which in self.partners)

    def talk_to(self, name: str) -> None:
        """Change the partner: `base`, `tuned` or `both`."""
        both: tuple[Which, ...] = ("base", "tuned")
        self.partners = both if name == "both" else tuple(which for which in both if which == name)

    def reset(self) -> None:
        """Forget what was said."""
        self.said = {"tuned": [], "base": []}

    def say(self, text: str) -> None:
        """Send a message to every partner and print the answers as they come."""
        for which in self.partners:
            if len(self.partners) > 1:
                click.secho(f"{which}:", bold=True, err=True)
            if not self._ask(which, text):
                return

    def _ask(self, which: Which, text: str) -> bool:
        """Print one answer; return False if the person interrupted it."""
        messages = [*self.said[which], {"role": "user", "content": text}]
        end: dict[str, Any] = {}
        with interrupting(self.worker):
            for reply in self.worker.ask(messages, which, **self.settings):
                end = self._show(reply)
        click.echo()
        note = {"length": "; cut at --max-new-tokens", "interrupted": "; interrupted"}.get(end["reason"], "")
        click.secho(
            f"[{end['tokens']} tokens, {end['tokens_per_second']:.1f} per second{note}]", dim=True, err=True
        )
        self.said[which] = [*messages, {"role": "assistant", "content": end["text"]}]
        append_to_transcript(self.transcript, which, messages, end)
        return bool(end["reason"] != "interrupted")

    def _show(self, reply: dict[str, Any]) -> dict[str, Any]:
        """Print one reply; return it if it is the last."""
        if reply["kind"] == "loading":
            click.secho(f"Loading {NAMES[reply['which']]}...", dim=True, err=True)
        elif reply["kind"] == "piece":
            click.echo(reply["text"], nl=False)
        return reply if reply["kind"] == "end" else {}

    def save(self, name: str) -> Path:
        """Write what was said as Markdown to a new file and return its path."""
        path = Path(name or time.strftime("chat-%Y%m%d-%H%M%S.md")).expanduser().absolute()
        parts = []
        for which, messages in self.said.items():
            if messages:
                parts.append(f"# {NAMES[which].capitalize()}")
                parts += [f"**{message['role']}**\n\n{message['content']}" for message in messages]
        if not parts:
            raise BadInput("Nothing has been said yet.")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write("\n\n".join(parts) + "\n")
        except OSError as error:
            raise BadInput(
                f"{path} cannot be written: {error.strerror}.", remedy="Name another file."
            ) from error
        return path
