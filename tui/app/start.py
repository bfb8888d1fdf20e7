"""Open the app, in the language that was asked for, remembered, or that the locale speaks."""

from __future__ import annotations

from pathlib import Path

from planner.language import LANGUAGES, current, use_everywhere
from tui.app import preferences


def language(asked: bool) -> str:
    """Return the language to start in; `asked` says that the command line named the current one."""
    remembered = preferences.load().language
    return remembered if remembered in LANGUAGES and not asked else current()


def open_app(folder: Path | None = None, *, language_asked: bool = False) -> int:
    """Run the app until the person quits, and return its exit code."""
    use_everywhere(language(language_asked))
    from tui.app.application import SteersmanApp

    app = SteersmanApp(folder=folder)
    return app.run() or app.return_code or 0
