"""A hub on the loopback: one folder by the APIs of Hugging Face, ModelScope and AI Studio at once."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = "someone/tiny"


class HubServer(ThreadingHTTPServer):
    """Serves `folder` as the model someone/tiny. The attributes steer it and record what was asked."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.stall_after: int | None = None
        self.stalled = threading.Event()
        self.ranges: list[tuple[str, int]] = []
        self.tokens: set[str] = set()
        self.status = 0
        self.corrupt = ""

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: a client that is killed breaks its connection."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def environment(self) -> dict[str, str]:
        """Return the variables by which the three clients find this server."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "MODELSCOPE_ENDPOINT": self.url,
            "STUDIO_GIT_HOST": self.url,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


class Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        url = urlsplit(self.path)
        path, query = unquote(url.path), {key: values[0] for key, values in parse_qs(url.query).items()}
        self.server.tokens.add(self.headers.get("Authorization", ""))
        if self.server.status:
            self.json({"error": "no"}, self.server.status)
        elif path.startswith((f"/api/models/{MODEL}/revision/", f"/api/models/{MODEL}")):
            self.hugging_face_info(path.partition("/revision/")[2])
        elif path.startswith(f"/{MODEL}/resolve/"):
            self.file(path.removeprefix(f"/{MODEL}/resolve/").partition("/")[2], body)
        elif path == f"/api/v1/models/{MODEL}/repo/files":
            self.json(
                {"Code": 200, "Data": {"Files": [self.modelscope_entry(name) for name in self.names()]}}
            )
        elif path == f"/api/v1/models/{MODEL}/repo":
            self.file(query["FilePath"], body)
        elif path.startswith(f"/api/v1/repos/{MODEL}/git/trees/"):
            tree = [
                {"path": name, "type": "blob", "size": min(self.size(name), 130), "sha": "b"}
                for name in self.names()
            ]
            address = f"{self.server.url}/api/v1/repos/{MODEL}/git/trees/{COMMIT}"
            self.json(
                {"sha": COMMIT, "url": address, "tree": tree, "truncated": False, "total_count": len(tree)}
            )
        elif path.startswith(f"/api/v1/repos/{MODEL}/contents/"):
            name = path.partition("/contents/")[2]
            known = {"name": name, "path": name, "sha": "b", "size": self.size(name)}
            self.json({**known, "last_commit_sha": COMMIT, "Sha256": self.sha256(name)})
        elif path.startswith(f"/api/v1/repos/{MODEL}/media/"):
            self.file(path.partition("/media/")[2], body)
        else:
            self.json({"error": "Not found"}, 404, {"X-Error-Code": "RepoNotFound"})

    def hugging_face_info(self, revision: str) -> None:
        if revision not in ("", "main", COMMIT):
            self.json({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
            return
        siblings = [
            {
                "rfilename": name,
                "size": self.size(name),
                "blobId": "b",
                **({"lfs": self.lfs(name)} if name.endswith(".safetensors") else {}),
            }
            for name in self.names()
        ]
        self.json(
            {"id": MODEL, "modelId": MODEL, "sha": COMMIT, "siblings": siblings, "tags": [], "downloads": 0}
        )

    def modelscope_entry(self, name: str) -> dict[str, object]:
        return {
            "Path": name,
            "Name": name,
            "Size": self.size(name),
            "Sha256": self.sha256(name),
            "Type": "blob",
            "Revision": COMMIT if name == "config.json" else "f" * 40,
            "CommittedDate": 2 if name == "config.json" else 1,
        }

    def names(self) -> list[str]:
        return sorted(path.name for path in self.server.folder.iterdir())

    def size(self, name: str) -> int:
        return (self.server.folder / name).stat().st_size

    def sha256(self, name: str) -> str:
        return hashlib.sha256((self.server.folder / name).read_bytes()).hexdigest()

    def lfs(self, name: str) -> dict[str, object]:
        return {"sha256": self.sha256(name), "size": self.size(name), "pointerSize": 130}

    def json(self, values: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def file(self, name: str, body: bool) -> None:
        """Send a file, or the range that was asked for; stall in the middle of weights if told to."""
        if name not in self.names():
            self.json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
            return
        data = (self.server.folder / name).read_bytes()
        total, start, wished = len(data), 0, self.headers.get("Range", "")
        if wished:
            first, _, last = wished.removeprefix("bytes=").partition("-")
            start = int(first or 0)
            data = data[start : int(last) + 1 if last else None]
        if name == self.server.corrupt:
            data = bytes(len(data))
        self.send_response(206 if wished else 200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{self.sha256(name)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(total))
        self.send_header("X-Linked-Etag", f'"{self.sha256(name)}"')
        if wished:
            self.send_header("Content-Range", f"bytes {start}-{start + len(data) - 1}/{total}")
        self.end_headers()
        if not body:
            return
        if name.endswith(".safetensors") and len(data) > 2:
            self.server.ranges.append((name, start))
            limit = self.server.stall_after
            if limit is not None and len(data) > limit:
                self.wfile.write(data[:limit])
                self.wfile.flush()
                self.server.stalled.set()
                time.sleep(60)
                return
        self.wfile.write(data)


@contextmanager
def serving(folder: Path) -> Iterator[HubServer]:
    """Run a hub for `folder` while the block runs."""
    server = HubServer(folder)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
