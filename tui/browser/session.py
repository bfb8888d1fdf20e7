"""One browser window, one app: a process of its own, whose screen goes over a websocket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

START = (sys.executable, "-m", "tui.browser.app")
"""Command that opens the app for a browser."""

LEAVING_SECONDS = 5.0
"""Patience with an app whose window was closed, before its process is ended."""


class Session(AppService):
    """Starts the app from an argument list, not a shell string, and does not wait for its end forever."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        write_bytes: Callable[[bytes], Awaitable[None]],
        write_str: Callable[[str], Awaitable[None]],
        close: Callable[[], Awaitable[object]],
    ) -> None:
        async def close_socket() -> None:
            await close()

        super().__init__(
            " ".join(command),
            write_bytes=write_bytes,
            write_str=write_str,
            close=close_socket,
            download_manager=DownloadManager(),
        )
        self.arguments = tuple(command)
        self.folder = folder

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        """Start the app's process in the folder that `steersman serve` was started in."""
        environment = self._build_environment(width, height)
        root = str(Path(__file__).resolve().parent.parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        process = await asyncio.create_subprocess_exec(
            *self.arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, cwd=self.folder
        )
        assert process.stdin is not None
        self._process, self._stdin = process, process.stdin
        return process

    async def stop(self) -> None:
        """Ask the app to leave, and end its process if it does not."""
        process = self._process
        with contextlib.suppress(asyncio.TimeoutError, ConnectionError):
            await asyncio.wait_for(super().stop(), LEAVING_SECONDS)
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), LEAVING_SECONDS)
            except asyncio.TimeoutError:
                process.kill()
                await process.wait()
