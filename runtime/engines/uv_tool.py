"""Calls `uv`, which creates environments and installs into them. Standard library only, so that the first
installation of the app itself can use it: `python -m runtime.engines.uv_tool pip install ...`.

uv does not read pip's configuration. A person whose pip is set to a mirror or to a company's certificate
would find that pip works and Steersman does not; `environment` carries those two settings over unless uv
has its own.
"""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

UV_INDEX_SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_NO_INDEX", "UV_OFFLINE", "UV_CONFIG_FILE")
UNWANTED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON")
"""Variables that would make uv or the new environment look at another environment than the one named."""


def uv_binary() -> str:
    """Return the path of the uv that was installed with the app."""
    import uv

    return str(uv.find_uv_bin())


def environment(
    base: Mapping[str, str] | None = None, pip_files: Iterable[Path] | None = None
) -> dict[str, str]:
    """Return the person's environment for uv, with pip's index and certificate where uv has none."""
    variables = dict(os.environ if base is None else base)
    for name in UNWANTED:
        variables.pop(name, None)
    pip = _pip_settings(_pip_files(variables) if pip_files is None else pip_files)
    index = variables.get("PIP_INDEX_URL") or pip.get("index-url")
    if index and not any(variables.get(name) for name in UV_INDEX_SETTINGS) and not _uv_files(variables):
        variables["UV_DEFAULT_INDEX"] = index
    certificate = variables.get("PIP_CERT") or pip.get("cert")
    if certificate and Path(certificate).exists():
        variables.setdefault("SSL_CERT_FILE", certificate)
    return variables


def run_uv(arguments: list[str], *, cwd: Path, log: Path, hear: Callable[[str], None]) -> int:
    """Run uv in `cwd`, append all it says to `log`, pass each line to `hear`, and return its exit code.

    `cwd` matters: uv reads configuration from the folders above it, so it must never be whatever project
    the person happens to stand in. uv is stopped when this function is left by an exception, such as
    Ctrl-C.
    """
    command = [uv_binary(), "--no-progress", "--color", "never", *arguments]
    cwd.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                file.flush()
                hear(line.rstrip())
            return process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _pip_files(variables: Mapping[str, str]) -> list[Path]:
    """Return pip's configuration files, the least important first, as pip orders them."""
    if variables.get("PIP_CONFIG_FILE") == os.devnull:
        return []
    home = Path(variables.get("HOME", "~")).expanduser()
    shared = [
        Path(folder, "pip/pip.conf") for folder in variables.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
    ]
    own = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    named = [Path(variables["PIP_CONFIG_FILE"])] if variables.get("PIP_CONFIG_FILE") else []
    return [*shared, Path("/etc/pip.conf"), home / ".pip/pip.conf", own / "pip/pip.conf", *named]


def _pip_settings(files: Iterable[Path]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself will complain about it; uv can do without.
        for section in ("global", "install"):
            if parser.has_section(section):
                settings.update(parser.items(section))
    return settings


def _uv_files(variables: Mapping[str, str]) -> list[Path]:
    """Return the person's and the machine's uv configuration, which then decides about registries."""
    home = Path(variables.get("HOME", "~")).expanduser()
    own = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    return [file for file in (own / "uv/uv.toml", Path("/etc/uv/uv.toml")) if file.exists()]


if __name__ == "__main__":
    sys.exit(subprocess.run([uv_binary(), *sys.argv[1:]], env=environment(), check=False).returncode)
