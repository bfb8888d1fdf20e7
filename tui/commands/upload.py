"""`steersman upload`: the result of a run, with a model card, to a hub."""

from __future__ import annotations

import click

from planner.language import say


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option(
    "--to",
    required=True,
    type=click.Choice(["huggingface", "modelscope", "aistudio"]),
    help="The hub.",
)
@click.option("--repo", required=True, metavar="OWNER/NAME", help="Repository; made if it is not there.")
@click.option("--private", is_flag=True, help="Make it private. One that is there stays as it is.")
@click.option(
    "--dry-run", is_flag=True, help="Write the model card into the run folder, list the files, send nothing."
)
def command(run: str, to: str, repo: str, private: bool, dry_run: bool) -> None:
    """Upload the result of a run with a model card.

    RUN is a run's name, its folder, or `latest`. The card says base model, licence, data without contents,
    hyperparameters, figures and how to load it. Tokens are read from HF_TOKEN, MODELSCOPE_API_TOKEN and
    AISTUDIO_ACCESS_TOKEN. A MODEL_CARD.md in the run folder is uploaded instead of a new card.

    \b
    Examples:
      steersman upload --to huggingface --repo me/my-model --dry-run
      steersman upload my-run --to modelscope --repo me/my-model --private
    """
    from planner.phrases import size
    from runtime.paths import write_atomically
    from runtime.results import answering_plan
    from runtime.run.layout import find_run
    from runtime.upload.uploading import HUBS, pack, upload

    found = find_run(run)
    parcel = pack(found, answering_plan(found), repo)
    own = found.root / "MODEL_CARD.md"
    if dry_run:
        if not own.exists():
            write_atomically(own, parcel.card)
        for name, path in parcel.files.items():
            click.echo(f"{name:<40} {size(path.stat().st_size)}")
        click.echo(f"{'README.md':<40} {own}")
        click.echo(
            say(
                "Nothing was sent. {count} files, {bytes}.",
                count=len(parcel.files) + 1,
                bytes=size(parcel.bytes),
            ),
            err=True,
        )
        return
    if own.exists():
        parcel = parcel._replace(card=own.read_text(encoding="utf-8"))
    click.echo(say("Uploading {bytes} to {hub}.", bytes=size(parcel.bytes), hub=HUBS[to].title), err=True)
    click.echo(upload(parcel, to, repo, private=private))
