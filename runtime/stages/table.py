"""The stages of a real run: for each its command, its specification and what to expect."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from planner.errors import BadInput
from planner.language import say
from planner.plan import Plan
from planner.planfile import loads, loads_telling
from planner.render import launch_command, train_config, train_extras, worker_environment
from runtime import replay_versions
from runtime.data.bundled import resolve_data
from runtime.engines.check import check
from runtime.engines.interface import Engine, engine
from runtime.engines.registry import link_of
from runtime.paths import PROJECT, models_folder
from runtime.run.environment import ON_HOST
from runtime.run.layout import RunFolder
from runtime.run.task import Committed, Easing, StageTask
from runtime.stages.after import export
from runtime.stages.asked import asked, usual_answer_tokens
from runtime.stages.easing import ease
from runtime.stages.preferences import MERGE_PROOFS
from runtime.stages.rehearsed import rehearsed

START = PROJECT / "runtime" / "workers" / "start.py"
TOLERANCE = 1e-4
"""Largest difference of logits that conversion and merging may make, in float32."""
HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MODELSCOPE_API_TOKEN", "AISTUDIO_ACCESS_TOKEN")
RESERVE_BYTES = 256 << 20
"""Disk that training leaves free beside two checkpoints: room for logs, and to breathe."""
IMPORT_SECONDS = 60.0
"""An engine's first import from a cold disk."""


def name_of_plan(text: str, where: str) -> str:
    """Return a plan's name; BadInput if the text is not a plan."""
    return loads(text, where).name


def build(run: RunFolder, text: str) -> PlanTable:
    """Return the table of a run whose plan file has this text."""
    return PlanTable(run, *loads_telling(text, str(run.plan)))


class PlanTable:
    """The stages that a plan asks for."""

    def __init__(self, run: RunFolder, plan: Plan, lacking: str = "") -> None:
        self.run = run
        self.plan = plan
        self.lacking = lacking
        """One line about what was filled in a plan that an earlier version saved."""

    @property
    def stages(self) -> tuple[str, ...]:
        """Their names, in order."""
        return self.plan.stages

    @property
    def machines(self) -> int:
        """On how many machines the run trains."""
        return self.plan.facts.hardware.nodes

    @property
    def devices(self) -> int:
        """How many devices each of them gives to training; 0 without any."""
        processes = int(str(self.plan.value("num_processes"))) // self.machines
        return processes if self.plan.facts.hardware.devices else 0

    @property
    def on_oom(self) -> str:
        """What to do when memory runs out: stop, ask or replan."""
        return str(self.plan.value("on_oom"))

    def ease(self, memory: str) -> Easing | None:
        """Return the next smaller plan after `memory` (device, host, evaluation) ran out."""
        return ease(self.plan, memory)

    def note_versions(self, done: Mapping[str, Committed]) -> None:
        """Write down what the run is made with, for `steersman replay`."""
        replay_versions.write(self.run, self.plan, done)

    def check(self) -> None:
        """Refuse to start with an engine that is absent or does not work here; quick once proven."""
        name, build = self._engine()
        report = check(name, build)
        if not report.ok:
            problem = next(iter(report.problems()), None)
            if problem is None:
                raise BadInput(
                    say("The engine {engine} ({build}) does not work here.", engine=name, build=build),
                    remedy=say("Run: steersman engines check {engine}", engine=name),
                )
            raise BadInput(problem.sentence, remedy=problem.remedy)

    def task(self, stage: str, done: Mapping[str, Committed]) -> StageTask:
        """Return one stage's task; see `runtime.run.task.Table`."""
        task = TASKS[stage](self, Done(done))
        return replace(task, newer_settings=True) if self.lacking else task

    def python(self) -> str:
        """Return the engine's interpreter, which `check` has found to be there and to work."""
        return str(link_of(*self._engine()) / "bin" / "python")

    def forecast_seconds(self, stage: str) -> float:
        """Return the forecast of a stage's wall time."""
        return float(self.plan.forecast.stage_seconds.get(stage, 0.0))

    @property
    def engine(self) -> Engine:
        """What runs the plan."""
        return engine(str(self.plan.value("engine")))

    def _engine(self) -> tuple[str, str]:
        return str(self.plan.value("engine")), str(self.plan.value("engine_build"))

    def places(self, done: Done) -> dict[str, str]:
        """Return what the paths in a specification are, for those whose place does not matter."""
        outputs = {
            output.path: f"<{stage}.{name}>"
            for stage, known in done.stages.items()
            for name, output in known.outputs.items()
        }
        return {**outputs, str(models_folder()): "<models>"}

    def app_task(self, stage: str, done: Done, inputs: dict[str, str], **spec: Any) -> StageTask:
        """Return the task of a stage that runs in the app's own environment."""
        folder = self.run.stage(stage)
        return StageTask(
            stage=stage,
            command=(sys.executable, "-m", f"runtime.stages.{stage}", str(folder.spec)),
            spec={"stage": stage, "stage_folder": str(folder.root), **spec},
            inputs=inputs,
            places=self.places(done),
            seconds=self.forecast_seconds(stage),
            silence_seconds=max(120.0, 5 * self.forecast_seconds(stage)),
            stop_seconds=15,
        )

    def engine_task(
        self,
        stage: str,
        done: Done,
        inputs: dict[str, str],
        *,
        files: dict[str, str] | None = None,
        proofs: tuple[str, ...] = (),
        disk_bytes: int = 0,
        on_host: bool = False,
        **spec: Any,
    ) -> StageTask:
        """Return the task of a stage that runs as one process inside the engine; see `ON_HOST`."""
        folder = self.run.stage(stage)
        return StageTask(
            stage=stage,
            command=(
                self.python(),
                str(START),
                self.engine.worker(self.plan.wishes.stage, stage),
                str(folder.spec),
            ),
            spec={"stage": stage, "stage_folder": str(folder.root), **spec},
            files=files or {},
            inputs=inputs,
            places=self.places(done),
            environment={
                **self.engine.environment,
                **worker_environment(self.plan, alone=stage != "preflight"),
                **(ON_HOST if on_host else {}),
            },
            inside_engine=True,
            proofs=proofs,
            seconds=self.forecast_seconds(stage),
            silence_seconds=IMPORT_SECONDS + max(120.0, 5 * self.forecast_seconds(stage)),
            stop_seconds=60,
            disk_bytes=disk_bytes,
        )


