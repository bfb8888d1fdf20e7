"""What people type: tables of lines and answers, in English and Chinese."""

from __future__ import annotations

import pytest

from planner.errors import BadInput
from planner.interview.command import Command, meaning
from planner.interview.question import Answer, Known
from planner.interview.questions import QUESTIONS
from planner.wishes import Value
from tests.planner.scenes import LONG

BY_KEY = {question.key: question for question in QUESTIONS}
NEAR = Known(files=("chats.jsonl", "data/train.csv"), data=LONG)


def read(key: str, line: str) -> Answer:
    return BY_KEY[key].read(line, NEAR)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("", "skip"),
        ("   ", "skip"),
        ("skip", "skip"),
        ("默认", "skip"),
        ("why?", "why"),
        ("Why", "why"),
        ("why do you ask?", "why"),
        ("为什么？", "why"),
        ("为什么呢", "why"),
        ("?", "help"),
        ("？", "help"),
        ("??", "help"),
        ("help", "help"),
        ("帮助", "help"),
        ("back", "back"),
        ("Go back.", "back"),
        ("上一步", "back"),
        ("not sure", "unsure"),
        ("I don’t know", "unsure"),
        ("i don't know!", "unsure"),
        ("idk", "unsure"),
        ("不知道", "unsure"),
        ("不知道。", "unsure"),
        ("不太清楚", "unsure"),
        ("随便吧", "unsure"),
        ("你决定", "unsure"),
        ("undo", "undo"),
        ("撤销", "undo"),
        ("quit", "quit"),
        ("退出", "quit"),
        ("yes", "skip"),
        ("好的", "skip"),
        ("我不知道", "unsure"),
        ("what is lora?", "why"),
        ("what's an adapter", "why"),
        ("什么是LoRA", "why"),
        ("lora 是什么？", "why"),
        ("qwen 7b", None),
        ("a", None),
        ("q", None),
        ("back.jsonl", None),
    ],
)
def test_commands(line: str, command: Command | None) -> None:
    assert meaning(line) == command


