"""`steersman engines`: list, install, check and remove engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.engine_builds import build_of, engines, pick_build
from planner.errors import BadInput, ExitCode

if TYPE_CHECKING:
    from runtime.engines.check import CheckReport

engine_argument = click.argument("engine", default="paddlenlp", metavar="[ENGINE]")
build_option = click.option(
    "--build",
    default=None,
    help="Accelerator build: cpu, cu118, cu126 or cu129. Default: what this machine needs.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List, install, check and remove engines.

    An engine is an isolated Python environment with one training toolkit at pinned versions. ENGINE is
    paddlenlp unless you say otherwise.

    \b
    Examples:
      steersman engines list
      steersman engines install paddlenlp
      steersman engines install paddlenlp --build cpu
      steersman engines check
      steersman engines remove paddlenlp --build cpu
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per engine and build.")
def list_engines(as_json: bool) -> None:
    """Show every known engine and build, and which are installed.

    \b
    Examples:
      steersman engines list
      steersman engines list --json
    """
    from runtime.engines.registry import states

    found = states(measure=True)
    if as_json:
        click.echo(json.dumps([each.model_dump() for each in found], indent=2))
        return
    for each in found:
        details = ""
        if each.manifest:
            details = f"Python {each.manifest.python}, {each.disk_bytes / 1e9:.1f} GB, {each.folder}"
        elif each.disk_bytes:
            details = (
                f"{each.disk_bytes / 1e9:.1f} GB of an unfinished installation; install or remove clears it"
            )
        click.echo(f"{each.engine:<15}{each.build:<7}{each.state:<11}{details}".rstrip())


@command.command("install")
@engine_argument
@build_option
@click.option("--fresh", is_flag=True, help="Install again even if it is there.")
def install_engine(engine: str, build: str | None, fresh: bool) -> None:
    """Install an engine and prove that it works. What is there already is used.

    \b
    Examples:
      steersman engines install
      steersman engines install paddlenlp --build cu126
      steersman engines install paddlenlp --fresh
    """
    from runtime.engines.check import check
    from runtime.engines.install import install

    chosen = _build(engine, build, say=True)
    python = install(engine, chosen, _say, fresh=fresh)
    _say("Checking it.")
    report = check(engine, chosen, fresh=fresh)
    _tell(report)
    if not report.ok:
        raise BadInput(f"Engine {engine} ({chosen}) is installed, but does not work here.")
    click.echo(python)


@command.command("check")
@engine_argument
@build_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--cached", is_flag=True, help="Accept an earlier proof if nothing changed since.")
@click.pass_context
def check_engine(ctx: click.Context, engine: str, build: str | None, as_json: bool, cached: bool) -> None:
    """Prove an engine in a process of its own: imports, versions, arithmetic, devices, file format.

    \b
    Examples:
      steersman engines check
      steersman engines check paddlenlp --build cpu --json
    """
    from runtime.engines.check import check

    report = check(engine, _build(engine, build), fresh=not cached)
    if as_json:
        click.echo(report.model_dump_json(indent=2))
    else:
        _tell(report)
    if not report.ok:
        ctx.exit(int(ExitCode.BAD_INPUT))


@command.command("remove")
@engine_argument
@build_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove_engine(engine: str, build: str | None, yes: bool) -> None:
    """Delete an engine from this machine.

    \b
    Examples:
      steersman engines remove paddlenlp --build cpu
      steersman engines remove paddlenlp --build cpu -y
    """
    from runtime.engines.install import remove
    from runtime.engines.registry import link_of

    chosen = _build(engine, build)
    if not yes:
        click.confirm(f"Remove {link_of(engine, chosen)}?", abort=True, err=True)
    remove(engine, chosen, _say)


def _build(engine: str, build: str | None, say: bool = False) -> str:
    """Return the build asked for, else the only one installed, else the one this machine needs."""
    if build is not None:
        build_of(engine, build)
        return build
    if engine not in engines():
        build_of(engine, "")
    from runtime.engines.registry import states

    present = [each.build for each in states() if each.engine == engine and each.state != "absent"]
    if not say and len(present) == 1:
        return present[0]
    from runtime.paths import home
    from runtime.probe import probe_hardware

    chosen, because, _ = pick_build(probe_hardware(Path(home())), engine)
    if say:
        _say(because)
    return chosen


def _tell(report: CheckReport) -> None:
    for finding in report.findings:
        mark = {"ok": "ok", "note": "note", "warning": "WARNING"}.get(finding.level, "PROBLEM")
        click.echo(f"{mark:<8}{finding.sentence} {finding.remedy}".rstrip(), err=True)
    when = "proved earlier, nothing changed since" if report.cached else f"{report.seconds:.0f} s"
    state = "works" if report.ok else "does not work"
    click.echo(f"Engine {report.engine} ({report.build}) {state} ({when}).", err=True)


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)
