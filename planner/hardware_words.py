"""What people type about hardware, brought to one form: number words, Chinese counts, networks, sizes."""

from __future__ import annotations

import re
import unicodedata

from planner.phrases import GIB

SIZE = r"(\d+(?:\.\d+)?)\s*(g|gb|gib|t|tb|tib)\b"

NUMBERS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "ten": 10,
    "twelve": 12,
    "sixteen": 16,
}
GROUPS = {"single": 1, "dual": 2, "double": 2, "triple": 3, "quad": 4, "octa": 8}
HAN_NUMBERS = dict(zip("单一双两二三四五六七八九十", (1, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10), strict=True))
HAN_COUNTED = "个张块台卡机节路核"
HAN_WORDS = {
    "没有显卡": " no gpu ",
    "无显卡": " no gpu ",
    "没有gpu": " no gpu ",
    "无gpu": " no gpu ",
    "笔记本电脑": " laptop ",
    "笔记本": " laptop ",
    "昆仑芯": " kunlun ",
    "昆仑": " kunlun ",
    "昇腾": " ascend ",
    "海光": " hygon ",
    "内存": " ram ",
    "硬盘": " disk ",
    "磁盘": " disk ",
    "网络": " network ",
    "网卡": " nic ",
    "服务器": " ",
    "显卡": " gpu ",
    "英伟达": " nvidia ",
    "我们有": " ",
    "我有": " ",
    "我的": " ",
    "的机器": " ",
    "每台": " ",
    "每机": " ",
}

FILLER = re.compile(
    r"\b(nvidia|geforce|tesla|i|we|have|got|use|using|with|each|of|per|node|and|gpus?|cards?|x|a|an|the|my|our|in|at|having|server|"
    r"workstation|machine|box|pc|desktop|computer|devices?|npus?|xpus?|dcus?|gpu|kunlunxin|huawei|hygon)\b|[,;:×*()|/+]"
)

NICS = r"(10|25|40|50|56|100|200|400|800)"
"""Gbit/s of the network cards that are sold; a bare number beside `ib` must be one of them."""

GBIT = r"g(?:igabit|b?it|bps|be|e|b)?(?:/s|ps)?"
FABRIC = r"(?:ib|infiniband|roce|rdma|ethernet|eth|network|nics?|lan)"
GENERATIONS = {"xdr": 800, "ndr": 400, "hdr": 200, "edr": 100, "fdr": 56}
"""InfiniBand generation -> Gbit/s of one four-lane port (InfiniBand Trade Association roadmap)."""


def normal(text: str) -> str:
    """Return the text in lower case with Western digits, English words for Chinese ones, numbers for words.

    `V100s` with a capital letter and a small `s` is a plural; `V100S` and `l40s` are names.
    """
    text = re.sub(r"(?a:\b(\w*[A-Z]\w*\d)s\b)", r"\1", unicodedata.normalize("NFKC", text))
    text = _han(text.lower().strip())
    text = re.sub(r"\ba?\s*(?:pair|couple)\s+of\b", " 2x ", text)
    text = re.sub(rf"\b({'|'.join(GROUPS)})[\s-]+(?=[a-z\d])", lambda m: f" {GROUPS[m[1]]}x ", text)
    return re.sub(rf"\b({'|'.join(NUMBERS)})\b", lambda m: str(NUMBERS[m[1]]), text)


def _han(text: str) -> str:
    """Return `4 机 8 卡` as `4 nodes 8x`; of `4机32卡` the cards are all of them, as no node holds 32."""
    if text.isascii():
        return text
    for word, english in HAN_WORDS.items():
        text = text.replace(word, english)
    text = re.sub(
        rf"([{''.join(HAN_NUMBERS)}])(?=\s*[{HAN_COUNTED}])", lambda m: str(HAN_NUMBERS[m[1]]), text
    )
    nodes = r"(\d{1,4})\s*(?:台机器|台|机|个?节点)"
    cards = r"(\d{1,4})\s*[张块个]?\s*卡"
    text = re.sub(rf"{nodes}\s*,?\s*{cards}", _grid, text)
    text = re.sub(nodes, r" \1 nodes ", text)
    text = re.sub(rf"{cards}|(\d{{1,4}})\s*[张块个](?!\w*节)", lambda m: f" {m[1] or m[2]}x ", text)
    return re.sub(r"(\d{1,4})\s*核", r" \1 cores ", text)


