"""The web server behind `steersman serve`: one page, its files, and a websocket, all below a secret address.

Nothing is fetched from outside: terminal, font and styles come with textual-serve and are served from here.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from aiohttp import WSMsgType, web
from aiohttp.typedefs import Handler

from planner.language import current, say
from tui.browser.session import START, Session

STATIC = Path(str(files("textual_serve"))) / "static"
PAGE = Path(__file__).resolve().parent / "page.html.j2"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
"""Keep the secret address to this browser, and the page out of others' frames."""

FONT_SIZES = range(8, 41)
"""Pixels that `?fontsize=` may ask for."""


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's own."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Server:
    """Serves the app to browsers that know the token; an empty token lets everybody in."""

    def __init__(
        self,
        token: str,
        *,
        host: str = "127.0.0.1",
        folder: Path | None = None,
        command: Sequence[str] = START,
    ) -> None:
        self.token = token
        self.host = host
        self.folder = folder or Path.cwd()
        self.command = tuple(command)
        self.sockets: set[web.WebSocketResponse] = set()
        self.page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
            PAGE.read_text(encoding="utf-8")
        )

    @property
    def prefix(self) -> str:
        """Path below which everything lies."""
        return f"/{self.token}" if self.token else ""

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(middlewares=[self.guard])
        app.add_routes(
            [
                web.get(f"{self.prefix}/", self.show_page),
                *([web.get(self.prefix, self.add_slash)] if self.prefix else []),
                web.get(f"{self.prefix}/ws", self.talk),
                web.static(f"{self.prefix}/static", STATIC),
            ]
        )
        app.on_response_prepare.append(self.add_headers)
        app.on_shutdown.append(self.close_sessions)
        return app

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse who does not know the token, and pages of other sites that use this browser."""
        said = request.path.split("/")[1]
        if self.token and not hmac.compare_digest(said.encode(), self.token.encode()):
            raise web.HTTPForbidden(
                text=say("This address is not right: use the whole one that steersman serve printed.")
            )
        if not self._from_here(request):
            raise web.HTTPForbidden(text=say("Another site's page may not use this address."))
        return await handler(request)

    def _from_here(self, request: web.Request) -> bool:
        """Return whether host and origin are ours: a name that was rebound to this machine is not."""
        host = urlsplit(f"//{request.host}").hostname or ""
        if is_loopback(self.host) and not is_loopback(host):
            return False
        origin = request.headers.get("Origin")
        return origin is None or urlsplit(origin).netloc == request.host

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers that every answer carries."""
        response.headers.update(HEADERS)

    async def show_page(self, request: web.Request) -> web.Response:
        """Return the page with the terminal."""
        asked = request.query.get("fontsize", "")
        size = int(asked) if asked.isdecimal() and int(asked) in FONT_SIZES else 16
        text = self.page.render(
            language=current(),
            title="Steersman",
            font_size=size,
            waiting=say("Steersman is starting."),
            ended=say("This session has ended. Runs go on."),
            again=say("Open it again"),
        )
        return web.Response(text=text, content_type="text/html")

    async def add_slash(self, request: web.Request) -> web.Response:
        """Send on who left the slash at the end away."""
        raise web.HTTPFound(f"{self.prefix}/")

    async def talk(self, request: web.Request) -> web.WebSocketResponse:
        """Run one app for as long as the browser window is open."""
        socket = web.WebSocketResponse(heartbeat=15)
        await socket.prepare(request)
        session = Session(self.command, self.folder, socket.send_bytes, socket.send_str, socket.close)
        self.sockets.add(socket)
        try:
            await session.start(_cells(request, "width", 80), _cells(request, "height", 24))
            await self._listen(socket, session)
        finally:
            self.sockets.discard(socket)
            await session.stop()
        return socket

    async def _listen(self, socket: web.WebSocketResponse, session: Session) -> None:
        """Pass on what the browser says: `[kind, data]` in JSON, as textual-serve's script sends it."""
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            kind, data = _envelope(message)
            if kind == "stdin" and isinstance(data, str):
                await session.send_bytes(data.encode())
            elif kind == "resize" and isinstance(data, dict):
                await session.set_terminal_size(int(data.get("width", 80)), int(data.get("height", 24)))
            elif kind == "ping":
                await socket.send_json(["pong", data])
            elif kind == "blur":
                await session.blur()
            elif kind == "focus":
                await session.focus()

    async def close_sessions(self, app: web.Application) -> None:
        """End every session, at the end of the server."""
        for socket in tuple(self.sockets):
            await socket.close(code=1001, message=b"Steersman has ended.")


def _envelope(message: Any) -> tuple[str, Any]:
    """Return kind and data of a message; two empty ones for what is no message of ours."""
    try:
        said = message.json()
    except ValueError:
        return "", None
    if not isinstance(said, list) or not said or not isinstance(said[0], str):
        return "", None
    return said[0], said[1] if len(said) > 1 else None


def _cells(request: web.Request, name: str, otherwise: int) -> int:
    """Return a size in cells from the address."""
    asked = request.query.get(name, "")
    return min(max(int(asked), 20), 1000) if asked.isdecimal() else otherwise
