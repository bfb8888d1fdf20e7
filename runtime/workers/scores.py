"""How alike answers and references are: BLEU-4 and ROUGE over words and CJK characters.

PaddleNLP's metrics iterate over whatever they are given, and upstream gives them texts: they count letters,
so that garbage scores 0.89. They also fail on an empty answer. Units here are words of letters and digits,
compared without case, and single Chinese, Japanese or Korean characters. Standard library only.

BLEU: Papineni et al. 2002, over all answers together, with the brevity penalty and no smoothing. ROUGE-1, 2
and L: Lin 2004, F1 with repeated units counted, averaged over the answers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
UNIT = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")
LONGEST = 4

Units = Sequence[str]


def units(text: str) -> list[str]:
    """Return the units of a text; punctuation and space are none."""
    return UNIT.findall(text.casefold())


def ngrams(found: Units, size: int) -> Counter[tuple[str, ...]]:
    """Return how often each run of `size` units occurs."""
    return Counter(tuple(found[start : start + size]) for start in range(len(found) - size + 1))


def bleu4(answers: Sequence[Units], references: Sequence[Units]) -> float:
    """Return BLEU-4 of all answers together, between 0 and 1; 0 for empty answers."""
    hits, totals = [0] * LONGEST, [0] * LONGEST
    for answer, reference in zip(answers, references, strict=True):
        for index in range(LONGEST):
            given = ngrams(answer, index + 1)
            hits[index] += sum((given & ngrams(reference, index + 1)).values())
            totals[index] += sum(given.values())
    if not all(hits):
        return 0.0
    precision = math.exp(
        sum(math.log(hit / total) for hit, total in zip(hits, totals, strict=True)) / LONGEST
    )
    said, wanted = sum(map(len, answers)), sum(map(len, references))
    return precision * min(1.0, math.exp(1 - wanted / said))


def f1(common: int, said: int, wanted: int) -> float:
    """Return the harmonic mean of precision and recall; two empty texts are alike."""
    if not said and not wanted:
        return 1.0
    return 2 * common / (said + wanted)


def rouge_n(answer: Units, reference: Units, size: int) -> float:
    """Return ROUGE-N as F1 between 0 and 1."""
    given, expected = ngrams(answer, size), ngrams(reference, size)
    return f1(sum((given & expected).values()), sum(given.values()), sum(expected.values()))


def rouge_l(answer: Units, reference: Units) -> float:
    """Return ROUGE-L: F1 of the longest common subsequence."""
    lengths = [0] * (len(reference) + 1)
    for unit in answer:
        before = 0
        for index, expected in enumerate(reference, start=1):
            here = lengths[index]
            lengths[index] = before + 1 if unit == expected else max(here, lengths[index - 1])
            before = here
    return f1(lengths[-1], len(answer), len(reference))


def score(answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Return bleu4, rouge1, rouge2 and rougeL of answers against their references, each between 0 and 1."""
    said, wanted = [units(text) for text in answers], [units(text) for text in references]
    pairs = list(zip(said, wanted, strict=True))
    count = max(len(pairs), 1)
    return {
        "bleu4": bleu4(said, wanted),
        "rouge1": sum(rouge_n(*pair, 1) for pair in pairs) / count,
        "rouge2": sum(rouge_n(*pair, 2) for pair in pairs) / count,
        "rougeL": sum(rouge_l(*pair) for pair in pairs) / count,
    }