@pytest.mark.parametrize(
    ("key", "line", "value"),
    [
        ("model", "qwen2.5 7b", "qwen2.5-7b-instruct"),
        ("model", "Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b-instruct"),
        ("model", "smollm2", "smollm2-135m-instruct"),
        ("model", "llama3 8b", "llama-3-8b-instruct"),
        ("model", "mistral 7b base", "mistral-7b-v0.3-base"),
        ("model", "通义千问 7B", "qwen2.5-7b-instruct"),
        ("model", "百川2 7b", "baichuan2-7b-chat"),
        ("model", "7b", "qwen2.5-7b-instruct"),
        ("model", "0.5B 模型", "qwen2.5-0.5b-instruct"),
        ("model", "small", "smollm2-135m-instruct"),
        ("model", "./my model", "./my model"),
        ("model", "'~/models/mine'", "~/models/mine"),
        ("model", "someone/their-model@main", "someone/their-model@main"),
        ("model", "config.json", "config.json"),
        ("data", "demo", "steersman-demo"),
        ("data", "示例", "steersman-demo"),
        ("data", "my chats are in chats.jsonl", "chats.jsonl"),
        ("data", "我的数据在chats.jsonl里", "chats.jsonl"),
        ("data", "../chats.jsonl", "../chats.jsonl"),
        ("data", "/elsewhere/chats.jsonl", "/elsewhere/chats.jsonl"),
        ("data", "old-chats.jsonl", "old-chats.jsonl"),
        ("data", "chats.jsonl.bak", "chats.jsonl.bak"),
        ("data", "I have no data", "steersman-demo"),
        ("data", "还没有数据", "steersman-demo"),
        ("data", "五万条", "50000 rows of 350:2048 tokens"),
        ("data", "data/train.csv", "data/train.csv"),
        ("data", "/data/my rows.jsonl", "/data/my rows.jsonl"),
        ("data", "elsewhere.parquet", "elsewhere.parquet"),
        ("data", "50000 rows of 350:2048 tokens", "50000 rows of 350:2048 tokens"),
        ("data", "50,000 examples, 350 tokens", "50000 rows of 350 tokens"),
        ("data", "50k conversations of 1k tokens", "50000 rows of 1k tokens"),
        ("data", "data elsewhere: 1.5 million rows of 350 to 2048 tokens", "1500000 rows of 350:2048 tokens"),
        ("data", "5万条，每条350词元", "50000 rows of 350 tokens"),
        ("data", "2000 rows", "2000 rows of 350:2048 tokens"),
        ("stage", "fine-tune it", "sft"),
        ("stage", "sft", "sft"),
        ("stage", "指令微调", "sft"),
        ("stage", "preferences", "dpo"),
        ("stage", "偏好对齐", "dpo"),
        ("stage", "continued pretraining", "pretrain"),
        ("stage", "继续预训练", "pretrain"),
        ("stage", "a reward model", "reward"),
        ("stage", "量化", "quantise"),
        ("goal", "best quality", "quality"),
        ("goal", "as fast as possible", "speed"),
        ("goal", "效果最好", "quality"),
        ("goal", "越快越好", "speed"),
        ("goal", "省显存", "memory"),
        ("goal", "little memory", "memory"),
        ("goal", "均衡", "balance"),
        ("method", "full", "full"),
        ("method", "全参微调", "full"),
        ("method", "QLoRA", "qlora"),
        ("method", "lora please", "lora"),
        ("method", "prefix_tuning", "prefix_tuning"),
        ("method", "you decide: auto", None),
        ("time_limit", "two hours", 120),
        ("time_limit", "2h", 120),
        ("time_limit", "1h30", 90),
        ("time_limit", "1:30", 90),
        ("time_limit", "90", 90),
        ("time_limit", "90 min", 90),
        ("time_limit", "an hour and a half", 90),
        ("time_limit", "1 hour 15 minutes", 75),
        ("time_limit", "overnight", 480),
        ("time_limit", "by tomorrow, overnight", 480),
        ("time_limit", "three days", 4320),
        ("time_limit", "两个小时", 120),
        ("time_limit", "一个半小时", 90),
        ("time_limit", "半小时", 30),
        ("time_limit", "三十分钟", 30),
        ("time_limit", "过夜", 480),
        ("time_limit", "今晚", 480),
        ("time_limit", "明早", 720),
        ("time_limit", "no limit", None),
        ("time_limit", "no more than 3 hours", 180),
        ("time_limit", "不限", None),
        ("target", "vLLM", "huggingface"),
        ("target", "paddle_static", "paddle_static"),
        ("target", "静态图", "paddle_static"),
        ("target", "FastDeploy", "fastdeploy"),
        ("context_length", "8k", 8192),
        ("context_length", "4,096 tokens", 4096),
        ("context_length", "all", 16_000),
        ("context_length", "全部", 16_000),
        ("context_length", "auto", None),
        ("hardware", "this machine", None),
        ("hardware", "本机", None),
        ("hardware", "two 4090s", "two 4090s"),
        ("hardware", "我有一台8卡A100的机器", "我有一台8卡A100的机器"),
        ("price", "$2.50 an hour", 2.5),
        ("price", "免费", None),
        ("test_prompts", "prompts.txt", "prompts.txt"),
        ("test_prompts", "dev", None),
    ],
)
def test_free_text(key: str, line: str, value: Value | None) -> None:
    assert read(key, line).value == value


@pytest.mark.parametrize(
    ("key", "line", "words"),
    [
        ("model", "qwen", "fits"),
        ("model", "smolm2-135m", "Did you mean"),
        ("data", "my cat", "is no path and no data set"),
        ("data", "1 row", "At least two rows"),
        ("data", "100 rows of 350:20 tokens", "cannot be shorter"),
        ("stage", "grpo", "The nearest is dpo"),
        ("stage", "make it sing", "is no answer here"),
        ("goal", "purple", "Type one of balance, quality, speed, memory"),
        ("goal", "qualty", "Did you mean `quality`"),
        ("method", "magic", "is no answer here"),
        ("time_limit", "soon", "is no time"),
        ("time_limit", "999999999", "is no time"),
        ("target", "a toaster", "is no answer here"),
        ("context_length", "long", "is no number of tokens"),
        ("context_length", "3", "is no number of tokens"),
        ("hardware", "a potato", "potato"),
        ("price", "much", "is no price"),
        ("price", "0", "is no price"),
    ],
)
def test_what_is_not_understood_is_said_in_a_sentence(key: str, line: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(key, line)
    assert words in caught.value.sentence()


@pytest.mark.parametrize("key", [key for key in BY_KEY if key != "data"])
def test_every_value_of_a_choice_is_understood_when_it_is_typed(key: str) -> None:
    for choice in BY_KEY[key].choices(NEAR):
        if choice.value is not None:
            assert read(key, str(choice.value)).value == choice.value
