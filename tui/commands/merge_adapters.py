"""`steersman merge-adapters`: several adapters of one base model become one model."""

from __future__ import annotations

import json
from pathlib import Path

import click

METHODS = ["linear", "ties", "dare_linear", "dare_ties"]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("adapters", nargs=-1, required=True, metavar="ADAPTER ADAPTER...")
@click.option("--method", type=click.Choice(METHODS), default="linear", show_default=True, help="How to mix.")
@click.option("--weights", metavar="W,W,...", help="One number for each adapter [equal].")
@click.option(
    "--density",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    help="Share of each change that TIES or DARE keeps.",
)
@click.option("--sum", "no_mean", is_flag=True, help="Add the changes up instead of taking their mean.")
@click.option("--seed", type=click.IntRange(0), default=42, show_default=True, help="Seed of DARE's choices.")
@click.option("--base", type=click.Path(path_type=Path), help="Hugging Face folder of the base [the runs']")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="New model folder.")
@click.option("--json", "as_json", is_flag=True, help="Print what was proven as one JSON object.")
def command(
    adapters: tuple[str, ...],
    method: str,
    weights: str | None,
    density: float,
    no_mean: bool,
    seed: int,
    base: Path | None,
    out: Path,
    as_json: bool,
) -> None:
    """Mix what several adapters learnt on one base model into one Hugging Face folder, and prove it.

    ADAPTER is a run's name, its folder, or an adapter folder of PaddleNLP's (LoRA and its variants, VeRA,
    LoKr; of any rank). linear: the weighted mean. ties: keep the largest changes, agree on signs. dare_*:
    drop changes at random and scale up the rest.

    \b
    Examples:
      steersman merge-adapters run-a run-b -o ./both
      steersman merge-adapters run-a run-b --method ties --weights 0.7,0.3 --density 0.3 -o ./both
    """
    from runtime.adapter_merge import merge
    from tui.commands.convert import as_dict, print_proofs
    from tui.commands.data import ProgressLine

    with ProgressLine(method) as progress:
        outcome = merge(
            adapters,
            out,
            progress,
            method=method,
            weights=weights,
            density=density,
            normalize=not no_mean,
            seed=seed,
            base=base,
        )
    if as_json:
        click.echo(json.dumps(as_dict(outcome), ensure_ascii=False, indent=2))
    else:
        print_proofs(outcome)
        click.echo(outcome.outputs["model"])
