"""A hub on the loopback that takes uploads by the APIs of Hugging Face, ModelScope and AI Studio at once.

Files arrive inside a commit, or as large files (LFS) beside it, as on the real hubs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class UploadHub(ThreadingHTTPServer):
    """Keeps what arrives: `files` by repository and name, `created`, `tokens`, `messages` of commits."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, dict[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.created: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.messages: list[str] = []
        self.asked: list[str] = []
        self.status = 0
        self.forbidden: list[str] = []
        """Suffixes that AI Studio takes no files of."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def environment(self) -> dict[str, str]:
        """Return the variables by which the three clients find this server, with their tokens."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": "hf_write",
            "MODELSCOPE_ENDPOINT": self.url,
            "MODELSCOPE_API_TOKEN": "ms-write",
            "STUDIO_GIT_HOST": self.url,
            "STUDIO_MODEL_API_URL_PREFIX": self.url,
            "AISTUDIO_ACCESS_TOKEN": "as-write",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


class Handler(BaseHTTPRequestHandler):
    server: UploadHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass

    def body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def reply(self, values: Any, status: int = 200) -> None:
        data = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Md5", "checked")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self) -> None:
        path, data = unquote(urlsplit(self.path).path), self.body()
        self.server.asked.append(f"{self.command} {path}")
        self.server.tokens.add(self.headers.get("Authorization", ""))
        if self.server.status:
            self.reply({"error": "no", "Message": "no"}, self.server.status)
            return
        for pattern, method in ROUTES:
            if found := re.fullmatch(pattern, f"{self.command} {path}"):
                method(self, data, *found.groups())
                return
        self.reply({"error": "Not found", "Code": 404, "Message": "not found"}, 404)

    do_GET = do_POST = do_PUT = do_HEAD = handle_any  # noqa: N815

    def keep(self, repository: str, name: str, data: bytes) -> None:
        self.server.files.setdefault(repository, {})[name] = data

    def hf_create(self, data: bytes) -> None:
        asked = json.loads(data)
        self.server.created.append(asked)
        owner = asked.get("organization") or "me"
        self.reply({"url": f"{self.server.url}/{owner}/{asked['name']}", "name": f"{owner}/{asked['name']}"})

    def hf_preupload(self, data: bytes, repository: str) -> None:
        files = [
            {"path": file["path"], "uploadMode": large(file["path"]), "shouldIgnore": False}
            for file in json.loads(data)["files"]
        ]
        self.reply({"files": files})

    def hf_commit(self, data: bytes, repository: str) -> None:
        for line in map(json.loads, data.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.server.messages.append(value["summary"])
            elif line["key"] == "file":
                self.keep(repository, value["path"], base64.b64decode(value["content"]))
            elif line["key"] == "lfsFile":
                self.keep(repository, value["path"], self.server.blobs[value["oid"]])
        self.reply({"commitUrl": f"{self.server.url}/{repository}/commit/{COMMIT}", "commitOid": COMMIT})

    def lfs_batch(self, data: bytes, repository: str) -> None:
        objects = [
            {
                "oid": each["oid"],
                "size": each["size"],
                "actions": {
                    "upload": {"href": f"{self.server.url}/blob/{each['oid']}", "header": {}},
                    "verify": {"href": f"{self.server.url}/verify", "header": {}},
                },
            }
            for each in json.loads(data)["objects"]
        ]
        self.reply({"transfer": "basic", "objects": objects, "Code": 200, "Success": True})

    def blob(self, data: bytes, oid: str) -> None:
        assert hashlib.sha256(data).hexdigest() == oid
        self.server.blobs[oid] = data
        self.reply({"Code": 200, "Success": True})

    def yaml(self, data: bytes) -> None:
        self.reply({"errors": [], "warnings": [], "errorCode": 0})

    def ms_create(self, data: bytes) -> None:
        self.server.created.append(json.loads(data))
        self.reply({"Code": 200, "Success": True, "Data": {}})

    def ms_validate(self, data: bytes, repository: str) -> None:
        objects = [
            {"oid": each["oid"], "actions": {"upload": {"href": f"{self.server.url}/blob/{each['oid']}"}}}
            for each in json.loads(data)["objects"]
        ]
        self.reply({"Code": 200, "Success": True, "Data": {"objects": objects}})

    def ms_commit(self, data: bytes, repository: str) -> None:
        asked = json.loads(data)
        self.server.messages.append(asked["commit_message"])
        for action in asked["actions"]:
            content = action.get("content") or ""
            found = base64.b64decode(content) if content else self.server.blobs[action["sha256"]]
            self.keep(repository, action["path"], found)
        self.reply({"Code": 200, "Success": True, "Data": {"oid": COMMIT}})

    def verified(self, data: bytes) -> None:
        self.reply({"message": "ok"})

    def as_create(self, data: bytes) -> None:
        asked = json.loads(data)
        self.server.created.append({**asked, "private": asked["repoType"] == 0})
        self.reply({"errorCode": 0, "result": asked})

    def as_suffixes(self, data: bytes) -> None:
        self.reply({"errorCode": 0, "result": self.server.forbidden})

    def as_preupload(self, data: bytes, repository: str) -> None:
        names = [file["path"] for file in json.loads(data)["files"]]
        self.reply({"files": [{"path": name, "lfs": large(name) == "lfs"} for name in names]})

    def as_commit(self, data: bytes, repository: str) -> None:
        asked = json.loads(data)
        self.server.messages.append(asked["message"])
        for file in asked["files"]:
            found = base64.b64decode(file["content"])
            if file["lfsPointer"]:
                oid = found.split(b"sha256:")[1].split()[0].decode()
                found = self.server.blobs[oid]
            self.keep(repository, file["path"], found)
        self.reply({"commit": COMMIT}, 201)

    def as_tree(self, data: bytes, repository: str) -> None:
        tree = [{"path": name, "type": "blob"} for name in self.server.files.get(repository, {})]
        address = f"{self.server.url}/api/v1/repos/{repository}/git/trees/{COMMIT}"
        self.reply(
            {"sha": COMMIT, "url": address, "tree": tree, "truncated": False, "total_count": len(tree)}
        )


def large(name: str) -> str:
    """Return how a file travels."""
    return "lfs" if name.endswith(".safetensors") else "regular"


MODEL = r"([\w.-]+/[\w.-]+)"
ROUTES = (
    (r"POST /api/repos/create", Handler.hf_create),
    (rf"POST /api/models/{MODEL}/preupload/main", Handler.hf_preupload),
    (rf"POST /api/models/{MODEL}/commit/main", Handler.hf_commit),
    (rf"POST /{MODEL}\.git/info/lfs/objects/batch", Handler.lfs_batch),
    (r"PUT /blob/(\w+)", Handler.blob),
    (r"POST /api/validate-yaml", Handler.yaml),
    (r"POST /verify", Handler.verified),
    (r"POST /modelcenter/v2/models/sdk/add", Handler.as_create),
    (r"GET /modelcenter/v2/models/getSuffixBlackList", Handler.as_suffixes),
    (r"POST /modelcenter/v2/models/checkYaml", Handler.yaml),
    (rf"POST /api/v1/repos/{MODEL}/preupload/master", Handler.as_preupload),
    (rf"POST /api/v1/repos/{MODEL}/contents", Handler.as_commit),
    (rf"GET /api/v1/repos/{MODEL}/git/trees/master", Handler.as_tree),
    (r"POST /api/v1/models", Handler.ms_create),
    (rf"POST /api/v1/repos/models/{MODEL}/info/lfs/objects/batch", Handler.ms_validate),
    (rf"POST /api/v1/repos/models/{MODEL}/commit/master", Handler.ms_commit),
)


@contextmanager
def taking() -> Iterator[UploadHub]:
    """Run the hub while the block runs."""
    server = UploadHub()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
