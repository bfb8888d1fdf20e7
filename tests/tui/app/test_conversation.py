"""The conversation: from the first question to a plan, in one's own words or by Enter, and back."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from textual import events

from planner.interview.finding import Found, ToFind
from runtime.paths import home
from runtime.run.layout import list_runs
from tests.tui.app.conversing import TO_TYPE, Person, conversing, prepare, to_the_plan
from tests.tui.app.pilot import screen_text, until
from tui.app import legwork
from tui.app.blocks.answer import AnswerBlock
from tui.app.blocks.block import ErrorBlock
from tui.app.blocks.question import ChoiceList
from tui.app.screens.plan import PlanScreen
from tui.app.widgets.plan_summary import PlanSummary, page
from tui.app.widgets.prompt import Prompt
from tui.app.work import Reporter

pytestmark = pytest.mark.asyncio


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    return prepare(tmp_path / "work")


def summary(person: Person) -> str:
    return "\n".join(str(line) for line in page(person.dialogue, 60))


async def test_a_novice_gets_a_plan_by_enter_alone(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")  # the model that is proposed would have to be fetched
        assert person.answer("data") is None
        presses = 0
        while person.asked:
            await person.press("enter")
            presses += 1
        assert presses <= 8
        assert person.answer("data").value == "chats.jsonl"
        assert person.answer("data").provenance == "default"
        assert person.dialogue.plan is not None
        assert "The plan is ready" in screen_text(person.pilot)
        assert "▣" not in person.screen.problem


async def test_what_data_will_tell_is_not_asked_while_they_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, go_on = legwork.find, threading.Event()

    def patient(missing: ToFind, where: Path, stage: str, reporter: Reporter) -> Found:
        if missing.what == "data":
            go_on.wait(60)
        return find(missing, where, stage, reporter)

    monkeypatch.setattr(legwork, "find", patient)
    async with conversing(folder) as person:
        await person.type("./tiny")
        prompt = person.screen.query_one(Prompt)
        prompt.value = "chats.jsonl"
        await person.pilot.press("enter")
        await until(person.pilot, lambda: person.asked == "stage")
        assert person.dialogue.asked() is None
        assert not person.screen.query(ChoiceList)
        assert any(job.endswith("find data") for job in person.screen.pursuit.under_way)
        go_on.set()
        await person.settle()
        assert person.answer("stage").provenance == "detected"
        assert person.asked == "goal"


async def test_the_machine_is_found_and_never_asked_for(folder: Path) -> None:
    async with conversing(folder) as person:
        assert person.answer("hardware").provenance == "detected"
        assert "I found" in screen_text(person.pilot)
        asked = []
        await person.type("./tiny")
        while person.asked:
            asked.append(person.asked)
            await person.press("enter")
        assert "hardware" not in asked


async def test_an_expert_needs_few_lines(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type_slowly("./tiny")
        await person.type_slowly("chats.jsonl")
        await person.type_slowly("/set method=full goal=speed")
        while person.asked:
            await person.press("enter")
        plan = person.dialogue.plan
        assert plan.value("method") == "full"
        assert plan.wishes.goal == "speed"
        assert person.keys < 80


async def test_own_words_describe_a_machine(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")
        await person.type("chats.jsonl")
        await person.type("/hardware two 4090s")
        plan = person.dialogue.plan
        assert plan.facts.hardware.device_count == 2
        assert "4090" in summary(person)
        assert "●" in summary(person)


async def test_back_asks_the_question_before_with_its_answer(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")
        await person.type("chats.jsonl")
        first = person.asked
        await person.press("enter")
        assert person.asked != first
        await person.press("f2")
        assert person.asked == first
        await person.type("back")
        assert person.asked == "data"


async def test_editing_an_answer_reopens_only_what_depends_on_it(folder: Path) -> None:
    async with conversing(folder) as person:
        await to_the_plan(person)
        answered = {question.key for question, _ in person.dialogue.interview.answered()}
        block = next(one for one in person.screen.query(AnswerBlock) if one.entry.key == "goal")
        block.focus()
        await person.press("enter")
        assert person.asked == "goal"
        await person.type("quality")
        left = {question.key for question, _ in person.dialogue.interview.answered()}
        reopened = answered - left
        depends = {
            question.key for question in person.dialogue.interview.questions if "goal" in question.needs
        }
        assert reopened <= depends
        assert {"model", "data", "hardware"} <= left
        while person.asked:
            await person.press("enter")
        assert person.dialogue.plan.wishes.goal == "quality"


async def test_the_same_answer_again_reopens_nothing(folder: Path) -> None:
    async with conversing(folder) as person:
        await to_the_plan(person)
        before = person.dialogue.interview.known.answers
        person.dialogue.reopen("goal")
        person.screen.go_on()
        await person.press("enter")
        assert {key: one.value for key, one in person.dialogue.interview.known.answers.items()} == {
            key: one.value for key, one in before.items()
        }


async def test_a_choice_that_cannot_be_had_says_why_and_cannot_be_taken(folder: Path) -> None:
    async with conversing(folder) as person:
        shown = screen_text(person.pilot)
        assert "✗ qwen2.5-72b-instruct   needs about" in shown  # 72 billion weights on a test machine
        assert "you have" in shown
        choices = person.screen.query_one(ChoiceList)
        last = choices.options[-1]
        assert last.disabled and last.id
        await person.type(last.id)
        assert person.asked == "model"
        assert "cannot be chosen" in person.screen.problem
        choices.focus()
        await person.press(last.id)
        assert person.asked == "model"


@pytest.mark.parametrize("wrong", ["zzz nonsense model", "./not-there", "z"])
async def test_a_bad_answer_is_one_sentence_and_changes_nothing(folder: Path, wrong: str) -> None:
    async with conversing(folder) as person:
        await person.type(wrong)
        assert person.asked == "model"
        told = person.screen.problem or str(person.screen.query(ErrorBlock).last().entry.text())
        assert told and "Traceback" not in told and "\n\n" not in told
        await person.type("./tiny")
        assert person.asked == "data"


async def test_data_that_is_not_there_is_asked_for_again(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")
        await person.type("./nothing.jsonl")
        assert person.asked == "data"
        await person.type("chats.jsonl")
        assert person.dialogue.interview.known.data is not None


async def test_why_and_not_sure_explain(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.press("f3")
        assert "Larger models answer better" in str(person.dialogue.transcript.entries[-1].text())
        await person.type("./tiny")
        await person.type("chats.jsonl")
        key = person.asked
        await person.type("not sure")
        assert person.answer(key).provenance == "default"
        assert any("Then I take" in str(one.text()) for one in person.dialogue.transcript.entries)


async def test_what_the_last_answer_changed_is_marked(folder: Path) -> None:
    async with conversing(folder) as person:
        await to_the_plan(person)
        await person.type("/set method=full")
        shown = summary(person)
        assert "● Method" in shown and "was lora" in shown
        assert "changed by the last answer" in shown


async def test_letters_choose_and_other_characters_go_to_the_prompt(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")
        await person.type("chats.jsonl")
        first = person.asked
        person.screen.query_one(ChoiceList).focus()
        await person.press("z")
        assert person.screen.query_one(Prompt).value == "z"
        assert person.asked == first
        await person.press("escape")
        assert person.screen.query_one(Prompt).value == ""
        person.screen.query_one(ChoiceList).focus()
        await person.press("a")
        assert person.asked != first
        assert person.answer(first).provenance == "typed"


async def test_a_line_that_arrives_at_once_is_taken_whole_wherever_the_focus_is(folder: Path) -> None:
    """A terminal hands on a pasted line faster than the app draws, its Enter included."""
    async with conversing(folder) as person:
        assert person.screen.focused is person.screen.query_one(Prompt)
        person.screen.set_focus(person.screen.query_one(ChoiceList))
        for character in "./tiny":
            name = TO_TYPE.get(character, character)
            person.app.post_message(events.Key(name, character))
        person.app.post_message(events.Key("enter", "\r"))
        await until(person.pilot, lambda: person.asked != "model")
        assert "tiny" in person.answer("model").shown


async def test_arrows_and_enter_take_another_choice(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")
        await person.type("chats.jsonl")
        while person.asked != "method":
            await person.press("enter")
        await person.press("down", "enter")
        assert person.answer("method").value == "lora"
        assert person.answer("method").provenance == "typed"


async def test_the_mouse_answers_and_asks_again(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")
        await person.type("chats.jsonl")
        first = person.asked
        await person.pilot.click(ChoiceList, offset=(6, 0))
        await person.settle()
        assert person.asked != first and person.answer(first).provenance == "typed"
        block = next(each for each in person.screen.query(AnswerBlock) if each.entry.key == "model")
        await person.pilot.click(block)
        await person.settle()
        assert person.asked == "model"


async def test_answers_are_kept_and_offered_at_the_next_start(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")
        await person.press("ctrl+c", "ctrl+c")
    assert (home() / "answers.json").is_file()
    async with conversing(folder) as person:
        assert "Shall we go on where you stopped?" in screen_text(person.pilot)
        await person.press("enter")
        assert person.answer("model").provenance == "saved"
        assert person.asked == "data"
    async with conversing(folder) as person:
        await person.type("b")
        assert person.answer("model") is None
        assert person.asked == "model"


async def test_a_narrow_terminal_shows_one_line_and_a_key_for_the_plan(folder: Path) -> None:
    async with conversing(folder, (80, 24)) as person:
        await to_the_plan(person)
        summary = person.screen.query_one(PlanSummary)
        assert not summary.is_on_screen
        assert "▣ lora" in screen_text(person.pilot) or "▣ full" in screen_text(person.pilot)
        await person.press("f5")
        assert "Memory of one process" in screen_text(person.pilot)
        await person.press("f5")
        assert "The plan is ready" in screen_text(person.pilot)


async def test_the_end_offers_the_plan_and_saves_it(folder: Path) -> None:
    async with conversing(folder) as person:
        await to_the_plan(person)
        await person.type("c")
        assert (folder / "plan.yaml").is_file()
        await person.type("b")
        await until(person.pilot, lambda: isinstance(person.app.screen, PlanScreen))


async def test_change_something_lists_the_answers(folder: Path) -> None:
    async with conversing(folder) as person:
        await to_the_plan(person)
        await person.type("d")
        assert "What shall be different?" in screen_text(person.pilot)
        await person.type("b")
        assert person.asked
        await person.press("f2")
        assert not person.asked


async def test_a_described_machine_cannot_start_here(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")
        await person.type("chats.jsonl")
        await person.type("/hardware 4090")
        while person.asked:
            await person.press("enter")
        assert "✗ Start the run the machine was described" in " ".join(screen_text(person.pilot).split())
        await person.type("/run")
        assert "cannot be started" in person.screen.problem


async def test_escape_closes_and_keeps_everything(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")
        await person.press("escape")
        assert len(person.app.screen_stack) == 1


async def test_escape_cancels_what_is_under_way(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")
        begun = threading.Event()

        def endless(reporter: Reporter) -> None:
            while True:
                reporter.progress(1, 2, "", "Counting stars")
                begun.set()
                time.sleep(0.01)

        person.screen.pursuit.what_if(endless)
        await until(person.pilot, begun.is_set)
        await until(person.pilot, lambda: "Counting stars" in screen_text(person.pilot))
        assert "50%" in screen_text(person.pilot)
        await person.press("escape")
        assert "Counting stars" not in screen_text(person.pilot)
        assert person.asked == "data"
        await person.type("chats.jsonl")
        assert person.dialogue.interview.known.data is not None


async def test_an_enter_held_too_long_starts_nothing(folder: Path) -> None:
    async with conversing(folder) as person:
        await to_the_plan(person)
        await person.pilot.press("enter")
        await until(person.pilot, lambda: isinstance(person.app.screen, PlanScreen))
    assert list_runs() == []
    assert not (folder / "plan.yaml").exists()
