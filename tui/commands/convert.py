"""`steersman convert`: turn a model folder into another format, with proof."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from runtime.one_worker import Outcome


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="SOURCE", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--to", required=True, type=click.Choice(["huggingface", "paddlenlp"]), help="Format of OUT.")
@click.option(
    "--original",
    type=click.Path(path_type=Path),
    help="Hugging Face folder whose config and tokenizer OUT gets, when SOURCE is PaddleNLP's.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was proven as one JSON object.")
def command(
    source: Path, out: Path, to: Literal["huggingface", "paddlenlp"], original: Path | None, as_json: bool
) -> None:
    """Write the model in SOURCE to the new folder OUT in another format, and prove that it is the same.

    SOURCE may be a Hugging Face folder (safetensors or pytorch_model.bin), a .gguf file, a PaddleNLP folder,
    what tensor-parallel and pipeline training saved (model_state.tp00_pp00.pdparams ...), or a distributed
    checkpoint (.metadata and .distcp). It is only read. pytorch_model.bin is read without running it.

    \b
    Examples:
      steersman convert ./my_model ./for_paddle --to paddlenlp
      steersman convert ./checkpoint-100 ./for_transformers --to huggingface
      steersman convert ./model.gguf ./my_model --to huggingface
    """
    from runtime.conversion import convert, describe
    from tui.commands.data import ProgressLine

    with ProgressLine(str(source)) as progress:
        outcome = convert(source, out, to, progress, original)
    if as_json:
        click.echo(json.dumps(as_dict(outcome), ensure_ascii=False, indent=2))
    else:
        print_proofs(outcome)
        click.echo(describe(Path(outcome.outputs["model"])))


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON values."""
    proofs = [
        proof.model_dump(include={"name", "passed", "sentence", "measured"}) for proof in outcome.proofs
    ]
    return {
        "outputs": outcome.outputs,
        "figures": outcome.figures,
        "proofs": proofs,
        "warnings": outcome.warnings,
    }


def print_proofs(outcome: Outcome) -> None:
    """Print each proof and warning on a line of its own."""
    for sentence in outcome.warnings:
        click.echo(f"! {sentence}", err=True)
    for proof in outcome.proofs:
        click.echo(f"✓ {proof.sentence}")
