"""`steersman export`: the result of a run as a static graph for Paddle Inference."""

from __future__ import annotations

import click

from planner.language import say


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
    from runtime.one_worker import run_worker
    from runtime.prediction.place import find_place, own_export
    from runtime.run.layout import find_run
    from runtime.stages.after import TOLERANCE
    from tui.commands.data import ProgressLine

    found = find_run(run)
    place = find_place(found, "tuned")
    if not again:
        try:
            click.echo(say("The static graph is at {path}", path=find_place(found, "static").model))
            return
        except BadInput:
            pass
    folder = own_export(found)
    folder.parent.mkdir(exist_ok=True)
    spec = {
        "base": str(place.base),
        "model": str(place.model),
        "destination": str(folder),
        "tolerance": TOLERANCE,
    }
    with ProgressLine(found.name) as progress:
        outcome = run_worker("export", spec, progress, place.python)
    for proof in outcome.proofs:
        click.echo(f"✓ {proof.sentence}", err=True)
    click.echo(say("The static graph is at {path}", path=outcome.outputs["static"]))
