"""`steersman quantise`: the result of a run in few bits, with what that costs."""

from __future__ import annotations

import click

from planner.language import say

METHODS = ("weight_only_int8", "weight_only_int4", "a8w8", "gptq", "awq")
PTQ = "ptq"
"""Another name of a8w8: what upstream calls post-training quantisation without a further word."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option(
    "--method",
    type=click.Choice((*METHODS, PTQ)),
    default="weight_only_int8",
    show_default=True,
    help="How weights (and inputs) are stored; ptq is a8w8.",
)
@click.option(
    "--rows",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Held-out rows on which loss is measured before and after.",
)
@click.option(
    "--max-loss",
    type=click.FloatRange(0),
    metavar="RISE",
    help="Keep nothing when the loss on held-out rows rises by more than this.",
)
def command(run: str, method: str, rows: int, max_loss: float | None) -> None:
    """Quantise the result of a run with PaddleSlim, and measure what it costs.

    RUN is a run's name, its folder, or `latest`. Scales come from 16 training rows of the run. Loss,
    perplexity and right tokens on held-out rows, before and after, are added to the run's report. The folder
    is read by PaddleNLP's predictor on an NVIDIA card; what it will answer there is computed here in floats,
    on any machine. quantization.json is upstream's own config for the same.

    \b
    Examples:
      steersman quantise
      steersman quantise my-run --method gptq --rows 200
      steersman quantise my-run --method a8w8 --max-loss 0.05
    """
    from runtime.one_worker import run_worker
    from runtime.quantisation import before_and_after, prepare
    from runtime.run.layout import find_run
    from runtime.stages.report_again import refresh
    from tui.commands.data import ProgressLine

    found = find_run(run)
    job = prepare(found, "a8w8" if method == PTQ else method, rows, max_loss)
    click.echo(say("The config for PaddleNLP's run_quantization.py is {path}", path=job.config))
    with ProgressLine(found.name) as progress:
        outcome = run_worker("quantise", job.spec, progress, job.python)
    for proof in outcome.proofs:
        click.echo(f"✓ {proof.sentence}", err=True)
    click.echo(before_and_after(outcome.figures))
    click.echo(say("The quantised model is at {path}", path=outcome.outputs["model"]))
    if refresh(found):
        click.echo(say("Its figures are in the report: {path}", path=found.root / "report.html"))
