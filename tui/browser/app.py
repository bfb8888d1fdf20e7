"""The app as a browser session starts it: `python -m tui.browser.app`; its language comes in a variable."""

from __future__ import annotations

import os
import sys

from tui.app.start import open_app

LANGUAGE_VARIABLE = "STEERSMAN_SERVE_LANGUAGE"
"""Language of the command that serves, unless it was not asked for."""


def main() -> int:
    """Open the app and return its exit code."""
    from planner.language import LANGUAGES, use
    from tui.speech import from_environment

    asked = os.environ.pop(LANGUAGE_VARIABLE, "")
    use(asked if asked in LANGUAGES else from_environment())
    return open_app(language_asked=asked in LANGUAGES)


if __name__ == "__main__":
    sys.exit(main())
