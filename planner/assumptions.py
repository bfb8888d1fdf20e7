"""What a forecast takes for granted, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from planner import pace, speed
from planner.budget import start_seconds
from planner.language import say
from planner.phrases import MIB, duration, plural, size
from planner.situation import Situation
from planner.stage_times import BYTES_PER_SECOND


def assumptions(s: Situation, host_bytes: int, train_seconds: float) -> tuple[str, ...]:
    """Return what the forecast takes for granted; `host_bytes` of RAM are needed on a node, and training
    takes `train_seconds`."""
    return (
        speed_assumption(s),
        *of_measurements(s),
        *of_data(s),
        *of_machine(s, host_bytes),
        *of_time(s, train_seconds),
    )


def speed_assumption(s: Situation) -> str:
    """Return where the speed comes from."""
    if s.on_gpu and speed.peak_is_assumed(s.hardware, s.word("precision")):
        return say(
            "No computing speed of {device} is public: {tflops:.0f} TFLOP/s are assumed, so times may be "
            "several times off until a run on it was measured.",
            device=s.hardware.devices[0].name,
            tflops=speed.ASSUMED_PEAK / 1e12,
        )
    if s.on_gpu:
        return say(
            "Speed comes from published peaks and utilisation, not from a measurement on this machine."
        )
    return say(
        "Speed on the CPU is scaled from a measurement: 233 tokens/s at 135M weights on two AMD EPYC cores."
    )


def of_measurements(s: Situation) -> Iterator[str]:
    """Yield what corrects the forecast, if anything does."""
    calibration = s.facts.calibration
    if calibration is not None:
        yield calibration.because or say(
            "Corrected by {runs} on this machine: memory x {memory:.2f}, speed x {speed:.2f}.",
            runs=plural(calibration.runs, "measured run"),
            memory=calibration.memory_ratio,
            speed=calibration.speed_ratio,
        )


def of_data(s: Situation) -> Iterator[str]:
    """Yield what is not known of the data and the download."""
    if not s.data.lengths.counted and not s.data.typed:
        yield say("Token lengths are estimated from characters.")
    if s.wishes.stage == "kto":
        yield say(
            "KTO reads every row with another row's answer beside it, so rows count {tokens:.0f} tokens "
            "on average instead of {plain:.0f}.",
            tokens=s.data.lengths.mean,
            plain=s.facts.data.lengths.mean,
        )
    if s.data.typed:
        yield say("The data was described, not scanned: rows and lengths are taken as given.")
    if s.model.source.kind != "local":
        yield say(
            "Downloads run at {speed} MiB/s; what is cached already takes no time.",
            speed=BYTES_PER_SECOND // MIB,
        )


def of_machine(s: Situation, host_bytes: int) -> Iterator[str]:
    """Yield what was not said of the machine and its network."""
    if s.hardware.origin == "typed":
        yield say(
            "The hardware was described, not probed: disk, host memory and driver are assumed to suffice."
        )
    if s.hardware.memory_assumed and host_bytes > s.hardware.memory_bytes:
        yield say(
            "Check the host memory: a machine needs {needed}, and you named none (add `1024g ram` to the "
            "description).",
            needed=size(host_bytes),
        )
    if s.hardware.nodes > 1 and s.hardware.network_gbit is None:
        network = speed.cluster(s.hardware, s.word("precision")).network
        yield say(
            "The network between machines was not named: {gbit:.0f} Gbit/s are assumed.",
            gbit=network * 8 / 1e9 * max(1, s.hardware.device_count // s.hardware.nodes),
        )


def of_time(s: Situation, train_seconds: float) -> Iterator[str]:
    """Yield how far off the time may be, and a limit that it does not keep."""
    limit = s.wishes.time_limit_minutes
    if limit is not None and train_seconds > limit * 60:
        fixed = s.wishes.pins.keys() & {"max_steps", "num_train_epochs"}
        yield say(
            "Training takes longer than your limit of {limit:g} min: {why}",
            limit=limit,
            why=say("you fixed how long it is.") if fixed else say("it cannot be shorter than one step."),
        )
    low, high = pace.time_range(s)
    yield say("Training may take between {low:.0%} and {high:.0%} of the time named.", low=low, high=high)
    yield say(
        "The range of the whole run is that of training: the other stages stand in it with one figure each, "
        "and take half as long on an idle machine, and twice as long on a busy one or over a slow network."
    )
    yield say(
        "Starting processes and loading the model takes {time} of the training time.",
        time=duration(start_seconds(s)),
    )
