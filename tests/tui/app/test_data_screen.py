"""The data screen: rows with their loss mask, lengths against max_length, findings, facts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from textual.pilot import Pilot

from planner.facts import DataFacts, ModelSource
from planner.language import use_everywhere
from planner.plan import Plan
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime.data.findings import KINDS
from runtime.data.fixes import FIXES
from runtime.data.scan import scan
from tests.planner.scenes import facts
from tests.tui.app.pilot import screen_text, text_of, until
from tui.app.application import SteersmanApp
from tui.app.screens.data import DataScreen
from tui.app.widgets.data_facts import DataFactsPart
from tui.app.widgets.findings_list import FindingKind
from tui.app.widgets.histogram import Histogram
from tui.app.widgets.refusal_block import RefusalBlock
from tui.app.widgets.token_view import TokenView

pytestmark = pytest.mark.asyncio

SIZES = [(80, 24), (160, 50)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


def planned(data: DataFacts, model: Path, **pins: Any) -> Plan:
    """A plan for real data and a real tokenizer."""
    known = facts("smollm2-135m-instruct", data)
    source = ModelSource(kind="local", id=str(model), revision=None, sha256=None)
    changed = known.model_copy(update={"model": known.model.model_copy(update={"source": source})})
    return make_plan(changed, Wishes(pins=pins))


def demo(model: Path) -> Plan:
    return planned(scan("steersman-demo", model).facts, model, max_length=512)


def broken(model: Path, folder: Path) -> Plan:
    """Rows of which some cannot be used, one is too long, and most are well."""
    talk = [("讲个笑话", "从前有座山，\n山里有座庙。"), ("say on", "and on " * 80)]
    rows: list[Any] = [
        {"messages": [{"role": "user", "content": ask}, {"role": "assistant", "content": say}]}
        for ask, say in [*talk, *((f"What is {n}+{n}?", f"It is {2 * n}.") for n in range(40))]
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    lines.insert(2, "{oops")
    lines.insert(3, json.dumps({"messages": [{"role": "user", "content": "hi"}]}))
    file = folder / "broken.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return planned(scan(str(file), model).facts, model, max_length=160, src_length=80)


@asynccontextmanager
async def looking(plan: Plan, size: tuple[int, int]) -> AsyncIterator[tuple[Pilot[Any], DataScreen]]:
    """Open the data of a plan, and wait until all of it is read."""
    app = SteersmanApp()
    async with app.run_test(size=size) as pilot:
        app.open_data(plan)
        await until(pilot, lambda: isinstance(app.screen, DataScreen) and not app.work.jobs)
        screen = cast(DataScreen, app.screen)
        await until(pilot, lambda: screen.found or screen.refused)
        yield pilot, screen


@pytest.mark.parametrize("size", SIZES)
async def test_rows_of_the_demo_one_by_one(size: tuple[int, int], tiny_hf_model: Path) -> None:
    async with looking(demo(tiny_hf_model), size) as (pilot, screen):
        view = screen.query_one(TokenView)
        shown = text_of(view)
        assert "<|im_start|>user" in shown and "»" in shown and "«" in shown
        assert "1 of the first 100" in screen_text(pilot)
        first = view.row
        await pilot.press("n")
        assert view.row is screen.rows[1] and "2 of the first 100" in screen_text(pilot)
        await pilot.press("p")
        assert view.row is first
        await pilot.press("p")
        assert view.row is screen.rows[-1]


async def test_marks_stand_around_what_is_trained(tiny_hf_model: Path) -> None:
    async with looking(demo(tiny_hf_model), (160, 50)) as (_, screen):
        view = screen.query_one(TokenView)
        assert view.row is not None
        text = view._text()
        for part in text.plain.replace("↵", "").split("»")[1:]:
            answer, _, rest = part.partition("«")
            assert answer.rstrip("\n").endswith("<|im_end|>")
            assert "»" not in rest
        _, answer = view.row.sample.parts[0]
        assert answer.split("<|im_end|>")[0] in text.plain
        underlined = {
            text.plain[at]
            for span in text.spans
            if span.style.underline
            for at in range(span.start, span.end)  # type: ignore[union-attr]
        }
        assert set(answer.split("<|im_end|>")[0]) <= underlined


@pytest.mark.parametrize("size", SIZES)
async def test_lengths_stand_against_max_length(
    size: tuple[int, int], tiny_hf_model: Path, tmp_path: Path
) -> None:
    async with looking(broken(tiny_hf_model, tmp_path), size) as (_, screen):
        histogram = screen.query_one(Histogram)
        assert screen.found is not None
        assert histogram.longer == screen.found.uncut.longer_than(160) == 1
        assert sum(rows for _, _, rows in histogram.buckets) == 42
        from rich.console import Console

        console = Console(width=80, record=True, quiet=False)
        with console.capture() as captured:
            console.print(histogram.render())
        drawn = captured.get()
        assert "1 row is longer than 160 tokens and cut." in drawn
        assert drawn.index("█") < drawn.index("max_length 160") < drawn.index("▒")


async def test_what_is_cut_off_is_marked(tiny_hf_model: Path, tmp_path: Path) -> None:
    async with looking(broken(tiny_hf_model, tmp_path), (160, 50)) as (pilot, screen):
        await pilot.press("n")
        shown = text_of(screen.query_one(TokenView))
        assert "✂ cut off" in shown and "«✂" in shown.replace("« ✂", "«✂")
        assert "of 160 tokens trained" in shown


@pytest.mark.parametrize("size", SIZES)
async def test_findings_say_what_is_done_and_what_to_do(
    size: tuple[int, int], tiny_hf_model: Path, tmp_path: Path
) -> None:
    async with looking(broken(tiny_hf_model, tmp_path), size) as (pilot, screen):
        await pilot.press("f")
        kind = screen.focused
        assert isinstance(kind, FindingKind)
        assert {one.findings[0].code for one in screen.query(FindingKind)} >= {
            "row.unreadable",
            "answer.missing",
            "length.answer_cut",
        }
        await pilot.press("enter")
        await pilot.pause()
        shown = " ".join(text_of(kind).split())
        assert "✗ error 1 × the line is not JSON → row dropped" in shown
        assert "What to do: Write the row as one JSON object" in shown and "broken.jsonl row 3" in shown


async def test_every_kind_of_finding_has_a_way_out() -> None:
    assert set(FIXES) == set(KINDS)


async def test_rows_held_out_say_so(tiny_hf_model: Path, tmp_path: Path) -> None:
    async with looking(broken(tiny_hf_model, tmp_path), (160, 50)) as (pilot, screen):
        assert screen.found is not None
        held_out = []
        for _ in screen.rows:
            held_out.append("held out" in text_of(screen.query_one(TokenView)))
            await pilot.press("n")
        assert sum(held_out) == screen.found.facts.dev_rows


async def test_data_that_was_described_cannot_be_looked_at(tiny_hf_model: Path) -> None:
    described = scan("steersman-demo", tiny_hf_model).facts.model_copy(update={"typed": True})
    async with looking(planned(described, tiny_hf_model), (80, 24)) as (pilot, screen):
        shown = " ".join(text_of(screen.query_one(RefusalBlock)).split())
        assert "was described" in shown and "What to do" in shown
        page = screen_text(pilot)
        assert "being counted" not in page and "being read" not in page and "will stand here" not in page, (
            "nothing of it will come"
        )
        assert page.count("Not all rows were read.") == 2, "for the lengths, and for the findings"
        assert "c copies the details." in page and "Nothing was changed" not in page
        facts = text_of(screen.query_one(DataFactsPart))
        assert "described, not read" in facts and "Duplicates" not in facts and "Layout" not in facts
        screen.set_focus(None)
        await pilot.press("c")
        assert "was described" in pilot.app.clipboard
        await pilot.press("escape")
        assert pilot.app.screen is not screen


async def test_in_one_column_the_next_row_comes_into_sight(tiny_hf_model: Path, tmp_path: Path) -> None:
    async with looking(broken(tiny_hf_model, tmp_path), (60, 20)) as (pilot, screen):
        assert "Row 1 of" in screen_text(pilot), "it opens at its beginning"
        await pilot.press("end")
        assert "Per row" in screen_text(pilot) and "Row 1 of" not in screen_text(pilot)
        await pilot.press("n")
        await until(pilot, lambda: "Row 2 of" in screen_text(pilot))
        row = screen.query_one("#row-scroll")
        assert row.max_scroll_y > 0 == row.scroll_offset.y, "it is a long one"
        await pilot.press("end")
        assert row.scroll_offset.y == row.max_scroll_y and "Row 2 of" in screen_text(pilot)
        await pilot.press("end")
        assert "Row 2 of" not in screen_text(pilot)
        await pilot.press("home", "home")
        assert "Row 2 of" in screen_text(pilot)


async def test_data_that_is_gone_is_said_in_a_sentence(tiny_hf_model: Path, tmp_path: Path) -> None:
    plan = broken(tiny_hf_model, tmp_path)
    (tmp_path / "broken.jsonl").unlink()
    async with looking(plan, (80, 24)) as (_, screen):
        assert screen.refused is not None and "broken.jsonl" in screen.refused.error.sentence()


async def test_data_beside_the_plan_is_found_from_any_folder(tiny_hf_model: Path, tmp_path: Path) -> None:
    broken(tiny_hf_model, tmp_path)
    found = scan(str(tmp_path / "broken.jsonl"), tiny_hf_model).facts.model_copy(
        update={"path": "broken.jsonl"}
    )
    plan = planned(found, tiny_hf_model)
    app = SteersmanApp()
    async with app.run_test(size=(100, 40)) as pilot:
        app.desk.put(plan, tmp_path / "plan.yaml")
        app.open_data(plan)
        await until(pilot, lambda: isinstance(app.screen, DataScreen) and not app.work.jobs)
        screen = cast(DataScreen, app.screen)
        await until(pilot, lambda: screen.found or screen.refused)
        assert screen.refused is None and screen.rows


async def test_it_speaks_chinese_and_keeps_the_row(tiny_hf_model: Path, tmp_path: Path) -> None:
    async with looking(broken(tiny_hf_model, tmp_path), (160, 50)) as (pilot, screen):
        try:
            await pilot.press("n")
            cast(SteersmanApp, pilot.app).speak("zh")
            await until(pilot, lambda: "每行" in screen_text(pilot))
            await until(pilot, lambda: screen.query_one(TokenView).row is screen.rows[1])
            strips = screen._compositor.render_strips(pilot.app.size)
            assert {strip.cell_length for strip in strips} == {160}
        finally:
            use_everywhere("en")


def judged(kind: str, folder: Path) -> Path:
    """Write pairs, judged answers or plain texts."""
    rows: list[Any] = []
    for n in range(40):
        pair = {"prompt": f"What is {n}+{n}?", "chosen": f"It is {2 * n}.", "rejected": f"No idea {n}."}
        label = {"prompt": pair["prompt"], "completion": pair["chosen"], "label": bool(n % 2)}
        text = {"text": f"Two times {n} is {2 * n}."}
        passages = {"query": f"two times {n}", "positive": text["text"], "negative": f"Rain on day {n}."}
        rows.append({"pairs": pair, "labels": label, "texts": text, "passages": passages}[kind])
    file = folder / f"{kind}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


async def test_chosen_and_rejected_answers_stand_under_their_names(
    tiny_hf_model: Path, tmp_path: Path
) -> None:
    data = scan(str(judged("pairs", tmp_path)), tiny_hf_model).facts
    async with looking(planned(data, tiny_hf_model), (100, 40)) as (_, screen):
        view = screen.query_one(TokenView)
        shown = text_of(view)
        assert "two answers" in shown and "to be avoided" in shown
        lines = [line.strip() for line in shown.splitlines()]
        chosen, rejected = lines.index("▲ chosen"), lines.index("▼ rejected")
        assert chosen < rejected
        assert lines[chosen + 1].startswith("»It is ") and lines[rejected + 1].startswith("»No idea ")
        assert "«" in "".join(lines[chosen:rejected]), "the better answer ends before the worse one begins"


async def test_of_a_query_and_its_passages_nothing_is_said_to_be_written(
    tiny_hf_model: Path, tmp_path: Path
) -> None:
    data = scan(str(judged("passages", tmp_path)), tiny_hf_model).facts
    async with looking(planned(data, tiny_hf_model), (100, 40)) as (_, screen):
        shown = text_of(screen.query_one(TokenView))
        assert "each made into a vector" in shown and "»" not in shown and "trained" not in shown
        lines = [line.strip() for line in shown.splitlines()]
        for head, text in (("query", "two times "), ("▲ passage that answers it", "Two times ")):
            assert lines[lines.index(head) + 1].startswith(text)
        assert lines[lines.index("another passage") + 1].startswith("Rain on day ")


@pytest.mark.parametrize(("kind", "words"), [("labels", "▼ judged bad"), ("texts", "plain text")])
async def test_judged_answers_and_plain_texts_say_what_they_are(
    kind: str, words: str, tiny_hf_model: Path, tmp_path: Path
) -> None:
    data = scan(str(judged(kind, tmp_path)), tiny_hf_model).facts
    async with looking(planned(data, tiny_hf_model), (100, 40)) as (pilot, screen):
        view = screen.query_one(TokenView)
        assert words in text_of(view)
        if kind == "labels":
            await pilot.press("n")
            assert "▲ judged good" in text_of(view)
