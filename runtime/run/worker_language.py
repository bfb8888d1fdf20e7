"""Hand the current language to a worker: its sentences, compiled, so that the engine needs no library."""

from __future__ import annotations

import hashlib

from planner.language import LOCALE, current
from runtime.paths import home, write_atomically

SENTENCES = "STEERSMAN_SENTENCES"
"""Read by `runtime.workers.speech`."""


def sentences() -> dict[str, str]:
    """Return the environment variable that makes a worker speak the current language; none for English."""
    language = current()
    source = LOCALE / f"{language}.po"
    if language == "en" or not source.is_file():
        return {}
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    compiled = home() / "sentences" / f"{language}-{digest}.mo"
    if not compiled.exists():
        import polib  # here, because English needs none of it

        compiled.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(compiled, polib.pofile(str(source)).to_binary())
    return {SENTENCES: str(compiled)}
