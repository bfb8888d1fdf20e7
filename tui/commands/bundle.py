"""`steersman bundle`: pack a run for support."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Archive to write. Default: RUN-bundle.tar.gz here.",
)
@click.option("--list", "only_list", is_flag=True, help="Print the name of every file that was packed.")
def command(run: str, output: Path | None, only_list: bool) -> None:
    """Pack a run for support: plan, journal, logs, configs, versions, what doctor says.

    Tokens, the names of folders, person and machine, and rows of the data are taken out of the texts;
    weights, checkpoints and data are not packed at all. contents.txt in the archive lists what is inside and
    what is not. Look at it before you send it.

    \b
    Examples:
      steersman bundle
      steersman bundle my-run -o my-run.tar.gz --list
    """
    from planner.language import say
    from planner.phrases import count
    from runtime.bundle import counted, write_bundle
    from runtime.run.layout import find_run

    folder = find_run(run)
    destination = (output or Path(f"{folder.name}-bundle.tar.gz")).expanduser().absolute()
    bundle = write_bundle(folder, destination, doctor)
    if only_list:
        for packed in bundle.inside:
            click.echo(packed.name)
    click.echo(
        say(
            "Packed {files} files, {bytes} bytes of text. Left out: {left}.",
            files=count(len(bundle.inside)),
            bytes=count(sum(packed.bytes for packed in bundle.inside)),
            left=", ".join(bundle.left_out[-3:]),
        ),
        err=True,
    )
    click.echo(counted(bundle), err=True)
    click.echo(bundle.path)


def doctor() -> str:
    """Return what `steersman doctor` says, line by line."""
    from runtime.doctor import examine

    return "".join(
        f"{finding.level} {finding.subject}: {finding.sentence} {finding.remedy}".rstrip() + "\n"
        for finding in examine()
    )