class Done:
    """Paths and digests of the proven stages; one that is not done yet (a dry run) gives a placeholder."""

    def __init__(self, done: Mapping[str, Committed]) -> None:
        self.stages = done

    def path(self, stage: str, output: str) -> str:
        """Return the path of an output, or `<stage.output>`."""
        return self.stages[stage].outputs[output].path if stage in self.stages else f"<{stage}.{output}>"

    def digests(self, *stages: str) -> dict[str, str]:
        """Return `stage.output` -> digest of every output of these stages."""
        known = [(stage, self.stages[stage]) for stage in stages if stage in self.stages]
        return {f"{stage}.{name}": out.digest for stage, done in known for name, out in done.outputs.items()}


def acquire(table: PlanTable, done: Done) -> StageTask:
    """Fetch the model, or find it in the cache. The only stage that may see a hub's token."""
    source = table.plan.facts.model.source.model_dump(mode="json")
    if source["kind"] == "local":
        source["id"] = str((table.run.started_in() / source["id"]).expanduser())
    task = table.app_task("acquire", done, {}, source=source, models_folder=str(models_folder()))
    return StageTask(**{**task.__dict__, "secrets": HUB_TOKENS})


def convert(table: PlanTable, done: Done) -> StageTask:
    """Turn the Hugging Face folder into the engine's format, in the cache, named after its contents."""
    inputs = done.digests("acquire")
    content = inputs.get("acquire.model", "<digest>")[:12]
    name = PurePath(table.plan.facts.model.name).name
    return table.engine_task(
        "convert",
        done,
        inputs,
        on_host=True,
        proofs=("convert.logits",),
        source_folder=done.path("acquire", "model"),
        destination=str(models_folder() / table.engine.name / f"{name}-{content}"),
        tolerance=TOLERANCE,
    )


def prepare(table: PlanTable, done: Done) -> StageTask:
    """Validate, split and write the data."""
    plan, data = table.plan, table.plan.facts.data
    path = table.run.started_in() / data.path
    return table.app_task(
        "prepare",
        done,
        done.digests("acquire"),
        data=str(path if path.exists() else resolve_data(data.path)),
        model_folder=done.path("acquire", "model"),
        max_length=plan.value("max_length"),
        src_length=plan.value("src_length"),
        seed=plan.value("seed"),
        dev_fraction=data.dev_rows / (data.train_rows + data.dev_rows),
        destination=str(table.run.stage("prepare").root / "data"),
        fingerprint=data.fingerprint,
        **({"layout": plan.value("dataset_type")} if table.engine.toolkit_rows else {}),
    )


