"""Nothing holds the event loop for long: messages give way, pages come in parts, garbage waits."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest
from rich.segment import Segment
from textual._compositor import Compositor
from textual._styles_cache import StylesCache
from textual.cache import FIFOCache
from textual.color import Color
from textual.dom import DOMNode
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from planner.language import use_everywhere
from tests.tui.app.pilot import until
from tests.tui.app.plan_pages import is_there, reading, small
from tests.tui.app.replay import Replay
from tui.app import pauses
from tui.app.application import SteersmanApp
from tui.app.pauses import REST_SECONDS, Collector
from tui.app.restyling import NODES_AT_ONCE
from tui.app.screens.plan import PlanScreen
from tui.app.screens.run import RunScreen
from tui.app.sheets import Sheets
from tui.app.tuning import breathing
from tui.app.tuning.lean_lines import make_lines_lean
from tui.app.tuning.leftovers import let_go
from tui.app.widgets.decision_groups import Fold
from tui.app.widgets.decision_row import DecisionRow
from tui.app.widgets.decision_tree import BATCH_ROWS, DecisionTree


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class Errand(Message):
    """Something to do."""


class Busy(Widget):
    """Does many errands, and remembers how many turns others had before each."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.seen: list[int] = []

    def on_errand(self, message: Errand) -> None:
        self.seen.append(self.turns)

    async def others(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_others_have_a_turn_between_the_messages_of_a_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breathing, "TURN_SECONDS", 0.0)
    async with SteersmanApp().run_test() as pilot:
        busy = Busy()
        await pilot.app.screen.mount(busy)
        others = asyncio.create_task(busy.others())
        for _ in range(20):
            busy.post_message(Errand())
        await until(pilot, lambda: len(busy.seen) == 20)
        others.cancel()
        assert len(set(busy.seen)) == 20, "no two messages came in one turn of the event loop"


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_the_rows_of_a_plan_come_in_batches(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    mount_all = DecisionTree.mount_all

    def counted(self: DecisionTree, widgets: Any, **where: Any) -> Any:
        batches.append(len(widgets))
        return mount_all(self, widgets, **where)

    monkeypatch.setattr(DecisionTree, "mount_all", counted)
    app = SteersmanApp()
    async with app.run_test(size=size) as pilot:
        app.open_plan(small())
        await until(pilot, lambda: is_there(app))
        most_of_a_subject = 20
        assert len(batches) > 3 and max(batches) < BATCH_ROWS + most_of_a_subject
        assert sum(batches) == len(app.screen.query_one(DecisionTree).children)


@pytest.mark.asyncio
async def test_a_screen_knows_its_width_before_it_is_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[bool] = []
    on_mount = PlanScreen.on_mount

    def noted(self: PlanScreen) -> None:
        known.append(self.has_class("-wide"))
        on_mount(self)

    monkeypatch.setattr(PlanScreen, "on_mount", noted)
    app = SteersmanApp()
    async with app.run_test(size=(160, 50)) as pilot:
        app.open_plan(small())
        await until(pilot, lambda: is_there(app))
        assert known == [True]
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: app.screen.has_class("-narrow") and not app.screen.has_class("-wide"))


@pytest.mark.asyncio
async def test_a_change_mounts_only_what_is_different(tmp_path: Path) -> None:
    async with reading(small(), tmp_path, (160, 50)) as reader:
        before = {row.setting: row for row in reader.screen.query(DecisionRow)}
        await reader.go("learning_rate")
        await reader.press("enter", "p")
        await until(reader.pilot, lambda: reader.session.past)
        await reader.rest()
        after = {row.setting: row for row in reader.screen.query(DecisionRow)}
        assert after.keys() == before.keys()
        assert sum(after[name] is row for name, row in before.items()) > len(before) / 2
        assert after["learning_rate"].has_focus and after["learning_rate"].opened


@pytest.mark.asyncio
async def test_what_was_opened_stays_open_in_another_language(tmp_path: Path) -> None:
    async with reading(small(), tmp_path, (160, 50)) as reader:
        fold = reader.screen.query(Fold).first()
        fold.action_open()
        await reader.go("lora_rank")
        await reader.press("enter")
        try:
            reader.app.speak("zh")
            await until(reader.pilot, lambda: reader.session.plan.wishes.language == "zh")
            await reader.rest()
            await until(reader.pilot, lambda: is_there(reader.app))
            row = reader.screen.query_one("#row-lora_rank", DecisionRow)
            assert row.opened and row.has_focus
            assert reader.screen.query_one(f"#row-{fold.names[0]}", DecisionRow).display
        finally:
            use_everywhere("en")


@pytest.mark.asyncio
async def test_a_curve_that_is_drawn_outlives_a_change_of_language(home: Path) -> None:
    replay = Replay("success", home / "runs" / "run")
    replay.play()
    app = SteersmanApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.open_run(replay.run)
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.query("#plot-of-loss"))
        try:
            for language in ("zh", "en") * 3:
                app.speak(language)
                await pilot.pause()
            await until(pilot, lambda: app.screen.query("#plot-of-loss #legend"))
        finally:
            use_everywhere("en")