def _grid(match: re.Match[str]) -> str:
    nodes, cards = int(match[1]), int(match[2])
    each = cards // nodes if nodes > 1 and cards > 8 and cards % nodes == 0 else cards
    return f" {nodes} nodes {each}x "


class Words:
    """The text that is still to be understood; every question cuts out what it recognises."""

    def __init__(self, text: str) -> None:
        self.text = f" {normal(text)} "

    def take(self, pattern: str) -> re.Match[str] | None:
        """Return the first match and cut it out."""
        match = re.search(pattern, self.text)
        if match:
            self.text = f"{self.text[: match.start()]} {self.text[match.end() :]}"
        return match

    def count(self, pattern: str) -> int | None:
        """Return a whole number."""
        match = self.take(pattern)
        return int(match[1]) if match else None

    def word(self, pattern: str) -> str | None:
        """Return a word."""
        match = self.take(pattern)
        return match[1] if match else None

    def size(self, pattern: str) -> int | None:
        """Return bytes; `80g`, `80 GB` and `80 GiB` all mean GiB, as devices are sold."""
        match = self.take(pattern)
        if match is None:
            return None
        return int(float(match[1]) * GIB * (1024 if match[2].startswith("t") else 1))

    def network(self) -> float | None:
        """Return Gbit/s per node: `ib 400` is one network card, `8x400` and `8x ib 400` are eight."""
        for pattern in (
            rf"\b{FABRIC}[\s:-]*(\d{{1,2}})\s*[x*]\s*{NICS}\s*(?:{GBIT})?(?![\w.])",
            rf"(?<![\w.])(\d{{1,2}})\s*[x*]\s*{FABRIC}[\s-]*{NICS}\s*(?:{GBIT})?(?![\w.])",
            rf"(?<![\w.])(\d{{1,2}})\s*[x*]\s*{NICS}\s*(?:{GBIT})?(?:[\s-]+{FABRIC})?(?![\w.])",
        ):
            cards = self.take(pattern)
            if cards:
                self._fabric()
                return float(int(cards[1]) * int(cards[2]))
        generation = self.take(rf"(?:(?<![\w.])(\d{{1,2}})\s*[x*]\s*)?\b({'|'.join(GENERATIONS)})\b")
        if generation:
            self._fabric()
            return float(int(generation[1] or 1) * GENERATIONS[generation[2]])
        number = r"(\d+(?:\.\d+)?)"
        for pattern in (
            rf"\b{FABRIC}[\s:-]*{number}\s*{GBIT}(?![\w.])",
            rf"\b{FABRIC}[\s:-]*{NICS}(?![\w.])",
            rf"(?<![\w.]){number}\s*{GBIT}[\s-]+{FABRIC}\b",
            rf"(?<![\w.]){number}\s*g(?:igabit|b?it|bps|be)(?:/s|ps)?(?![\w.])",
        ):
            match = self.take(pattern)
            if match:
                self._fabric()
                return float(match[1])
        self._fabric()
        return None

    def _fabric(self) -> None:
        while self.take(rf"(?<![\w.]){FABRIC}(?![\w.])"):
            pass

    def device_count(self) -> int | None:
        """Return `8` of `8x`, `x8`, `8 gpus` and of a number that stands alone before a name."""
        for pattern in (
            r"(?<![\w.])(\d{1,3})\s*[x×*](?!\s*\d{1,2}\b)",
            r"(?<!rt)(?<!gt)[x×*]\s*(\d{1,3})(?![\w.])",
            r"(?<![\w.])(\d{1,3})\s*(?:gpus?|cards?|devices?|npus?|xpus?|dcus?)\b",
            r"(?<![\w.])(\d{1,2})(?=\s+[a-z\d])(?!\s*(?:g|gb|gib|t|tb|tib)\b)",
        ):
            number = self.count(pattern)
            if number is not None:
                return number
        return None

    def rest(self) -> str:
        """Return what is left, without filler words."""
        return re.sub(r"[\s_\-]+", " ", FILLER.sub(" ", self.text)).strip(" .")
