"""Errors that are said again in another language, with what was filled into them."""

from __future__ import annotations

from planner.errors import BadInput
from planner.language import again, join, say, speaking
from planner.remembered import MOST_REMEMBERED, recall


def test_an_error_is_said_in_the_language_of_the_moment() -> None:
    inner = say("There is nothing to undo.")
    raised = BadInput(
        say("`{word}` needs a value after it.", word="goal"),
        why=inner,
        remedy=say("Fixed are: {names}.", names="lora_rank"),
    )
    english = raised.sentence()
    assert english.startswith("`goal` needs a value after it. There is nothing to undo.")
    with speaking("zh"):
        words = raised.sentence()
        assert "goal" in words and "lora_rank" in words
        assert not any(word in words for word in ("needs", "nothing", "Fixed"))
    assert raised.sentence() == english


def test_a_place_that_was_put_before_a_sentence_stays() -> None:
    raised = BadInput(say("There is nothing to undo."))
    raised.what = f"plan.yaml, line 3: {raised.what}"
    with speaking("zh"):
        assert raised.sentence().startswith("plan.yaml, line 3: ")
        assert "nothing" not in raised.sentence()


def test_a_phrase_within_a_sentence_is_said_again() -> None:
    phrase = say("there is no plan")
    found = recall(say("`{word}` needs a value after it.", word=phrase))
    assert found is not None
    with speaking("zh"):
        assert "there is no plan" not in again(found)


def test_a_list_of_remedies_is_said_again_line_by_line() -> None:
    raised = BadInput("x", remedy="\n".join((say("there is no plan"), say("There is nothing to undo."))))
    with speaking("zh"):
        assert "there is" not in raised.sentence().lower()


def test_sentences_that_were_joined_are_said_again_one_by_one() -> None:
    hint = join((say("Did you mean `{match}`?", match="goal"), "", say("There is nothing to undo.")))
    raised = BadInput(say("there is no plan"), remedy=join((hint, say("Fixed are: {names}.", names="x"))))
    english = raised.sentence()
    with speaking("zh"):
        words = raised.sentence()
        assert "`goal`" in words and "？ " not in words
        assert not any(word in words.lower() for word in ("there", "mean", "fixed"))
    assert raised.sentence() == english


def test_little_is_remembered_and_no_exception() -> None:
    failed = ValueError("broken")
    text = say("`{word}` needs a value after it.", word=failed)
    found = recall(text)
    assert found is not None and found.parameters == {"word": "broken"}
    for number in range(MOST_REMEMBERED):
        say("{number} fixed", number=number)
    assert recall(text) is None
