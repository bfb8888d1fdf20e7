"""`steersman doctor`: looks this machine over and says what to fix."""

from __future__ import annotations

import json

import click

from planner.errors import ExitCode

MARKS = {
    "ok": ("ok", "green"),
    "note": ("note", "blue"),
    "warning": ("warning", "yellow"),
    "problem": ("FIX", "red"),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of findings.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check this machine: processor, GPU, memory, disk, Python, engines, logins, terminal.

    Exits with 0 if a fine-tune can run here, with 2 if something has to be fixed first.

    \b
    Examples:
      steersman doctor
      steersman doctor --json
    """
    from runtime.doctor import examine

    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            word, colour = MARKS[finding.level]
            click.echo(f"{click.style(f'{word:<9}', fg=colour)}{finding.subject:<11}{finding.sentence}")
            if finding.remedy:
                click.echo(f"{'':<20}{finding.remedy}")
    if as_json:
        click.echo(json.dumps([finding.model_dump() for finding in findings], indent=2, ensure_ascii=False))
    to_fix = sum(finding.level == "problem" for finding in findings)
    if to_fix:
        click.echo(f"{to_fix} thing{'s' if to_fix > 1 else ''} to fix before a run.", err=True)
        ctx.exit(int(ExitCode.BAD_INPUT))
