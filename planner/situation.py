"""What a rule sees: the facts, the wishes, and what has been decided so far."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from planner.facts import DataFacts, Facts, HardwareFacts, ModelFacts
from planner.plan import Decision
from planner.wishes import Value, Wishes


def with_second_answers(data: DataFacts) -> DataFacts:
    """Return the data's facts with another row's answer beside every answer, which KTO measures against.

    The longest row stays as it is: beside it the worker puts an answer that fits, or the beginning of one.
    """
    lengths = data.lengths
    more = lengths.answer_total / data.train_rows
    longer = {name: min(round(getattr(lengths, name) + more), lengths.max) for name in ("p50", "p90", "p99")}
    mean = round(lengths.mean + more, 1)
    total = lengths.total + lengths.answer_total
    lengths = lengths.model_copy(update={**longer, "mean": mean, "total": total})
    return data.model_copy(update={"lengths": lengths})


@dataclass
class Situation:
    """Facts and wishes, plus the decisions of the rules that ran before. Rules read it and never change
    it."""

    facts: Facts
    wishes: Wishes
    decisions: dict[str, Decision] = field(default_factory=dict)
    memo: dict[Hashable, object] = field(default_factory=dict, compare=False, repr=False)
    """What was computed already, by everything it depends on besides the facts and the wishes' goal."""

    @property
    def model(self) -> ModelFacts:
        """The model's facts."""
        return self.facts.model

    @property
    def data(self) -> DataFacts:
        """The data's facts, as long as training reads its rows: KTO reads each one with a second answer."""
        if self.wishes.stage != "kto":
            return self.facts.data
        if "kto data" not in self.memo:
            self.memo["kto data"] = with_second_answers(self.facts.data)
        found = self.memo["kto data"]
        assert isinstance(found, DataFacts)
        return found

    @property
    def hardware(self) -> HardwareFacts:
        """The hardware's facts."""
        return self.facts.hardware

    @property
    def on_gpu(self) -> bool:
        """Whether training runs on accelerators."""
        return bool(self.hardware.devices) and self.pin("engine_build") != "cpu"

    @property
    def device(self) -> str:
        """`gpu` or `cpu`."""
        return "gpu" if self.on_gpu else "cpu"

    @property
    def workers(self) -> int:
        """Training processes that the hardware offers: devices, or physical cores, over all nodes."""
        if self.on_gpu:
            return self.hardware.device_count
        return self.hardware.cpu.cores * self.hardware.nodes

    def trying(self, **values: Value) -> Situation:
        """Return this situation with settings decided on trial; it shares what was computed."""
        tried = {
            name: Decision(value=value, because="", rule="", source="") for name, value in values.items()
        }
        return replace(self, decisions={**self.decisions, **tried})

    def known(self, setting: str, otherwise: Value) -> Value:
        """Return the decided or pinned value; `otherwise` when nobody has spoken yet."""
        if setting in self.decisions or setting in self.wishes.pins:
            return self.get(setting)
        return otherwise

    def known_whole(self, setting: str, otherwise: int) -> int:
        """Return the same for a whole number."""
        value = self.known(setting, otherwise)
        assert isinstance(value, int)
        return value

    def pin(self, setting: str) -> Value | None:
        """Return the value that the person fixed, if any."""
        return self.wishes.pins.get(setting)

    def get(self, setting: str) -> Value:
        """Return the decided or pinned value; KeyError when a rule asks before its turn."""
        if setting in self.decisions:
            return self.decisions[setting].value
        return self.wishes.pins[setting]

    def whole(self, setting: str) -> int:
        """Return a decided whole number."""
        value = self.get(setting)
        assert isinstance(value, int)
        return value

    def number(self, setting: str) -> float:
        """Return a decided number."""
        value = self.get(setting)
        assert isinstance(value, int | float)
        return float(value)

    def flag(self, setting: str) -> bool:
        """Return a decided switch."""
        return bool(self.get(setting))

    def word(self, setting: str) -> str:
        """Return a decided word."""
        return str(self.get(setting))

    def pinned_whole(self, setting: str) -> int | None:
        """Return a pinned whole number, if any."""
        value = self.pin(setting)
        return value if isinstance(value, int) and not isinstance(value, bool) else None
