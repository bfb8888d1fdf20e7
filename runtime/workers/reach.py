"""Whether a server can be reached at all, asked before a library that would try for a long time."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

SECONDS = 5.0
"""How long a server may take to accept a connection."""

SWANLAB = "https://api.swanlab.cn/api"
"""SwanLab's own address; SWANLAB_API_HOST names another (swanlab 0.10.3, `swanlab login --host`)."""


def swanlab_address() -> str:
    """Return the address that SwanLab's library would use."""
    return os.environ.get("SWANLAB_API_HOST") or SWANLAB


def reachable(address: str, seconds: float = SECONDS) -> bool:
    """Return whether a server accepts a connection. Behind a proxy that is taken for granted."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    parts = urlsplit(address)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=seconds):
            return True
    except OSError:
        return False
