"""Help and errors about what was typed, in Chinese: every text is said, columns align."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import click
import pytest
from rich.cells import cell_len

from planner.language import catalogue, speaking
from tui.command_line import cli, main
from tui.help_texts import Context, HelpFormatter, first_sentence, paragraphs, texts_of, walk
from tui.line_breaks import filled
from tui.speech import from_arguments

COMMANDS = dict(walk(cli))
HAN = re.compile(r"[\u4e00-\u9fff]")
WIDTH = 80


def page(name: str, language: str = "zh", formatter: type[click.HelpFormatter] = HelpFormatter) -> str:
    """The help of a command as a terminal of WIDTH columns shows it."""
    context = Context(COMMANDS[name], info_name=name, terminal_width=WIDTH - 2)
    context.formatter_class = formatter
    with speaking(language):
        return COMMANDS[name].get_help(context)


def packed(text: str) -> str:
    """The text without blanks and line ends: what is compared wherever lines were broken."""
    return "".join(text.split())


def examples(name: str) -> list[str]:
    """What the help of a command shows to type."""
    lines = (line for lines in paragraphs(COMMANDS[name].help or "") for line in lines)
    return [line.text for line in lines if line.is_command]


def typed(*arguments: str, locale: str = "C.UTF-8") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": locale, "PYTHONUTF8": "1", "COLUMNS": str(WIDTH)}
    command = [sys.executable, "-m", "tui.command_line", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=environment)


def test_groups_are_walked_to_their_commands() -> None:
    names = {"steersman", "steersman plan", "steersman engines install", "steersman data convert"}
    assert names | {"steersman recipes show"} <= set(COMMANDS)
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("name", COMMANDS)
def test_every_text_of_the_help_is_printed_in_chinese(name: str) -> None:
    shown = packed(page(name))
    above = COMMANDS.get(name.rpartition(" ")[0])
    for text in texts_of(COMMANDS[name]):
        translated = catalogue("zh").gettext(text)
        assert translated != text
        assert HAN.search(translated), text
        listed_above = text == COMMANDS[name].short_help and above is not None
        assert packed(translated) in (packed(page(name.rpartition(" ")[0])) if listed_above else shown), text
    for words in ("用法：", "选项：", "显示此帮助并退出。", "所说的语言"):
        assert words in shown
    for theirs in ("Usage", "Options", "Commands", "OPTIONS", "ARGS", "required]", "default:", "Example"):
        assert theirs not in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_lines_fit_and_columns_align(name: str) -> None:
    whole = page(name)
    for command in examples(name):
        assert f"  {command}\n" in whole + "\n", "an example is neither translated nor wrapped"
    lines = [line for line in whole.splitlines() if not line.strip().startswith("steersman ")]
    assert [line for line in lines if cell_len(line) > WIDTH and "[" not in line] == []
    context = Context(COMMANDS[name])
    labels = [
        record[0] for each in COMMANDS[name].get_params(context) if (record := each.get_help_record(context))
    ]
    margin = 2 + min(max(map(len, labels)), 30) + 2
    for line in whole.partition("选项：\n")[2].partition("\n\n")[0].splitlines():
        label, text = line[:margin], line[margin:]
        assert label.strip() == "" or label.strip() in labels or line.strip() in labels, line
        assert line.strip() in labels or (label.endswith("  ") and not text.startswith(" ")), line


@pytest.mark.parametrize("name", COMMANDS)
def test_english_help_is_as_click_writes_it(name: str) -> None:
    assert page(name, "en") == page(name, "en", click.HelpFormatter)
    assert "..." not in [line[-3:] for line in page(name, "en").partition("Commands:")[2].splitlines()]


def test_marks_behind_an_option_are_said() -> None:
    predict = page("steersman predict")
    assert "[必需]" in predict
    assert "[默认：256; x>=1]" in predict


@pytest.mark.parametrize(
    ("arguments", "sentences"),
    [
        (
            ["plan", "--lang", "zh", "--bogus"],
            ["没有选项 '--bogus'。", "用 'steersman plan --help' 查看帮助"],
        ),
        (["--lang", "zh", "plan", "--gaol", "x"], ["没有选项 '--gaol'。", "--goal", "吗"]),
        (["plan", "--goal", "x", "--lang=zh"], ["'--goal' 的值无效：'x' 不在可选值之中：'quality'"]),
        (["--lang", "zh", "plan", "--data-rows", "many"], ["'many' 不是有效的整数。"]),
        (["--lang", "zh", "plan", "--time-limit", "soon"], ["'soon' 不是有效的数字。"]),
        (["--lang", "zh", "plan", "--data-rows", "1"], ["1 不在范围 x>=2 内。"]),
        (["--lang", "zh", "plan", "--model"], ["选项 '--model' 需要一个值。"]),
        (["--lang", "zh", "plan", "--why=yes"], ["选项 '--why' 不带值。"]),
        (["--lang", "zh", "plan", "-o", "/"], ["文件 '/' 是文件夹。"]),
        (["--lang", "zh", "explain"], ["缺少参数 'PLAN'。\n"]),
        (["--lang", "zh", "convert", "a", "b"], ["缺少选项 '--to'。可选：", "huggingface"]),
        (["--lang", "zh", "doctor", "me"], ["多出了参数（me）"]),
        (["--lang", "zh", "data", "inspekt"], ["没有命令 'inspekt'。"]),
        (["--lang", "zh", "plna"], ["没有命令 `plna`。", "用法：steersman [选项] [命令] [参数]..."]),
    ],
)
def test_an_error_about_what_was_typed_is_chinese(
    arguments: list[str], sentences: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert "错误：" in shown
    for sentence in sentences:
        assert sentence in shown
    assert not re.search(r"Usage|Error|Try|Invalid|Missing|No such|Did you|valid|does not", shown)


def test_the_same_error_in_english_is_click_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "en", "explain"]) == 2
    shown = capsys.readouterr().err
    assert "Usage: steersman explain [OPTIONS] PLAN [FIELD]..." in shown
    assert "Error: Missing argument 'PLAN'." in shown


@pytest.mark.parametrize(
    ("arguments", "language"),
    [
        ("plan", None),
        ("--lang zh plan", "zh"),
        ("plan --help --lang zh", "zh"),
        ("plan --lang=zh --help", "zh"),
        ("--lang zh plan --lang en", "en"),
        ("--lang=zh plan --lang en", "en"),
        ("--lang en plan --lang=zh", "zh"),
        ("plan --lang fr", None),
        ("plan --lang", None),
        ("explain -- --lang zh", None),
        ("explain zh", None),
    ],
)
def test_the_language_is_known_before_anything_is_read(arguments: str, language: str | None) -> None:
    assert from_arguments(arguments.split()) == language


def test_help_speaks_the_locale_and_lang_wherever_it_stands() -> None:
    by_locale = typed("data", "fix", "--help", locale="zh_CN.UTF-8")
    assert by_locale.returncode == 0
    assert "逐行为 DATA 提出修复" in by_locale.stdout
    for arguments in (("--lang", "zh", "data", "fix", "-h"), ("data", "fix", "-h", "--lang", "zh")):
        assert typed(*arguments).stdout == by_locale.stdout
    english = typed("data", "fix", "--help", "--lang", "en", locale="zh_CN.UTF-8")
    assert "Propose fixes for the rows of DATA" in english.stdout


@pytest.mark.parametrize(("language", "loaded"), [("en", False), ("zh", True)])
def test_help_of_all_imports_no_command_and_english_no_catalogue(language: str, loaded: bool) -> None:
    code = (
        f"import sys; from tui.command_line import main; main(['--lang', '{language}', '--help']);"
        "print([name for name in sys.modules if name.startswith('tui.commands.')], 'polib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"[] {loaded}"


def test_paragraphs_of_a_docstring() -> None:
    text = "One line\n  that goes on.\n\n  \b\n  Examples:\n    steersman x  # now\n  It is\n  over.\n"
    first, block = paragraphs(text)
    assert [(line.text, line.is_command) for line in first] == [("One line that goes on.", False)]
    assert [(line.text, line.is_command) for line in block] == [
        ("Examples:", False),
        ("  steersman x  # now", True),
        ("It is over.", False),
    ]
    assert first_sentence("Do it. Then rest.") == "Do it."
    assert first_sentence("Do it\n    now.") == "Do it now."


def test_lines_are_filled_by_their_width_on_the_screen() -> None:
    text = "打印易读的计划；`-o` 写出计划文件，它可以交给 `steersman run`，也可以由您编辑。"
    for width in range(20, 90):
        lines = filled(text, width)
        assert packed("".join(lines)) == packed(text)
        assert all(cell_len(line) <= width for line in lines)
    assert filled("word " * 4, 9) == ["word word", "word word"]
    assert filled("", 10) == [""]


def test_no_example_is_a_sentence() -> None:
    """Comments would stay English: examples are commands alone."""
    for name in COMMANDS:
        for line in examples(name):
            assert re.match(r" +([A-Z_]+=\S+ )?(steersman|rendered/)", line), line
