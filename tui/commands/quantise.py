"""`steersman quantise`: what few bits would cost the result of a run, and the config that makes them."""

from __future__ import annotations

import click

from planner.language import say

METHODS = ("weight_only_int8", "weight_only_int4", "a8w8", "gptq", "awq")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="weight_only_int8",
    show_default=True,
    help="How weights (and inputs) are stored.",
)
@click.option(
    "--rows",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Held-out rows on which loss is measured before and after.",
)
def command(run: str, method: str, rows: int) -> None:
    """Measure what quantisation would cost the result of a run, and write upstream's config for it.

    RUN is a run's name, its folder, or `latest`. The rounding of weight_only_int8, weight_only_int4 and a8w8
    is computed on any machine, and loss is measured before and after. The quantised model itself is made by
    PaddleNLP's run_quantization.py with PaddleSlim on an NVIDIA card, from the written quantization.json;
    gptq and awq are measured there too.

    \b
    Examples:
      steersman quantise
      steersman quantise my-run --method weight_only_int4 --rows 200
    """
    from runtime.one_worker import run_worker
    from runtime.quantisation import before_and_after, prepare
    from runtime.run.layout import find_run
    from tui.commands.data import ProgressLine

    found = find_run(run)
    job = prepare(found, method, rows)
    click.echo(say("The config for PaddleNLP's run_quantization.py is {path}", path=job.config))
    with ProgressLine(found.name) as progress:
        outcome = run_worker("quantise", job.spec, progress, job.python)
    click.echo(before_and_after(outcome.figures))
