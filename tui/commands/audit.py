"""`steersman audit`: what would happen with a config that somebody else wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.language import say

if TYPE_CHECKING:
    from planner.facts import ModelFacts

MOST_BYTES = 4 * 2**20
"""A config is a few kilobytes; larger files are something else."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--hardware", help="Where it would run: '8x A100-80G nvlink', '4090', or 'here' for this machine."
)
@click.option("--model", help="Model to judge memory and speed by, if not the config's own.")
@click.option("--engine", help="paddlenlp or paddleformers, if the keys do not tell.")
@click.option("--script", help="Script that reads it, such as run_dpo or train, if the keys do not tell.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print everything as JSON instead of the readable page."
)
@click.pass_context
def command(
    context: click.Context,
    config: Path,
    hardware: str | None,
    model: str | None,
    engine: str | None,
    script: str | None,
    as_json: bool,
) -> None:
    """Check a PaddleNLP JSON or a PaddleFormers YAML: upstream's, a colleague's, your own.

    Says what the engine would refuse or silently ignore, line by line; with --hardware also whether it fits
    and how fast it would be; and what the planner would change.

    \b
    Examples:
      steersman audit llm/config/llama/lora_argument.json --hardware "8x A100-80G nvlink"
      steersman audit sft_full.yaml --hardware 4090 --model qwen2.5-7b
      steersman audit dpo.json --json

    \b
    Exit codes: 0 nothing stops it, 2 the engine would refuse it or it would fail (or it cannot be read).
    """
    from planner.audit import audit

    text = read_file(config)
    refuse_plan(text, config)
    machine = None
    if hardware is not None:
        from runtime.gather import machine_facts

        machine = machine_facts(None if hardware == "here" else hardware, Path.cwd())
    found = audit(text, engine, machine, named_model(model, text, config), script=script, name=config.name)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        from tui.audit_view import print_audit
        from tui.commands.plan import stdout

        print_audit(found, config.name, stdout())
    if not found.clean:
        context.exit(2)


def read_file(path: Path) -> str:
    """Return the text of a config; BadInput for what is no text file."""
    from planner.errors import BadInput

    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(say("{path} is too large to be a config.", path=path))
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(say("{path} is a binary file, not a config.", path=path)) from error
    except OSError as error:
        raise BadInput(
            say("{path} cannot be read: {fault}.", path=path, fault=error.strerror or str(error))
        ) from error


def refuse_plan(text: str, path: Path) -> None:
    """Say that a file is a plan of our own: its config is rendered from it, and was judged already."""
    from planner.errors import BadInput

    if all(f"\n{key}:" in text for key in ("facts", "wishes", "decisions")):
        raise BadInput(
            say("{path} is a plan, not a training config.", path=path),
            remedy=say("Ask about it with: steersman explain {path}", path=path),
        )


def named_model(model: str | None, text: str, config: Path) -> ModelFacts | None:
    """Return the facts of the model that the person names, or of the folder that the config names."""
    from planner.audit.reading import read
    from runtime.acquire.resolve import resolve_model
    from tui.commands.plan import report

    if model is not None:
        return resolve_model(model, report)
    asked = str(read(text).values.get("model_name_or_path") or "")
    for folder in (Path(asked), config.parent / asked):
        if asked and (folder / "config.json").is_file():
            return resolve_model(str(folder / "config.json"))
    return None