@pytest.mark.asyncio
async def test_another_theme_is_put_on_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    update_nodes = Sheets.update_nodes

    def counted(self: Sheets, nodes: Iterable[DOMNode], animate: bool = False) -> None:
        some = list(nodes)
        steps.append(len(some))
        update_nodes(self, some, animate)

    async with reading(small(), tmp_path, (160, 50)) as reader:
        app, background = reader.app, reader.screen.styles.background
        await reader.rest()
        monkeypatch.setattr(Sheets, "update_nodes", counted)
        app.look("light")
        await until(reader.pilot, lambda: not app.workers and sum(steps) > NODES_AT_ONCE)
        assert max(steps) <= NODES_AT_ONCE and len(steps) > 4
        background_now = Color.parse(app.theme_variables["background"])
        for screen in app.screen_stack:
            assert screen.styles.background == background_now != background
        for row in reader.screen.query(DecisionRow):
            assert row.background_colors[0] == background_now, "rows far below, too"


@pytest.mark.asyncio
async def test_the_colours_of_a_node_refresh_what_is_inside_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(small(), tmp_path, (120, 40)) as reader:
        refreshed: list[Widget] = []
        tree = reader.screen.query_one(DecisionTree)
        row = reader.screen.query(DecisionRow).first()
        monkeypatch.setattr(row, "refresh", lambda **how: refreshed.append(row))
        rules = tree.styles.base.get_rules()
        colours = [name for name, value in rules.items() if isinstance(value, Color)]
        assert len(colours) > 3
        for name in colours:
            cast(dict[str, Any], rules)[name] = Color(1, 2, 3)
        Sheets.replace_rules(tree, rules)
        assert refreshed == [row]


@pytest.mark.asyncio
async def test_others_have_a_turn_between_a_layout_and_its_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, seen = 0, []

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def noted(kind: type[Any], name: str) -> None:
        method = getattr(kind, name)

        def noting(self: Any, *some: Any, **more: Any) -> Any:
            seen.append((name, turns))
            return method(self, *some, **more)

        monkeypatch.setattr(kind, name, noting)

    async with reading(small(), tmp_path, (120, 40)) as reader:
        noted(Compositor, "reflow")
        noted(Compositor, "render_update")
        task = asyncio.create_task(others())
        reader.screen.refresh(layout=True)
        await until(reader.pilot, lambda: [name for name, _ in seen][-1:] == ["render_update"])
        task.cancel()
        laid_out = next(turn for name, turn in seen if name == "reflow")
        drawn = next(turn for name, turn in seen if name == "render_update")
        assert drawn > laid_out


def test_a_line_makes_a_cache_when_it_looks_into_it() -> None:
    make_lines_lean()
    line = Strip([Segment("a line of text")])
    before = len([one for one in gc.get_objects() if isinstance(one, FIFOCache)])
    more = [Strip([Segment("another")]) for _ in range(100)]
    assert len([one for one in gc.get_objects() if isinstance(one, FIFOCache)]) == before
    assert line.crop(2, 6).text == "line"
    assert line.crop(2, 6) is line.crop(2, 6), "it is remembered"
    assert line.crop(2, 6) is not more[0].crop(2, 6)


class Line(Strip):
    """A line that can be watched."""


def test_a_line_does_not_keep_itself() -> None:
    let_go()
    line = Line([Segment("as wide as what it is cut for")])
    assert list(line.divide([line.cell_length])) == [line]
    assert [piece.text for piece in line.divide([2, line.cell_length])] == ["as", line.text[2:]]
    seen = weakref.ref(line)
    gc.disable()
    try:
        del line
        assert seen() is None
    finally:
        gc.enable()


@pytest.mark.asyncio
async def test_a_closed_screen_keeps_no_lines(tmp_path: Path) -> None:
    async with reading(small(), tmp_path, (120, 40)) as reader:
        nodes = [node for node in reader.screen.walk_children() if isinstance(node, Widget)]
        assert any(node._styles_cache._cache for node in nodes)
        reader.app.go_home()
        await until(reader.pilot, lambda: not any(node.is_attached for node in nodes))
        assert not any(node._styles_cache._cache for node in nodes)


def test_a_closed_widget_is_not_kept_for_its_colours() -> None:
    let_go()
    cache = StylesCache()
    inner, outer = cache.get_inner_outer(Color(1, 2, 3), Color(4, 5, 6))
    assert (inner.background, outer.background) == (Color(4, 5, 6), Color(1, 2, 3))
    seen = weakref.ref(cache)
    del cache
    assert seen() is None


def test_objects_are_collected_while_the_person_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    now = [100.0]
    new = [0]
    for name in ("collect", "freeze", "unfreeze"):
        monkeypatch.setattr(gc, name, lambda name=name: done.append(name))
    monkeypatch.setattr(gc, "get_count", lambda: (0, 0, new[0]))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    collector = Collector()
    now[0] += REST_SECONDS
    collector.look()
    assert not done, "there is nothing new"
    new[0] = pauses.MANY_PASSES
    collector.touched()
    collector.look()
    assert not done, "the person is at work"
    now[0] += REST_SECONDS
    collector.look()
    assert done == ["collect", "freeze"], "what is there now is not looked at again in a short rest"
    new[0] = 0
    collector.left()
    collector.look()
    assert len(done) == 2, "a look at everything takes longer"
    now[0] += pauses.ABSENCE_SECONDS
    collector.look()
    collector.look()
    assert done[2:] == ["unfreeze", "collect", "freeze"], "what was closed is found once the person is away"


def test_the_collector_looks_at_objects_in_small_portions() -> None:
    before = gc.get_threshold()
    try:
        pauses.collect_seldom()
        young, middle, _ = gc.get_threshold()
        assert young * middle <= 50_000
    finally:
        gc.set_threshold(*before)
