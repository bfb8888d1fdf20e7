"""The endpoint: the real command, a real model, requests as clients of OpenAI's API send them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from runtime.serving.asked import ApiError, chat_question, text_question
from runtime.serving.model import Limits, ServedModel
from runtime.serving.stopping import StopFilter
from tests.runtime.finished_run import engine_home, finished_run
from tests.runtime.results_setup import CHATS, LEARNT, Trained
from tui.command_line import main

KEY = "a-key-of-the-test"


class Served:
    """The running command."""

    def __init__(self, home: Path, run: Path, *options: str, **environment: str) -> None:
        command = [sys.executable, "-m", "tui.command_line", "serve-model", str(run), "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--name", "tiny", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "STEERSMAN_HOME": str(home), "STEERSMAN_API_KEY": KEY, **environment},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + (self.process.stderr.read() if self.process.stderr else "")
        self.address = found.group()

    def ask(
        self, *requests: tuple[str, dict[str, Any]], key: str = KEY, **headers: str
    ) -> list[tuple[int, str]]:
        """Send requests at once; return (status, text) of each."""

        async def one(session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> tuple[int, str]:
            method = "POST" if body else "GET"
            async with session.request(method, self.address + path, json=body or None) as answer:
                return answer.status, await answer.text()

        async def all_of_them() -> list[tuple[int, str]]:
            sent = {"Authorization": f"Bearer {key}", **headers}
            async with aiohttp.ClientSession(headers=sent) as session:
                return list(await asyncio.gather(*(one(session, path, body) for path, body in requests)))

        return asyncio.run(all_of_them())

    def chat(self, **body: Any) -> tuple[int, Any]:
        """Ask in a conversation, greedily unless told otherwise."""
        asked = {"model": "tiny", "messages": CHATS[0], "temperature": 0, "max_tokens": 40, **body}
        status, text = self.ask(("/chat/completions", asked))[0]
        return status, text if body.get("stream") else json.loads(text)


@pytest.fixture(scope="module")
def served(
    taught: Trained, engine_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("serving")
    home = engine_home(root / "home", engine_python)
    run = finished_run(
        root / "run", {"convert": ("model", taught.base), "merge": ("model", taught.root / "taught")}
    )
    server = Served(home, run.root)
    workers = psutil.Process(server.process.pid).children()
    yield server
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 0
    psutil.wait_procs(workers, timeout=20)
    assert workers and not any(worker.is_running() for worker in workers)


@pytest.mark.engine
def test_an_answer_has_openais_form(served: Served) -> None:
    status, found = served.chat()
    assert status == 200
    assert (found["object"], found["model"]) == ("chat.completion", "tiny")
    choice = found["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": LEARNT}
    assert choice["finish_reason"] == "stop"
    usage = found["usage"]
    assert usage["completion_tokens"] == len(LEARNT)  # the tiny tokenizer has one token per byte
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    status, models = served.ask(("/models", {}))[0]
    assert [model["id"] for model in json.loads(models)["data"]] == ["tiny"]


@pytest.mark.engine
def test_a_stream_adds_up_and_ends_with_done(served: Served) -> None:
    status, text = served.chat(stream=True, stream_options={"include_usage": True})
    assert status == 200
    events = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert len({chunk["id"] for chunk in chunks}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert deltas[0]["role"] == "assistant"
    assert "".join(delta.get("content", "") for delta in deltas) == LEARNT
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]][-1] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] == len(LEARNT)


@pytest.mark.engine
def test_limits_stops_and_bare_texts(served: Served) -> None:
    assert served.chat(max_tokens=4)[1]["choices"][0]["finish_reason"] == "length"
    stopped = served.chat(stop=["Steer"])[1]["choices"][0]
    assert (stopped["message"]["content"], stopped["finish_reason"]) == ("I am ", "stop")
    prompt = f"<|im_start|>user\n{CHATS[0][0]['content']}<|im_end|>\n<|im_start|>assistant\n"
    body = {"model": "tiny", "prompt": prompt, "max_tokens": 3, "temperature": 0}
    status, text = served.ask(("/completions", body))[0]
    found = json.loads(text)
    assert status == 200 and found["object"] == "text_completion"
    assert (found["choices"][0]["text"], found["choices"][0]["finish_reason"]) == (LEARNT[:3], "length")
    assert found["usage"]["completion_tokens"] == 3


@pytest.mark.engine
@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "gpt-4"}, 404, "no model gpt-4"),
        ({"messages": []}, 400, "`messages`"),
        ({"n": 3}, 400, "`n` is not supported"),
        ({"logprobs": True}, 400, "`logprobs` is not supported"),
        ({"top_k": 5}, 400, "`top_k` is not supported"),
        ({"max_tokens": 0}, 400, "`max_tokens` must be a whole number"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, 400, "must end with a message"),
        ({"messages": [{"role": "user", "content": "a" * 600}]}, 400, "all that the model can hold"),
    ],
)
def test_errors_have_openais_form(body: dict[str, Any], status: int, words: str, served: Served) -> None:
    got, found = served.chat(**body)
    assert got == status
    assert set(found["error"]) == {"message", "type", "param", "code"}
    said = found["error"]["message"]
    assert words in said and "/reset" not in said, "no client has slash commands"


@pytest.mark.engine
def test_strangers_and_unknown_addresses_are_refused(served: Served) -> None:
    assert served.ask(("/models", {}), key="wrong")[0][0] == 401
    assert served.ask(("/models", {}), Origin="http://elsewhere.example")[0][0] == 403
    assert served.ask(("/models", {}), Host="rebound.example")[0][0] == 403
    status, text = served.ask(("/embeddings", {"input": "a"}))[0]
    assert status == 404 and json.loads(text)["error"]["code"] == "not_found"


def test_one_model_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve-model", "--base", "--static"]) == 2
    assert "one is served" in " ".join(capsys.readouterr().err.split())


def test_one_is_answered_one_waits_and_the_rest_are_sent_away() -> None:
    model = ServedModel(None, "tuned", Limits(waiting=1, queue_seconds=0.05))  # type: ignore[arg-type]

    async def turn() -> int:
        try:
            async with model.my_turn():
                return 200
        except ApiError as error:
            return error.status

    async def crowd() -> list[int]:
        async with model.my_turn():
            too_long, too_many = await asyncio.gather(turn(), turn())
        return [too_long, too_many, await turn()]

    assert asyncio.run(crowd()) == [503, 429, 200]


class Endless:
    """Stands in for a worker: says one word after the other until it is interrupted."""

    def __init__(self) -> None:
        self.process = self
        self.interrupted = threading.Event()

    def poll(self) -> None:
        """Live on."""

    def request(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while not self.interrupted.wait(0.001):
            yield {"kind": "piece", "text": "on and "}
        yield {"kind": "end", "reason": "interrupted", "text": "", "tokens": 1, "prompt_tokens": 1}

    def interrupt(self) -> None:
        self.interrupted.set()


def test_whoever_stops_listening_ends_the_answer() -> None:
    model = ServedModel(None, "tuned", Limits())  # type: ignore[arg-type]
    model.worker = worker = Endless()  # type: ignore[assignment]

    async def listen() -> str:
        async with model.my_turn(), contextlib.aclosing(model.answer({})) as replies:
            async for reply in replies:
                return str(reply["text"])
        return ""

    assert asyncio.run(listen()) == "on and "
    assert worker.interrupted.is_set() and not model.turn.locked()


def test_an_answer_that_takes_too_long_is_cut() -> None:
    model = ServedModel(None, "tuned", Limits(answer_seconds=0.02))  # type: ignore[arg-type]
    model.worker = Endless()  # type: ignore[assignment]

    async def listen() -> list[str]:
        return [reply["kind"] async for reply in model.answer({})]

    assert asyncio.run(listen())[-1] == "end"


@pytest.mark.parametrize(
    ("pieces", "stops", "sent"),
    [
        (["I am ", "Steers", "man."], ("Steer",), "I am "),
        (["a", "b", "c"], ("bc",), "a"),
        (["ab", "ab", "x"], ("aba",), ""),
        (["a\n", "\nb"], ("\n\n",), "a"),
        (["plain"], (), "plain"),
        (["end"], ("ends",), "end"),
    ],
)
def test_an_answer_ends_before_a_stop_text(pieces: list[str], stops: tuple[str, ...], sent: str) -> None:
    stop = StopFilter(stops)
    assert "".join([*map(stop.let_through, pieces), stop.rest()]) == sent


def test_requests_are_read_as_openai_means_them() -> None:
    body = {"messages": [{"role": "developer", "content": [{"type": "text", "text": "Hi"}]}], "stop": "x"}
    question = chat_question(body)
    assert question.request["messages"] == [{"role": "system", "content": "Hi"}]
    assert (question.stops, question.request["temperature"], question.stream) == (("x",), 1.0, False)
    assert text_question({"prompt": ["a"]}).request["max_new_tokens"] == 16
    for wrong in ({"prompt": ["a", "b"]}, {"prompt": "a", "temperature": 3}, {"prompt": "a", "stop": [1]}):
        with pytest.raises(ApiError):
            text_question(wrong)
