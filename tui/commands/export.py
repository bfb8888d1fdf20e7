"""`steersman export`: the result of a run as a static graph for Paddle Inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from planner.language import say

if TYPE_CHECKING:
    from runtime.events import AnyEvent


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option("--again", is_flag=True, help="Export again even if it is there.")
def command(run: str, again: bool) -> None:
    """Export the merged model of a run as a static graph, and prove that its answers are the same.

    RUN is a run's name, its folder, or `latest`. A plan made with `--target paddle_static` does this by
    itself. The folder holds the graph, the tokenizer and answer.py, which answers with it.

    \b
    Examples:
      steersman export
      steersman export my-run --again
      steersman predict my-run --static --data questions.jsonl --out answers.jsonl
    """
    from planner.errors import BadInput
    from runtime.extra_stage import do_stage
    from runtime.prediction.place import find_place, own_export
    from runtime.run.layout import find_run
    from runtime.stages.after import TOLERANCE

    found = find_run(run)
    place = find_place(found, "tuned")
    if not again:
        try:
            click.echo(say("The static graph is at {path}", path=find_place(found, "static").model))
            return
        except BadInput:
            pass
    folder = own_export(found)
    done = do_stage(
        "export",
        folder.parent,
        place.python,
        place.environment,
        {
            "base": str(place.base),
            "model": str(place.model),
            "destination": str(folder),
            "tolerance": TOLERANCE,
        },
        proofs=("export.logits", "export.tokens"),
        on_event=tell,
    )
    click.echo(say("The static graph is at {path}", path=done.outputs["static"]))


def tell(event: AnyEvent) -> None:
    """Say what a worker says."""
    from runtime.events import Log, Progress, Proof

    if isinstance(event, Progress):
        click.echo(
            say("{done:g} of {total:g}: {what}", done=event.done, total=event.total, what=event.message),
            err=True,
        )
    elif isinstance(event, Log):
        click.echo(event.message, err=True)
    elif isinstance(event, Proof):
        mark = "✓" if event.passed else "✗"
        click.echo(f"{mark} {event.sentence}", err=True)
