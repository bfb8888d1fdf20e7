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
from planner.language import say, template
from runtime.chat import ChatWorker, Message, Which, append_to_transcript

NAMES: dict[Which, str] = {"tuned": template("the tuned model"), "base": template("the base model")}

LABELS: dict[Which, str] = {"tuned": template("tuned"), "base": template("base")}
NOTE = template("[{tokens} tokens, {speed:.1f} per second]")
NOTES = {
    "length": template("[{tokens} tokens, {speed:.1f} per second; cut at --max-new-tokens]"),
    "interrupted": template("[{tokens} tokens, {speed:.1f} per second; interrupted]"),
}
"""Why an answer ended, if not by itself -> the line below it."""


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
        return say("both") if len(self.partners) == 2 else say(LABELS[self.partners[0]])

    @property
    def description(self) -> str:
        """The partner or partners in words."""
        names = [say(NAMES[which]) for which in self.partners]
        return say("{one} and {other}", one=names[0], other=names[1]) if len(names) == 2 else names[0]

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
                click.secho(f"{say(LABELS[which])}:", bold=True, err=True)
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
        told = say(NOTES.get(end["reason"], NOTE), tokens=end["tokens"], speed=end["tokens_per_second"])
        click.secho(told, dim=True, err=True)
        self.said[which] = [*messages, {"role": "assistant", "content": end["text"]}]
        append_to_transcript(self.transcript, which, messages, end)
        return bool(end["reason"] != "interrupted")

    def _show(self, reply: dict[str, Any]) -> dict[str, Any]:
        """Print one reply; return it if it is the last."""
        if reply["kind"] == "unloaded":
            model = say(NAMES[reply["which"]])
            told = say("There is no room for both models, so {model} makes way.", model=model)
            click.secho(told, dim=True, err=True)
        elif reply["kind"] == "loading":
            click.secho(say("Loading {model}...", model=say(NAMES[reply["which"]])), dim=True, err=True)
        elif reply["kind"] == "piece":
            click.echo(reply["text"], nl=False)
        return reply if reply["kind"] == "end" else {}

    def save(self, name: str) -> Path:
        """Write what was said as Markdown to a new file and return its path."""
        path = Path(name or time.strftime("chat-%Y%m%d-%H%M%S.md")).expanduser().absolute()
        parts = []
        for which, messages in self.said.items():
            if messages:
                name = say(NAMES[which])
                parts.append(f"# {name[0].upper()}{name[1:]}")
                parts += [f"**{message['role']}**\n\n{message['content']}" for message in messages]
        if not parts:
            raise BadInput(say("Nothing has been said yet."))
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write("\n\n".join(parts) + "\n")
        except OSError as error:
            raise BadInput(
                say("{path} cannot be written: {reason}.", path=path, reason=error.strerror),
                remedy=say("Name another file."),
            ) from error
        return path
