"""Run the endpoint until somebody ends it: Ctrl-C or a polite signal, and no process is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from aiohttp import web

from planner.errors import BadInput
from planner.language import say
from runtime.serving.endpoint import Endpoint

ENDING_SECONDS = 3.0
"""Time that open requests get at the end."""


def serve(endpoint: Endpoint, port: int, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` is told the address. BadInput when it cannot be had."""
    try:
        asyncio.run(_serve(endpoint, port, announce))
    except OSError as error:
        raise BadInput(
            say(
                "{host}, port {port} cannot be listened on: {reason}.",
                host=endpoint.host,
                port=port,
                reason=os.strerror(error.errno) if error.errno and error.errno > 0 else error,
            ),
            remedy=say("Name another port: steersman serve-model --port 0"),
        ) from error
    finally:
        endpoint.model.close()


async def _serve(endpoint: Endpoint, port: int, announce: Callable[[str], None]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    runner = web.AppRunner(
        endpoint.application(),
        handle_signals=False,
        shutdown_timeout=ENDING_SECONDS,
        handler_cancellation=True,  # a client that hangs up ends its answer
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, endpoint.host, port).start()
        endpoint.model.start()
        taken = runner.addresses[0][1]
        shown = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        announce(f"http://{shown}:{taken}/v1")
        await ended.wait()
        if endpoint.model.worker is not None:
            endpoint.model.worker.interrupt()
    finally:
        await runner.cleanup()
