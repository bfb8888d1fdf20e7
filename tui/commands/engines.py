"""`steersman engines`: list, install, check and remove engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.engine_builds import build_of, engines, pick_build
from planner.errors import BadInput, ExitCode
from planner.language import join, say, template
from tui.run_states import padded

if TYPE_CHECKING:
    from runtime.engines.check import CheckReport

MARKS = {"ok": template("ok"), "note": template("note"), "warning": template("WARNING")}
PROBLEM = template("PROBLEM")
STATES = {
    "installed": template("installed"),
    "absent": template("absent"),
    "outdated": template("outdated"),
}
"""State of an engine -> its word."""

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
            details = say(
                "{size:.1f} GB of an unfinished installation; install or remove clears it",
                size=each.disk_bytes / 1e9,
            )
        state = padded(say(STATES[each.state]), 11)
        click.echo(f"{each.engine:<15}{each.build:<7}{state}{details}".rstrip())


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

    chosen = _build(engine, build, aloud=True)
    python = install(engine, chosen, _say, fresh=fresh)
    _say(say("Checking it."))
    report = check(engine, chosen, fresh=fresh)
    _tell(report)
    if not report.ok:
        raise BadInput(
            say(
                "Engine {engine} ({build}) is installed, but does not work here.", engine=engine, build=chosen
            )
        )
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
        click.confirm(say("Remove {folder}?", folder=link_of(engine, chosen)), abort=True, err=True)
    remove(engine, chosen, _say)


def _build(engine: str, build: str | None, aloud: bool = False) -> str:
    """Return the build asked for, else the only one installed, else the one this machine needs."""
    if build is not None:
        build_of(engine, build)
        return build
    if engine not in engines():
        build_of(engine, "")
    from runtime.engines.registry import states

    present = [each.build for each in states() if each.engine == engine and each.state != "absent"]
    if not aloud and len(present) == 1:
        return present[0]
    from runtime.paths import home
    from runtime.probe import probe_hardware

    chosen, because, _ = pick_build(probe_hardware(Path(home())), engine)
    if aloud:
        _say(because)
    return chosen


def _tell(report: CheckReport) -> None:
    for finding in report.findings:
        mark = padded(say(MARKS.get(finding.level, PROBLEM)), 8)
        click.echo(f"{mark}{join((finding.sentence, finding.remedy))}".rstrip(), err=True)
    when = say("{number} s", number=f"{report.seconds:.0f}")
    if report.cached:
        when = say("proved earlier, nothing changed since")
    words = template("Engine {engine} ({build}) does not work ({when}).")
    words = template("Engine {engine} ({build}) works ({when}).") if report.ok else words
    click.echo(say(words, engine=report.engine, build=report.build, when=when), err=True)


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)
