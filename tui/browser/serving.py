"""Run the server until somebody ends it: Ctrl-C or a polite signal, and nothing is left behind."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Callable

from aiohttp import web

from planner.errors import BadInput
from planner.language import say
from tui.browser.server import Server

ENDING_SECONDS = 12.0
"""Time that open sessions get at the end: two patient steps of each."""


def elsewhere(error: OSError) -> bool:
    """Return whether it is the address that this machine does not have, and not the port."""
    return isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL


def serve(server: Server, host: str, port: int, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` is told the address. BadInput when the port cannot be had."""
    try:
        asyncio.run(_serve(server, host, port, announce))
    except OSError as error:
        raise BadInput(
            say(
                "{host}, port {port} cannot be listened on: {reason}.",
                host=host,
                port=port,
                reason=os.strerror(error.errno) if error.errno and error.errno > 0 else error,
            ),
            remedy=say("Name an address of this machine: steersman serve --host 127.0.0.1")
            if elsewhere(error)
            else say("Name another port: steersman serve --port 0"),
        ) from error


async def _serve(server: Server, host: str, port: int, announce: Callable[[str], None]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    runner = web.AppRunner(server.application(), handle_signals=False, shutdown_timeout=ENDING_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        taken = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        announce(say("Steersman is at {address}", address=f"http://{shown}:{taken}{server.prefix}/"))
        announce(say("Ctrl-C ends it; runs go on."))
        await ended.wait()
    finally:
        await runner.cleanup()
