"""`steersman export-adapter`: a run's adapter in the format of another library."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option("--to", type=click.Choice(["peft"]), default="peft", show_default=True, help="Format.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="New folder [adapter-peft in the run folder]."
)
@click.option("--base", metavar="NAME", help="Name of the base model in the config [that of the run's plan].")
def command(run: str, to: str, out: Path | None, base: str | None) -> None:
    """Write the adapter that RUN trained as Hugging Face PEFT loads it, and prove that it is the same.

    RUN is a run's name, its folder, `latest`, or an adapter folder of PaddleNLP's. LoRA, rsLoRA, LoRA+, PiSSA
    and MosLoRA become plain LoRA; MoRA, LoKr and VeRA are refused: PEFT cannot hold them as they are.

    \b
    Examples:
      steersman export-adapter
      steersman export-adapter my-run -o ./my_adapter
      steersman export-adapter ./checkpoint-100 --base HuggingFaceTB/SmolLM2-135M-Instruct -o ./my_adapter
    """
    from runtime.adapter_export import export

    exported, folder = export(run, out, base)
    click.echo(f"✓ {exported.sentence()}")
    click.echo(str(folder))
