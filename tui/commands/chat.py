"""`steersman chat`: talk to the result of a run in a plain terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from planner.language import say, template
from tui.typed_line import typed_line

if TYPE_CHECKING:
    from tui.conversation import Conversation

HELP = template("""\
/base     talk to the base model      /tuned   talk to the tuned model      /both   ask both, one after the
other /reset    forget what was said        /save [FILE]   write this conversation as Markdown
/help     show this                   /quit    leave (so does Ctrl-D); Ctrl-C ends an answer, not the chat""")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option("--base", is_flag=True, help="Begin with the base model instead of the tuned one.")
@click.option("--static", is_flag=True, help="Let the exported static graph answer for the tuned model.")
@click.option(
    "--prompt", metavar="TEXT", help="Answer this one message and leave; only the answer goes to stdout."
)
@click.option(
    "--max-new-tokens", type=click.IntRange(1), default=256, show_default=True, help="Longest answer."
)
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="0 always takes the likeliest token; 1 draws by the model's own odds.",
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="With a temperature: draw from the likeliest tokens that together hold this probability.",
)
@click.option("--seed", type=int, help="With a temperature: draw the same answer again.")
def command(
    run: str,
    base: bool,
    static: bool,
    prompt: str | None,
    max_new_tokens: int,
    temperature: float,
    top_p: float,
    seed: int | None,
) -> None:
    """Talk to the result of a run, or to the base model it came from.

    RUN is a run's name, its folder, or `latest`. Answers are appended to chat.jsonl in the run folder.

    \b
    Examples:
      steersman chat
      steersman chat my-run --prompt "Who are you?"
      steersman chat my-run --base --temperature 0.7 --top-p 0.9
    """
    from runtime.chat import ChatWorker, find_models
    from runtime.run.layout import find_run
    from tui.conversation import Conversation

    place = find_models(find_run(run), static=static)
    with ChatWorker(place) as worker:
        conversation = Conversation(
            worker,
            place.transcript,
            which="base" if base else "tuned",
            settings={
                "max_new_tokens": max_new_tokens,
                "temperature": temperature,
                "top_p": top_p,
                "seed": seed,
            },
        )
        if prompt is not None:
            conversation.say(prompt)
            return
        told = say("Talking to {run}. /help lists the commands, Ctrl-D leaves.", run=place.run.name)
        click.echo(told, err=True)
        converse(conversation)


def converse(conversation: Conversation) -> None:
    """Read lines until the person leaves."""
    from planner.errors import SteersmanError

    interactive = sys.stdin.isatty()
    if interactive:
        import readline  # noqa: F401  Gives `input` a history and line editing.
    while True:
        try:
            line = (typed_line(f"{conversation.label}> ") if interactive else input()).strip()
        except EOFError:
            click.echo(err=True)
            return
        except KeyboardInterrupt:
            click.echo("\n" + say("/quit or Ctrl-D leaves."), err=True)
            continue
        try:
            if line.startswith("/"):
                if not obey(conversation, line):
                    return
            elif line:
                conversation.say(line)
        except SteersmanError as error:
            click.echo(error.sentence(), err=True)
            if conversation.worker.process.poll() is not None:
                raise


def obey(conversation: Conversation, line: str) -> bool:
    """Do what a slash command says; return False when it ends the chat."""
    name, _, rest = line[1:].partition(" ")
    if name == "quit":
        return False
    if name in ("base", "tuned", "both"):
        conversation.talk_to(name)
        click.echo(say("Now talking to {model}.", model=conversation.description), err=True)
    elif name == "reset":
        conversation.reset()
        click.echo(say("Forgotten."), err=True)
    elif name == "save":
        click.echo(say("Saved to {file}.", file=conversation.save(rest.strip())), err=True)
    elif name == "help":
        click.echo(say(HELP), err=True)
    else:
        click.echo(say("There is no /{name}.", name=name) + "\n" + say(HELP), err=True)
    return True
