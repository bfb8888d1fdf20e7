"""`steersman serve-model`: an OpenAI-compatible endpoint for the result of a run."""

from __future__ import annotations

import click

KEY_VARIABLE = "STEERSMAN_API_KEY"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8001,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--name", help="Name of the model for clients. Default: the run's name.")
@click.option("--base", is_flag=True, help="Serve the base model instead of the tuned one.")
@click.option("--static", is_flag=True, help="Serve the exported static graph of the tuned model.")
@click.option(
    "--queue",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Requests that may wait while one is answered; more get error 429.",
)
@click.option(
    "--queue-seconds", type=click.FloatRange(0), default=60.0, show_default=True, help="Longest wait."
)
@click.option(
    "--answer-seconds",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="Longest answer; it is cut then.",
)
def command(
    run: str,
    host: str,
    port: int,
    name: str | None,
    base: bool,
    static: bool,
    queue: int,
    queue_seconds: float,
    answer_seconds: float,
) -> None:
    """Serve the result of a run to clients of OpenAI's API. Ctrl-C ends it.

    RUN is a run's name, its folder, or `latest`. One process answers one request at a time. It listens on
    this machine alone; on another address clients need a key, which is taken from STEERSMAN_API_KEY or made
    up and shown. Nothing is encrypted on the way.

    \b
    Examples:
      steersman serve-model
      steersman serve-model my-run --port 9000 --name my-model
      steersman serve-model my-run --static
      STEERSMAN_API_KEY=... steersman serve-model --host 0.0.0.0
    """
    import os
    import secrets

    from planner.errors import BadInput
    from planner.language import say
    from runtime.chat import find_models
    from runtime.run.layout import find_run
    from runtime.serving.addresses import is_loopback
    from runtime.serving.endpoint import Endpoint
    from runtime.serving.model import Limits, ServedModel
    from runtime.serving.running import serve

    if base and static:
        raise BadInput(
            say("--base and --static name two models, and one is served."), remedy=say("Give one of them.")
        )
    place = find_models(find_run(run), static=static)
    key = os.environ.get(KEY_VARIABLE, "")
    if not key and not is_loopback(host):
        key = secrets.token_urlsafe(24)
        click.echo(say("API key: {key}", key=key))
    limits = Limits(queue, queue_seconds, answer_seconds)
    model = ServedModel(place, "base" if base else "tuned", limits)
    served = name or place.run.name

    def announce(address: str) -> None:
        click.echo(say("The model {name} answers at {address}", name=served, address=address))
        click.echo(say("Ctrl-C ends it."), err=True)

    serve(Endpoint(model, served, key, host), port, announce)
