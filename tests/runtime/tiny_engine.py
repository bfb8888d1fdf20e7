"""A tiny engine in the shape of the real ones: two wheels made on the spot, served by two registries.

The installer and uv are the real ones; only the table and the packages are small, so an installation takes
a second.
"""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

ENGINE = "tinykit"


def write_wheel(folder: Path, name: str, version: str, code: str = "") -> str:
    """Write a pure Python wheel into a registry folder and return its sha256."""
    module, place = name.replace("-", "_"), folder / name
    place.mkdir(parents=True, exist_ok=True)
    wheel = place / f"{module}-{version}-py3-none-any.whl"
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": f"__version__ = {version!r}\n{code}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    links = "".join(f'<a href="{each.name}">{each.name}</a>' for each in sorted(place.glob("*.whl")))
    (place / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


class TinyEngine:
    """Its folders, its registry, and ways to change both."""

    def __init__(self, root: Path, address: str, gate: threading.Event) -> None:
        self.root, self.address, self.gate = root, address, gate
        self.recipes = root / "recipes"
        self.recipes.mkdir()
        self.table = self.recipes / "engines.yaml"
        self.gpu_hash = write_wheel(root / "registry/paddle", "tinypaddle", "1.0")
        self.write_table()
        self.lock_version("1.0")

    def write_table(self, disk_gb: float = 0.001) -> None:
        """Write the table of engines: one build from the ordinary registry, one with a second registry."""
        cpu = {"paddle": "tinykit==1.0", "disk_gb": disk_gb, "source": "test"}
        gpu = {
            "paddle": "tinypaddle==1.0",
            "index": f"{self.address}/paddle/",
            "capabilities": ["6.0", "9.0"],
            "min_driver": "1",
            "disk_gb": disk_gb,
            "source": "test",
        }
        row = {
            "title": "Tiny",
            "python": ["3.10", "3.11", "3.12"],
            "python_because": "it is a test",
            "builds": {"cpu": cpu, "cu999": gpu},
        }
        self.table.write_text(yaml.safe_dump({ENGINE: row}))

    def lock_version(self, version: str, sha256: str = "", publish: bool = True) -> None:
        """Publish a version of the toolkit and pin it, with its hash unless another is given."""
        found = write_wheel(self.root / "registry/simple", ENGINE, version) if publish else "0" * 64
        for build in ("cpu", "cu999"):
            lock = self.recipes / f"{ENGINE}-{build}.txt"
            lock.write_text(f"{ENGINE}=={version} \\\n    --hash=sha256:{sha256 or found}\n")


@contextmanager
def serve(root: Path) -> Iterator[tuple[str, threading.Event]]:
    """Serve `root/registry`; while the event is cleared, wheels are held back, as on a slow network."""
    gate = threading.Event()
    gate.set()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Be quiet."""

        def end_headers(self) -> None:
            self.send_header("Cache-Control", "no-cache")  # A version published a moment ago must be seen.
            super().end_headers()

        def do_GET(self) -> None:
            if self.path.endswith(".whl"):
                gate.wait(60)
            super().do_GET()

    (root / "registry").mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root / "registry")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", gate
    finally:
        gate.set()
        server.shutdown()
        server.server_close()
