"""`steersman serve`: who may come in, what is served, and the app in a real browser."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest

from tests.tui.app import chromium
from tui.browser.server import is_loopback

MANY_LINES = 60
"""Different lines of pixels that a screen with text has; the notice of a page that waits has about 30."""

STEERSMAN = (sys.executable, "-m", "tui.command_line")


class Served:
    """A server in a process of its own."""

    def __init__(self, home: Path, *arguments: str) -> None:
        environment = {**os.environ, "STEERSMAN_HOME": str(home), "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            [*STEERSMAN, "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, f"{line} {self.process.stderr.read() if self.process.stderr else ''}"
        self.address = found.group()

    @property
    def origin(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Ask it to end; return its exit code and what it said on stderr."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path / "home")
    yield server
    if server.process.poll() is None:
        server.end(signal.SIGKILL)


async def status(client: aiohttp.ClientSession, address: str, **headers: str) -> int:
    async with client.get(address, headers=headers) as answer:
        await answer.read()
        return answer.status


@pytest.mark.asyncio
async def test_only_the_whole_address_opens_it(served: Served) -> None:
    token = urlsplit(served.address).path.strip("/")
    assert len(token) >= 32
    async with aiohttp.ClientSession() as client:
        assert await status(client, served.address) == 200
        assert await status(client, served.address.rstrip("/")) == 200, "as it is often copied"
        assert await status(client, f"{served.address}static/js/textual.js") == 200
        refused = ["/", "/ws", "/static/js/textual.js", f"/{token[:-1]}/", f"/{token}x/", "/%00/", "//"]
        assert {path: await status(client, served.origin + path) for path in refused} == dict.fromkeys(
            refused, 403
        )
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await client.ws_connect(f"{served.origin}/wrong/ws")
        assert refusal.value.status == 403


@pytest.mark.asyncio
async def test_other_sites_cannot_use_the_address(served: Served) -> None:
    """A page of another site may know the port; a name may be rebound to this machine."""
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await client.ws_connect(f"{served.address}ws", origin="http://elsewhere.example")
        assert refusal.value.status == 403
        assert await status(client, served.address, Host="elsewhere.example") == 403


@pytest.mark.asyncio
async def test_every_answer_keeps_the_address_secret(served: Served) -> None:
    async with aiohttp.ClientSession() as client, client.get(served.address) as answer:
        text = await answer.text()
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.findall(r"(?:src|href|url\()\s*=?\s*[\"'(]?https?://", text)


@pytest.mark.asyncio
async def test_the_websocket_carries_the_app(served: Served) -> None:
    """The handshake starts an app whose first screen comes as bytes; closing it ends the app's process."""
    async with aiohttp.ClientSession() as client:
        socket = await client.ws_connect(f"{served.address}ws?width=100&height=30", origin=served.origin)
        await socket.send_json(["ping", 7])
        seen, pong = b"", None
        async with asyncio.timeout(60) if sys.version_info >= (3, 11) else _forever():
            while b"Steersman" not in seen or pong is None:
                message = await socket.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    pong = message.json()
                else:
                    assert message.type is aiohttp.WSMsgType.BINARY, message
                    seen += message.data
        assert pong == ["pong", 7]
        apps = psutil.Process(served.process.pid).children(recursive=True)
        assert len(apps) == 1
        await socket.close()
    gone, left = psutil.wait_procs(apps, timeout=30)
    assert gone and not left


class _forever:  # noqa: N801 - asyncio.timeout is new in Python 3.11
    async def __aenter__(self) -> None: ...
    async def __aexit__(self, *failure: object) -> None: ...


@pytest.mark.asyncio
async def test_the_end_is_graceful_with_an_open_window(served: Served) -> None:
    async with aiohttp.ClientSession() as client:
        socket = await client.ws_connect(f"{served.address}ws")
        assert (await socket.receive(timeout=60)).type is aiohttp.WSMsgType.BINARY
        apps = psutil.Process(served.process.pid).children(recursive=True)
        code, said = await asyncio.to_thread(served.end)
        assert (code, "Traceback" in said) == (0, False), said
        assert (await socket.receive(timeout=30)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.BINARY)
    assert not psutil.wait_procs(apps, timeout=30)[1]


@pytest.mark.asyncio
async def test_without_a_token_it_warns_and_lets_in(tmp_path: Path) -> None:
    server = Served(tmp_path, "--no-token")
    async with aiohttp.ClientSession() as client:
        assert urlsplit(server.address).path == "/"
        assert await status(client, server.address) == 200
        assert await status(client, server.address, Host="elsewhere.example") == 403
    code, said = await asyncio.to_thread(server.end, signal.SIGTERM)
    assert code == 0 and "everybody who reaches 127.0.0.1" in said


def test_a_taken_port_is_refused_in_a_sentence(served: Served, tmp_path: Path) -> None:
    port = str(urlsplit(served.address).port)
    done = subprocess.run(
        [*STEERSMAN, "serve", "--port", port], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2 and "--port 0" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("10.0.0.4", False),
        ("localhost.example", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, own: bool) -> None:
    assert is_loopback(host) is own


@pytest.mark.slow
@pytest.mark.skipif(not chromium.found(), reason="needs Chromium: apt-get install chromium")
@pytest.mark.asyncio
async def test_a_browser_shows_the_first_screen(served: Served, tmp_path: Path) -> None:
    """In Debian's Chromium; nothing is asked for from outside."""
    async with chromium.tab(tmp_path / "profile") as page:
        await page.open(served.address)
        await page.until("document.body.classList.contains('-first-byte')")
        await page.until("document.fonts.check('16px \"Roboto Mono\"')")
        await page.until("document.activeElement.className == 'xterm-helper-textarea'")  # no click is needed
        picture = b""
        for _ in range(200):  # the terminal fades in
            picture = await page.picture()
            if chromium.distinct_lines(picture) > MANY_LINES:
                break
            await asyncio.sleep(0.1)
        kept = Path(os.environ.get("STEERSMAN_SCREENS", str(tmp_path))) / "served.png"
        kept.write_bytes(picture)
        assert chromium.distinct_lines(picture) > MANY_LINES
        outside = [url for url in page.requested if not url.startswith((served.origin, "data:", "about:"))]
        assert page.requested and not outside
        assert any("RobotoMono" in url for url in page.requested)


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_an_address_that_is_elsewhere_is_said(host: str) -> None:
    command = [sys.executable, "-m", "tui.command_line", "serve", "--host", host, "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Name an address of this machine" in done.stderr
