"""`.env`: every way in which such files are written is read as it is meant, or refused by its line."""

import codecs
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from environment.dotenv import BadLine, DotEnv, read

TEXT = "APP_NAME=Lübeck\nINVITATION_DAYS=30\n"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """Where one is to be, which nobody else may read."""
    made = tmp_path / ".env"
    before = os.umask(0o077)
    yield made
    os.umask(before)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("NAME=value # note", "value"),
        ("NAME=value\t# note", "value"),
        ("NAME=value#no note", "value#no note"),
        ("NAME=#value", ""),
        ("NAME= # note", ""),
        ("NAME=", ""),
        ("NAME='value'", "value"),
        ("NAME='value' # note", "value"),
        ("NAME='value # no note'", "value # no note"),
        ("NAME='a \"b\" c'", 'a "b" c'),
        ("NAME='a\\b'", "a\\b"),
        ('NAME="value"', "value"),
        ('NAME="value # no note" # note', "value # no note"),
        ('NAME="it\'s"', "it's"),
        (r'NAME="a \"b\" \\ \$c C:\new"', r'a "b" \ $c C:\new'),
        ("NAME=“value”", "value"),
        ("NAME=‘value’", "value"),
        ("NAME=Ada's Lab", "Ada's Lab"),
        ('NAME=5" disks', '5" disks'),
        ("NAME = value", "value"),
        ("  NAME\t=  value  ", "value"),
        ("export NAME=value", "value"),
        ("export\tNAME = 'value'", "value"),
        ("NAME=a=b==", "a=b=="),
        ("NAME=postgresql://u:p%23q@h/db?a=b#c", "postgresql://u:p%23q@h/db?a=b#c"),
        ("NAME=two words", "two words"),
        ("NAME=' kept '", " kept "),
        ("NAME=a\u2028b", "a\u2028b"),
    ],
)
def test_a_line_is_read_as_it_is_meant(file: Path, line: str, value: str) -> None:
    file.write_bytes(f"# first\n{line}\nLAST=1".encode())

    written = read(file)

    assert written.values == {"NAME": value, "LAST": "1"}
    assert written.warnings == []


@pytest.mark.parametrize(
    "line",
    [
        "NAME",
        "NAME: secret",
        "=secret",
        "9NAME=secret",
        "MY-NAME=secret",
        "set NAME=secret",
        "NÄME=secret",
        "NAME='secret",
        'NAME="secret',
        "NAME='secret' secret",
        "NAME='it's secret'",
        "NAME=“secret",
        "NAME=secret\x00",
        "NAME=sec\x1bret",
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_not_shown(file: Path, line: str) -> None:
    file.write_bytes(f"# first\n{line}\nLAST=1".encode())

    with pytest.raises(BadLine, match=r"^\.env line [12] ") as raised:
        read(file)

    assert "secret" not in str(raised.value)


def test_a_value_over_several_lines_is_refused_by_the_line_where_it_begins(file: Path) -> None:
    file.write_text('A=1\nSECRET_KEY="first\nB=second"\n')

    with pytest.raises(BadLine, match=r"^\.env line 2 .* in the same line"):
        read(file)


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        codecs.BOM_UTF16_LE + TEXT.replace("\n", "\r\n").encode("utf-16-le"),
    ],
)
def test_it_may_be_saved_by_any_editor(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    assert read(file).values == {"APP_NAME": "Lübeck", "INVITATION_DAYS": "30"}


def test_another_encoding_is_refused_by_its_line_unless_only_a_note_is_in_it(file: Path) -> None:
    file.write_bytes("# für alle\nA=1\n".encode("latin-1"))
    assert read(file).values == {"A": "1"}

    file.write_bytes("# first\nAPP_NAME=Lübeck\n".encode("latin-1"))
    with pytest.raises(BadLine, match=r"^\.env line 2 can't be read: save the file as UTF-8\.$"):
        read(file)


def test_of_a_name_that_stands_twice_the_last_counts_with_a_warning(file: Path) -> None:
    file.write_text("A=1\nB=2\nA=3\nB=2\n")

    written = read(file)

    assert written.values == {"A": "3", "B": "2"}
    assert written.warnings == [".env sets A in line 1 and in line 3: the last one counts."]


@pytest.mark.parametrize("name", ["EMAIL_HOST_PASSWORD", "LABEL_STUDIO_EMAIL_HOST_PASSWORD"])
@pytest.mark.parametrize("value", ["pass #word", "#word", "pass #word #2"])
def test_a_secret_is_kept_whole_with_a_warning_that_names_its_line(file: Path, name: str, value: str) -> None:
    file.write_text(f"# first\n{name}={value}\n")

    written = read(file, secrets=frozenset({"EMAIL_HOST_PASSWORD"}))

    assert written.values == {name: value}
    assert written.warnings == [
        f".env line 2: {name} is a secret, so what stands behind # counts as a part of it. "
        "Put the secret in quotation marks, or take the note out."
    ]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY='pass #word' # note", "pass #word"),
        ('KEY="pass #word"', "pass #word"),
        ("KEY=pass#word", "pass#word"),
        ("KEY=", ""),
        ("KEY= # note", ""),
        ("OTHER=value # note", "value"),
    ],
)
def test_a_secret_that_can_be_read_in_one_way_needs_no_warning(file: Path, line: str, value: str) -> None:
    file.write_text(line)

    assert read(file, secrets=frozenset({"KEY"})) == DotEnv({line.partition("=")[0]: value}, [])


@pytest.mark.parametrize(
    ("mode", "line", "warned"),
    [
        (0o644, "KEY=secret", True),
        (0o606, "LABEL_STUDIO_KEY=secret", True),
        (0o602, "KEY=secret", True),
        (0o640, "KEY=secret", False),
        (0o600, "KEY=secret", False),
        (0o644, "KEY=", False),
        (0o644, "OTHER=value", False),
    ],
)
def test_a_secret_that_everybody_may_read_is_warned_about(
    file: Path, mode: int, line: str, warned: bool
) -> None:
    file.write_text(line)
    file.chmod(mode)

    warnings = read(file, secrets=frozenset({"KEY"})).warnings

    assert [
        warning.startswith("Everybody on this machine may read or write .env") for warning in warnings
    ] == ([True] if warned else [])
    assert "secret:" not in "".join(warnings)


def test_a_folder_of_that_name_is_refused(file: Path) -> None:
    file.mkdir()

    with pytest.raises(BadLine, match="is a folder"):
        read(file)