def preflight(table: PlanTable, done: Done) -> StageTask:
    """Do a few real steps, with as many processes as training, and measure time and memory."""
    stage, processes = table.run.stage("preflight"), int(str(table.plan.value("num_processes")))
    folder = stage.root
    task = table.engine_task(
        "preflight",
        done,
        done.digests("convert", "prepare"),
        files={table.engine.config: config(table, done, str(folder / "output"))},
        config=str(folder / table.engine.config),
        processes=processes,
        processes_here=processes // table.machines,
        train=extras(table, tracker="none"),
    )
    if processes > 1:
        files = str(stage.spec), str(stage.launch)
        command = launch_command(table.plan, table.python(), str(START), *files, "preflight")
        task = replace(task, command=tuple(command), machines=table.machines, devices=table.devices)
    if not table.plan.value("rehearsal") or table.machines > 1:
        return task
    merges = merge(table, done) if "merge" in table.plan.stages else None
    on_device = bool(table.plan.facts.hardware.devices)
    worker = train(table, done)
    return rehearsed(task, worker, merges, python=table.python(), start=str(START), on_device=on_device)


def train(table: PlanTable, done: Done) -> StageTask:
    """Train, through Paddle's launcher whatever the number of processes."""
    plan, folder = table.plan, table.run.stage("train")
    step = plan.forecast.step_seconds
    tracker = str(plan.value("tracker"))
    command = launch_command(plan, table.python(), str(START), str(folder.spec), str(folder.launch))
    return StageTask(
        stage="train",
        command=tuple(command),
        spec={
            "stage": "train",
            "stage_folder": str(folder.root),
            "config": str(folder.root / table.engine.config),
            "processes": plan.value("num_processes"),
            "extras": extras(table, tracker=tracker),
        },
        files={table.engine.config: config(table, done, str(folder.root / "output"))},
        inputs=done.digests("convert", "prepare"),
        places=table.places(done),
        environment={**table.engine.environment, **worker_environment(plan)},
        secrets=("SWANLAB_API_KEY",) if tracker == "swanlab-cloud" else (),
        inside_engine=True,
        machines=table.machines,
        devices=table.devices,
        seconds=table.forecast_seconds("train"),
        silence_seconds=IMPORT_SECONDS + max(240.0, 20 * step),
        stop_seconds=max(600.0, 10 * step),
        disk_bytes=plan.forecast.disk_bytes // 2,
        reserve_bytes=RESERVE_BYTES,
    )


def merge(table: PlanTable, done: Done) -> StageTask:
    """Merge what was trained into a standard Hugging Face folder."""
    plan = table.plan
    key, output = ("trained_model", "model") if plan.value("method") == "full" else ("adapter", "adapter")
    trained: dict[str, Any] = {key: done.path("train", output)}
    return table.engine_task(
        "merge",
        done,
        done.digests("acquire", "convert", "train"),
        on_host=True,
        proofs=MERGE_PROOFS.get(plan.wishes.stage, ("merge.logits", "merge.tokens")),
        disk_bytes=5 * plan.facts.model.parameters,
        base=done.path("convert", "model"),
        hf_folder=done.path("acquire", "model"),
        destination=str(table.run.stage("merge").root / "model"),
        tolerance=TOLERANCE,
        **trained,
    )


def generate(table: PlanTable, done: Done) -> StageTask:
    """Let the base model and the tuned one answer the same held-out prompts; score what has a reference."""
    wanted = asked(table.plan, table.run, done.path("prepare", "data"))
    return table.engine_task(
        "generate",
        done,
        done.digests("convert", "merge", "prepare"),
        proofs=wanted.proofs,
        base=done.path("convert", "model"),
        model=done.path("merge", "model"),
        max_new_tokens=table.plan.value("max_new_tokens"),
        usual_answer_tokens=usual_answer_tokens(table.plan),
        **wanted.spec,
    )


def report(table: PlanTable, done: Done) -> StageTask:
    """Sum up. Depends on when each stage was proven: a stage that was redone has new figures."""
    earlier = [stage for stage in table.stages if stage != "report"]
    commits = {stage: f"{done.stages[stage].t:.3f}" for stage in earlier if stage in done.stages}
    return table.app_task(
        "report",
        done,
        done.digests(*earlier),
        run_folder=str(table.run.root),
        plan=str(table.run.plan),
        commits=commits,
    )


def config(table: PlanTable, done: Done, output_dir: str) -> str:
    """Return the toolkit's own config file."""
    model, data = done.path("convert", "model"), done.path("prepare", "data")
    return train_config(table.plan, model=model, data=data, output_dir=output_dir)


def extras(table: PlanTable, tracker: str) -> dict[str, Any]:
    """Return what the worker needs beyond the toolkit's config."""
    folder = str(table.run.root / "tracker")
    given = {**train_extras(table.plan), "tracker": tracker, "tracker_folder": folder}
    if table.engine.toolkit_rows:
        given["src_length"] = table.plan.value("src_length")
    return given


TASKS: dict[str, Callable[[PlanTable, Done], StageTask]] = {
    "acquire": acquire,
    "convert": convert,
    "prepare": prepare,
    "preflight": preflight,
    "train": train,
    "merge": merge,
    "generate": generate,
    "export": export,
    "report": report,
}
