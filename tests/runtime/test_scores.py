"""BLEU and ROUGE count words and CJK characters, and are the textbook's figures."""

from __future__ import annotations

import math

import pytest

from runtime.workers.scores import bleu4, rouge_l, rouge_n, score, units

GARBAGE = "eht tac tas no eht tam dna deppilp"
SENTENCE = "The cat sat on the mat and flipped"


def test_units_are_words_without_case_and_single_cjk_characters() -> None:
    assert units("The cat's 2nd Straße, naïve_one!") == ["the", "cat", "s", "2nd", "strasse", "naïve", "one"]
    assert units("我爱PaddlePaddle和Python3。") == ["我", "爱", "paddlepaddle", "和", "python3"]
    assert units("ラーメン 한국어") == ["ラ", "ー", "メ", "ン", "한", "국", "어"]
    assert units(" ...!? ") == []


def test_letters_in_another_order_score_nothing() -> None:
    """Counted by letters, as upstream does it, they would be nearly perfect."""
    letters = rouge_n(list(GARBAGE), list(SENTENCE.lower()), 1)
    assert letters > 0.8
    found = score([GARBAGE], [SENTENCE])
    assert found["rouge2"] == found["rougeL"] == found["bleu4"] == found["rouge1"] == 0.0


def test_the_same_text_scores_one_whatever_its_case_and_punctuation() -> None:
    assert score([SENTENCE.upper() + "!"], [SENTENCE]) == dict.fromkeys(
        ("bleu4", "rouge1", "rouge2", "rougeL"), pytest.approx(1.0)
    )
    assert score(["今天天气很好"], ["今天天气很好。"])["bleu4"] == pytest.approx(1.0)


def test_bleu_by_hand() -> None:
    """Answer 6 units, reference 7: precisions 5/6, 3/5, 2/4, 1/3, brevity exp(1 - 7/6)."""
    answer, reference = (
        ["the", "cat", "sat", "on", "a", "mat"],
        ["yes", "the", "cat", "sat", "on", "the", "mat"],
    )
    precision = (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    assert bleu4([answer], [reference]) == pytest.approx(precision * math.exp(1 - 7 / 6))


def test_bleu_counts_over_all_answers_and_repeats_only_as_often_as_the_reference() -> None:
    the = ["the"] * 7
    assert rouge_n(the, ["the", "cat", "is", "on", "the", "mat"], 1) == pytest.approx(2 * 2 / (7 + 6))
    long, short = ["a", "b", "c", "d", "e"], ["x"]
    both = bleu4([long, short], [long, short])
    assert both == pytest.approx(1.0)
    assert bleu4([short], [short]) == 0.0


def test_rouge_by_hand() -> None:
    answer, reference = ["police", "kill", "the", "gunman"], ["police", "killed", "the", "gunman"]
    assert rouge_n(answer, reference, 1) == pytest.approx(3 / 4)
    assert rouge_n(answer, reference, 2) == pytest.approx(1 / 3)
    assert rouge_l(answer, reference) == pytest.approx(3 / 4)
    assert rouge_l(["b", "a"], ["a", "b"]) == pytest.approx(1 / 2)


@pytest.mark.parametrize(("answer", "reference", "expected"), [("", "a", 0.0), ("a", "", 0.0), ("", "", 1.0)])
def test_empty_texts_have_a_score(answer: str, reference: str, expected: float) -> None:
    """Upstream's BLEU divides by zero here."""
    found = score([answer], [reference])
    assert found["rouge1"] == found["rougeL"] == expected
    assert found["bleu4"] == 0.0
