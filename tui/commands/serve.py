"""`steersman serve`: the app in a browser."""

from __future__ import annotations

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--no-token", is_flag=True, help="Let everybody in who reaches the port.")
@click.pass_context
def command(ctx: click.Context, host: str, port: int, no_token: bool) -> None:
    """Show the app in a browser, with everything that the terminal shows. Ctrl-C ends it; runs go on.

    It listens on this machine alone, and its address holds a random token. Whoever has the address can do
    what you can do here. From another machine, reach it through SSH: `ssh -L 8000:127.0.0.1:8000 HOST`.

    \b
    Examples:
      steersman serve
      steersman serve --port 9000
    """
    import os
    import secrets

    from planner.language import current, say
    from tui.browser.app import LANGUAGE_VARIABLE
    from tui.browser.server import Server, is_loopback
    from tui.browser.serving import serve

    if no_token:
        click.echo(
            say("Warning: without a token, everybody who reaches {host} can act as you.", host=host), err=True
        )
    elif not is_loopback(host):
        click.echo(
            say(
                "Warning: {host} can be reached from other machines, and nothing is encrypted on the way.",
                host=host,
            ),
            err=True,
        )
    if ctx.get_parameter_source("lang") is click.core.ParameterSource.COMMANDLINE:
        os.environ[LANGUAGE_VARIABLE] = current()
    server = Server("" if no_token else secrets.token_urlsafe(24), host=host)
    serve(server, host, port, announce=lambda address: click.echo(address))
