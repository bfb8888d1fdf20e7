"""The model card of a run's result: README.md with the hubs' metadata, written from plan and journal.

Data are described and never quoted. Answers before and after are quoted only for prompts that are no rows of
the data: a person's own file of test prompts, or the bundled ones.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from planner.language import say
from planner.methods import methods
from planner.model_catalogue import find_model
from planner.phrases import count, duration, machine, parameters, size
from planner.plan import Plan
from runtime.acquire.hubs import HUBS
from runtime.data.bundled import bundled_names
from runtime.quantisation import before_and_after
from runtime.run.layout import RunFolder
from runtime.run.view import RunView
from runtime.stages.measured import losses, question, samples
from runtime.stages.report_content import METHOD_NAMES, summary

MOST_SAMPLES = 3
LONGEST_SAMPLE = 600
"""Characters of an answer that a card shows."""

HYPERPARAMETERS = (
    "method",
    "lora_rank",
    "lora_alpha",
    "lora_dropout",
    "lora_target_modules",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "num_processes",
    "max_length",
    "zero_padding",
    "precision",
    "optim",
    "seed",
)
LORA_ONLY = ("lora_rank", "lora_alpha", "lora_dropout", "lora_target_modules")


def card(run: RunFolder, plan: Plan, view: RunView, repository: str) -> str:
    """Return the model card as Markdown with a YAML head."""
    title = repository.rpartition("/")[2]
    parts = [
        "---\n" + yaml.safe_dump(head(plan), sort_keys=False, allow_unicode=True) + "---",
        f"# {title}",
        summary(plan),
        section(say("Base model"), base_model(plan)),
        section(say("Data"), data(plan)),
        section(say("Training"), training(plan)),
        section(say("Figures"), "\n".join(filter(None, (figures(view), few_bits(run))))),
        section(say("Answers before and after"), quoted(run, plan, view)),
        section(say("How to load it"), loading(repository)),
        section(say("Proofs"), proofs(view)),
        say("Made with Steersman {version}.", version=plan.steersman),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def section(title: str, text: str) -> str:
    """Return a section; nothing for an empty one."""
    return f"## {title}\n\n{text}" if text else ""


def head(plan: Plan) -> dict[str, Any]:
    """Return the metadata that the hubs read."""
    found: dict[str, Any] = {"license": license_of(plan).lower()}
    if plan.facts.model.source.kind in HUBS:
        found["base_model"] = plan.facts.model.source.id
    method = str(plan.value("method"))
    tags = ["steersman", str(plan.value("engine")), plan.wishes.stage, method]
    return found | {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": list(dict.fromkeys(tags)),
    }


def license_of(plan: Plan) -> str:
    """Return the base model's licence as the catalogue knows it; `other` when it does not."""
    known = find_model(plan.facts.model.name)
    return known.license if known is not None else "other"


def base_model(plan: Plan) -> str:
    """Say what was trained, and under which licence that stands."""
    model = plan.facts.model
    name = model.source.id if model.source.kind in HUBS else model.name
    said = say(
        "{name}, {parameters} parameters, architecture {kind}.",
        name=name,
        parameters=parameters(model.parameters),
        kind=model.model_type,
    )
    known = license_of(plan)
    if known == "other":
        return (
            said
            + " "
            + say("Its licence is not known to Steersman: look it up before you pass the model on.")
        )
    return said + " " + say("Licence: {license}, which holds for this model too.", license=known)


def data(plan: Plan) -> str:
    """Describe the data without quoting them, and without the folder they lie in."""
    facts = plan.facts.data
    return say(
        "{rows} rows for training and {dev} for evaluation ({layout}), {tokens} tokens on average.",
        rows=count(facts.train_rows),
        dev=count(facts.dev_rows),
        layout=facts.format,
        tokens=f"{facts.lengths.mean:.0f}",
    )


def training(plan: Plan) -> str:
    """Return method and hyperparameters as a table."""
    method = str(plan.value("method"))
    adapter = methods()[method].adapter
    lines = [f"| {say('setting')} | {say('value')} |", "|---|---|"]
    for name in HYPERPARAMETERS:
        if name in LORA_ONLY and not adapter:
            continue
        value = plan.value(name)
        shown = METHOD_NAMES.get(method, method) if name == "method" else str(value)
        lines.append(f"| `{name}` | {shown} |")
    return "\n".join([say("On {machine}.", machine=machine(plan.facts.hardware)), "", *lines])


def figures(view: RunView) -> str:
    """Return what was measured, as a list."""
    loss, train = losses(view), view.stage("train").figures
    found = []
    if "first" in loss:
        found.append(say("Training loss: {first:.3f} → {last:.3f}", first=loss["first"], last=loss["last"]))
    if "eval_last" in loss:
        found.append(
            say(
                "Loss on held-out rows: {first:.3f} → {last:.3f}",
                first=loss["eval_first"],
                last=loss["eval_last"],
            )
        )
    if train.get("train_seconds"):
        found.append(say("Time of training: {time}", time=duration(float(train["train_seconds"]))))
    if train.get("peak_memory_bytes"):
        found.append(say("Peak memory: {memory}", memory=size(int(train["peak_memory_bytes"]))))
    answered = view.stage("generate").figures
    for name, title in (("bleu4", "BLEU-4"), ("rouge1", "ROUGE-1"), ("rougeL", "ROUGE-L")):
        if f"base_{name}" in answered:
            found.append(
                say(
                    "{title} on held-out answers: {before:.3f} → {after:.3f}",
                    title=title,
                    before=answered[f"base_{name}"],
                    after=answered[f"tuned_{name}"],
                )
            )
    return "\n".join(f"- {line}" for line in found)


def few_bits(run: RunFolder) -> str:
    """Return what `steersman quantise` has measured, as a list."""
    files = sorted((run.root / "quantise").glob("accuracy-*.json"))
    return "\n".join(f"- {before_and_after(json.loads(path.read_text(encoding='utf-8')))}" for path in files)


def quotable(plan: Plan) -> bool:
    """Return whether the prompts of the generate stage are no rows of the data."""
    return plan.wishes.test_prompts is not None or plan.facts.data.path in bundled_names()


def quoted(run: RunFolder, plan: Plan, view: RunView) -> str:
    """Return a few answers before and after."""
    if not quotable(plan):
        return ""
    blocks = []
    for sample in samples(run, view)[:MOST_SAMPLES]:
        lines = [
            f"**{question(sample)}**",
            f"- {say('before')}: {shortened(str(sample.get('base', '')))}",
            f"- {say('after')}: {shortened(str(sample.get('tuned', '')))}",
        ]
        blocks.append("\n\n".join((lines[0], "\n".join(lines[1:]))))
    return "\n\n".join(blocks)


def shortened(text: str) -> str:
    """Return an answer on one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_SAMPLE else line[:LONGEST_SAMPLE].rstrip() + " …"


def loading(repository: str) -> str:
    """Return code that loads the model."""
    return "\n".join(
        (
            "```python",
            "from transformers import AutoModelForCausalLM, AutoTokenizer",
            "",
            f'tokenizer = AutoTokenizer.from_pretrained("{repository}")',
            f'model = AutoModelForCausalLM.from_pretrained("{repository}")',
            "```",
            "",
            say("PaddleNLP loads it with `convert_from_torch=True`."),
        )
    )


def proofs(view: RunView) -> str:
    """Return the proofs that hold."""
    found = [
        proof.sentence for stage in view.stages.values() for proof in stage.proofs.values() if proof.passed
    ]
    return "\n".join(f"- {sentence}" for sentence in found)
