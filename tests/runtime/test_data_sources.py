"""Awkward files: each is read right, or refused in one sentence that says what, where and what to do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from planner.errors import BadInput
from runtime.data.bundled import bundled_names, resolve_data
from runtime.data.json_rows import CHUNK, whole_list
from runtime.data.scan import scan
from runtime.data.sources import fingerprint, open_source
from tests.runtime.data_files import write_rows

ROW = {"src": "Frage", "tgt": "Antwort, größer"}
LINE = json.dumps(ROW, ensure_ascii=False)


def refusal(path: Path) -> str:
    with pytest.raises(BadInput) as error:
        scan(str(path), None)
    return error.value.sentence()


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("bom.jsonl", b"\xef\xbb\xbf" + LINE.encode() + b"\n"),
        ("bom.json", b"\xef\xbb\xbf" + json.dumps([ROW]).encode()),
        ("bom.csv", b"\xef\xbb\xbfsrc,tgt\nFrage,Antwort\n"),
        ("crlf.jsonl", LINE.encode() + b"\r\n" + LINE.encode() + b"\r\n"),
        ("crlf.csv", b"src,tgt\r\nFrage,Antwort\r\n"),
        ("no_newline_at_end.jsonl", LINE.encode()),
        ("blank_lines.jsonl", b"\n\n" + LINE.encode() + b"\n\n"),
        ("list.jsonl", b" [" + LINE.encode() + b"]"),
        ("lines.json", LINE.encode() + b"\n" + LINE.encode() + b"\n"),
        ("UPPER.JSONL", LINE.encode() + b"\n"),
        ("quoted.csv", b'src,tgt\n"two\nlines","a ""quote"", and a comma"\n'),
    ],
)
def test_harmless(name: str, contents: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(contents)
    scanned = scan(str(tmp_path / name), None)
    assert scanned.rows_read >= 1
    assert scanned.facts.unusable_rows == 0


@pytest.mark.parametrize(
    ("name", "contents", "said"),
    [
        ("empty.jsonl", b"", "is empty."),
        ("blank.json", b" \n\n", "is empty."),
        ("bytes.jsonl", b"\xef\xbb\xbf", "is empty."),
        ("nul.jsonl", LINE.encode() + b"\n" + b'{"src": "\0"}\n', "line 2: there is a NUL byte."),
        (
            "latin.jsonl",
            b'{"src": "a", "tgt": "b"}\n{"src": "gr\xf6\xdfer", "tgt": "b"}\n',
            "line 2: the text is not UTF-8.",
        ),
        ("latin.csv", b"src,tgt\na,b\nc,gr\xf6\xdfer\n", "line 3: the text is not UTF-8."),
        (
            "gbk.jsonl",
            '{"src": "a", "tgt": "你好，世界"}\n'.encode("gb18030") * 3,
            "iconv -f GB18030 -t UTF-8 gbk.jsonl",
        ),
        ("utf16.json", json.dumps([ROW]).encode("utf-16"), "is written in UTF-16. Convert it: iconv"),
        ("cut.jsonl", LINE.encode() + b"\n" + LINE.encode()[:-3], "line 2: the last line is incomplete."),
        (
            "cut.json",
            json.dumps([ROW, ROW], indent=1).encode()[:-12],
            "the file ends in the middle of the list, at row 2.",
        ),
        (
            "cut_after_comma.json",
            b"[" + LINE.encode() + b",\n",
            "line 2: the file ends in the middle of the list, at row 2.",
        ),
        ("cut_bytes.jsonl", LINE.encode()[:-7], "line 1: the file ends in the middle of a character."),
        (
            "comma.json",
            b'[{"src": "a", "tgt": "b"}\n {"src": "a"}]',
            "line 2: row 1 is not JSON: expected a comma",
        ),
        (
            "colon.json",
            b'[{"src": "a", "tgt": "b"},\n\n {"src" "a"}]',
            "line 3: row 2 is not JSON: expecting ':' delimiter",
        ),
        (
            "two.json",
            b'[{"src": "a", "tgt": "b"}]\n[]',
            "line 2: there is more text after the end of the list.",
        ),
        ("object.json", b'{\n "src": "a"\n}\n', "line 1: the first row does not end on its line."),
        ("no_rows.json", b"[]", "the rows are no objects"),
        ("numbers.json", b"[1, 2]", "the rows are no objects"),
        ("data.md", b"Hello", "the ending `.md` is unknown. Rename it to .txt"),
        ("data", b"Hello", "the ending `data` is unknown. Accepted are .json"),
        ("table.xlsx", b"Hello", "Save the sheet as CSV"),
        ("json.csv", LINE.encode(), "ends in `.csv` but holds JSON lines (.jsonl). Give it its own ending."),
        ("bytes.jsonl", b"\x8f\x00\x01\xfe\n\x00", "but holds binary data. Accepted are .json"),
        ("csv.json", b"src,tgt\na,b\n", "ends in `.json` but holds plain text."),
        ("json.parquet", LINE.encode(), "ends in `.parquet` but holds JSON lines"),
        ("packed.json", gzip.compress(LINE.encode(), mtime=0), "is packed (gzip). Unpack it first."),
        ("damaged.parquet", b"PAR1 nothing more", "is a damaged Parquet file"),
        ("header.csv", b"src,tgt\n", "has a header line but no rows."),
        ("cells.csv", b"src,tgt\na,b,c\n", "the header names 2 columns but row 1 has 3 cells."),
        ("more_cells.csv", b"src,tgt\na,b\nc,d,e\n", "Expected 2 fields in line 3, saw 3."),
        ("quote.csv", b'src,tgt\na,b\n"c,d\n', "EOF inside string starting at row"),
        ("twice.csv", b"src,src\na,b\n", "the column `src` appears twice."),
    ],
)
def test_refused(name: str, contents: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(contents)
    sentence = refusal(path)
    assert said in sentence
    assert str(path) in sentence
    assert "\n" not in sentence


def test_parquet_under_another_name(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.parquet", [ROW]).rename(tmp_path / "a.json")
    assert "holds Parquet" in refusal(tmp_path / "a.json")


def test_row_across_many_windows_and_line_numbers(tmp_path: Path) -> None:
    long = {"src": "x" * (3 * CHUNK), "tgt": 'a "quoted" \\ ünïcode'}
    path = write_rows(tmp_path / "a.json", [ROW, long, ROW])
    rows = list(whole_list(path))
    assert [row.value for row in rows] == [ROW, long, ROW]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [lines[row.line - 1] for row in rows] == [" {", " {", " {"]
    assert rows[-1].end == path.stat().st_size


def test_long_cells_are_no_problem(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.csv", [{"src": "x" * 300_000, "tgt": "y"}])
    assert scan(str(path), None).facts.lengths.max > 70_000


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 200_000, encoding="utf-8")
    assert "nested too deeply" in refusal(tmp_path / "deep.json")


class TestFolders:
    @pytest.mark.parametrize(
        ("train", "dev"),
        [
            ("train.json", "dev.json"),
            ("train.jsonl", "validation.jsonl"),
            ("train-00000-of-00002.jsonl", "val-00000-of-00001.jsonl"),
            ("train/part.jsonl", "dev/part.jsonl"),
            ("Train.csv", "eval.csv"),
            ("training_rows.parquet", "valid.parquet"),
        ],
    )
    def test_train_and_dev_files(self, train: str, dev: str, tmp_path: Path) -> None:
        write_rows(tmp_path / train, [ROW, {**ROW, "src": "2"}])
        write_rows(tmp_path / dev, [{**ROW, "src": "3"}])
        write_rows(tmp_path / "prompts.jsonl", [{"other": 1}])
        facts = scan(str(tmp_path), None).facts
        assert (facts.train_rows, facts.dev_rows, facts.dev_given) == (2, 1, True)

    def test_several_train_files_are_one_set(self, tmp_path: Path) -> None:
        for part in range(3):
            write_rows(tmp_path / f"train-{part}.jsonl", [{**ROW, "src": str(part)}])
        facts = scan(str(tmp_path), None, dev_fraction=0).facts
        assert (facts.train_rows, facts.dev_rows) == (3, 0)

    def test_duplicates_over_several_files(self, tmp_path: Path) -> None:
        for part in range(3):
            write_rows(tmp_path / f"train-{part}.jsonl", [{**ROW, "src": str(part)}, ROW])
        write_rows(tmp_path / "dev.jsonl", [{**ROW, "src": "2"}])
        found = [(finding.file, finding.row, finding.what) for finding in scan(str(tmp_path), None).findings]
        assert found == [
            ("train-1.jsonl", 2, "the same as row 2 of train-0.jsonl"),
            ("train-2.jsonl", 2, "the same as row 2 of train-0.jsonl"),
            ("dev.jsonl", 1, "it is also training row 1 of train-2.jsonl"),
        ]

    def test_a_single_file_of_any_name(self, tmp_path: Path) -> None:
        write_rows(tmp_path / "my rows.jsonl", [ROW, {**ROW, "src": "2"}])
        assert scan(str(tmp_path), None).rows_read == 2

    def test_no_data(self, tmp_path: Path) -> None:
        (tmp_path / "README.md").write_text("hello")
        assert "has no training file. It holds no data file." in refusal(tmp_path)

    def test_unclear_which_file(self, tmp_path: Path) -> None:
        write_rows(tmp_path / "a.jsonl", [ROW])
        write_rows(tmp_path / "b.jsonl", [ROW])
        assert "has no training file. It holds a.jsonl, b.jsonl." in refusal(tmp_path)

    def test_the_same_data_twice(self, tmp_path: Path) -> None:
        write_rows(tmp_path / "train.json", [ROW])
        write_rows(tmp_path / "train.jsonl", [ROW])
        assert "several kinds of train file: train.json, train.jsonl" in refusal(tmp_path)


class TestNames:
    def test_bundled(self) -> None:
        assert "steersman-demo" in bundled_names()
        facts = scan("steersman-demo", None).facts
        assert (facts.path, facts.train_rows, facts.dev_rows, facts.unusable_rows) == (
            "steersman-demo",
            110,
            10,
            0,
        )

    def test_misspelt_bundled_name(self) -> None:
        with pytest.raises(BadInput, match="no data set steersman-dmo") as error:
            resolve_data("steersman-dmo")
        assert "Did you mean steersman-demo?" in error.value.remedy

    def test_misspelt_file(self, tmp_path: Path) -> None:
        write_rows(tmp_path / "identity.json", [ROW])
        with pytest.raises(BadInput) as error:
            resolve_data(str(tmp_path / "identity.jsonl"))
        assert f"Did you mean {tmp_path / 'identity.json'}?" in error.value.remedy


def test_fingerprint_is_of_the_bytes(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "a.jsonl", [ROW])
    other = write_rows(tmp_path / "other" / "b.jsonl", [ROW])
    assert fingerprint(open_source(first)) == fingerprint(open_source(other))
    write_rows(other, [{**ROW, "src": "!"}])
    assert fingerprint(open_source(first)) != fingerprint(open_source(other))


def test_utf8_that_straddles_chunks_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for shift in range(4):
        text = "x" * shift + "😀" * (CHUNK // 2)
        path.write_text(json.dumps({"src": text, "tgt": "b"}, ensure_ascii=False) + "\n", encoding="utf-8")
        assert scan(str(path), None).rows_read == 1


def test_nothing_is_left_in_the_cache_of_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "a.csv"
    for answer in ("old", "new"):
        path.write_text(f"src,tgt\nq,{answer}\n", encoding="utf-8")
        found: list[str] = []
        scan(str(path), None, sink=lambda role, value, row, into=found: into.append(row.pairs[0][1]))  # type: ignore[misc]
        assert found == [answer]
    assert not (tmp_path / "cache").exists()
