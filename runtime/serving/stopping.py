"""End an answer before a text that the client named, however the pieces are cut."""

from __future__ import annotations


class StopFilter:
    """Lets text through, holding back an end that may be the beginning of a stop text."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self.stops = stops
        self.held = ""
        self.stopped = False

    def let_through(self, piece: str) -> str:
        """Return what may be sent of the text so far."""
        if self.stopped:
            return ""
        text = self.held + piece
        found = [place for stop in self.stops if (place := text.find(stop)) >= 0]
        if found:
            self.stopped, self.held = True, ""
            return text[: min(found)]
        keep = max((self._overlap(text, stop) for stop in self.stops), default=0)
        self.held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """Return what was held back once nothing more comes."""
        held, self.held = self.held, ""
        return held

    @staticmethod
    def _overlap(text: str, stop: str) -> int:
        """Return how many characters at the end of `text` begin `stop`."""
        longest = min(len(text), len(stop) - 1)
        return next((size for size in range(longest, 0, -1) if stop.startswith(text[-size:])), 0)
