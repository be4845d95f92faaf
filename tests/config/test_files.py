from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mainstay.config.files import check_depth, read_config, read_secret
from mainstay.config.unreadable import Unreadable


def reason(path: Path) -> str:
    with pytest.raises(Unreadable) as caught:
        read_config(path)
    return str(caught.value)


def test_toml_and_yaml_are_told_apart_by_their_ending(tmp_path: Path) -> None:
    """.toml, .yaml and .yml are read, in any case, and a byte order mark is no content."""
    for name, text in [("a.toml", "x = 1"), ("a.yaml", "x: 1"), ("a.YML", "x: 1")]:
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert read_config(tmp_path / name) == {"x": 1}


def test_an_empty_file_is_an_empty_table(tmp_path: Path) -> None:
    """Both formats agree."""
    for name in ("a.toml", "a.yaml"):
        (tmp_path / name).write_text("")
        assert read_config(tmp_path / name) == {}


def test_what_cannot_be_opened_has_a_plain_reason(tmp_path: Path) -> None:
    """Missing, a directory, an unknown ending and an impossible name are told apart."""
    (tmp_path / "dir.toml").mkdir()
    assert reason(tmp_path / "no.toml") == "the file does not exist"
    assert reason(tmp_path / "dir.toml") == "this is a directory, not a file"
    assert "its format is not known" in reason(tmp_path / "a.json")
    assert reason(tmp_path / "a\0.toml") == "this cannot be the name of a file"
    assert "cannot be read" in reason(tmp_path / f"{'a' * 300}.toml")


@pytest.mark.parametrize("is_written", [False, True])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, is_written: bool) -> None:
    """Named, or as a shell's `<(...)` gives it, with a writer at its other end or without."""
    path = tmp_path / "a.toml"
    os.mkfifo(path)
    keep = os.open(path, os.O_RDWR) if is_written else None
    assert reason(path) == "this is a pipe, not a file"
    with pytest.raises(Unreadable, match="this is a pipe, not a file"):
        read_secret(path)
    if keep is not None:
        with pytest.raises(Unreadable, match="this is a pipe, not a file"):
            read_secret(Path(f"/dev/fd/{keep}"))
        os.close(keep)


def test_a_device_and_a_socket_are_no_files(tmp_path: Path) -> None:
    """Whatever they would give or wait for."""
    with pytest.raises(Unreadable, match="this is a device, not a file"):
        read_secret(Path("/dev/zero"))
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "a.toml"))
        assert "the file cannot be read" in reason(tmp_path / "a.toml")


def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    """The reason is the permission, not the content."""
    path = tmp_path / "a.toml"
    path.write_text("x = 1")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert reason(path) == "the file may not be read by this user"


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"a = 1\nb = ", "line 2, column 5: Invalid value"),
        (b"a = 1\n b : 2", "line 2, column 4: "),
        (b"a = 1\na = 2", "line 2, column 6: Cannot overwrite a value"),
        (b"a = 1\nb = '\xff'", "line 2, byte 6: the file is not UTF-8"),
        (b"a = " + b"9" * 5000, "a value cannot be read: "),
        (b"a = " + b"[" * 100 + b"]" * 100, "tables and lists are nested more than 64 deep"),
        (b"a = " + b"[" * 100_000, "tables and lists are nested more than 64 deep"),
        (b"a" + b".a" * 70 + b" = 1", "tables and lists are nested more than 64 deep"),
    ],
)
def test_broken_toml_names_line_and_column(tmp_path: Path, octets: bytes, said: str) -> None:
    """Syntax, encoding, numbers and depth fail alike, and show no value."""
    path = tmp_path / "a.toml"
    path.write_bytes(octets)
    assert reason(path).startswith(said)


def test_a_file_of_the_wrong_kind_is_not_read_whole(tmp_path: Path) -> None:
    """Beyond 4 MiB it is no configuration."""
    path = tmp_path / "a.toml"
    with path.open("wb") as file:
        file.truncate(5 * 2**20)
    assert reason(path) == "the file is larger than 4 MiB"


def test_a_yaml_file_must_be_a_table(tmp_path: Path) -> None:
    """A list or a word at the top has no keys."""
    path = tmp_path / "a.yaml"
    path.write_text("- 1")
    assert reason(path) == "the file must contain a table of keys and values"


@pytest.mark.parametrize(
    ("octets", "text"),
    [(b"a", "a"), (b"a\n", "a"), (b"a\r\n", "a"), (b"a\n\n", "a\n"), (b" a\r", " a\r"), (b"", "")],
)
def test_a_secret_loses_one_newline(tmp_path: Path, octets: bytes, text: str) -> None:
    """The newline that editors add goes, and nothing else."""
    path = tmp_path / "s"
    path.write_bytes(octets)
    assert read_secret(path) == text


def test_a_secret_file_is_bounded_text(tmp_path: Path) -> None:
    """What is no UTF-8 or above 1 MiB is refused without being quoted."""
    path = tmp_path / "s"
    path.write_bytes(b"\xff")
    with pytest.raises(Unreadable, match="not UTF-8"):
        read_secret(path)
    path.write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(Unreadable, match="larger than 1 MiB"):
        read_secret(path)


def test_depth_is_bounded() -> None:
    """64 levels are more than anybody writes, and fewer than recursion can bear."""
    value: object = 1
    for _ in range(60):
        value = [value]
    check_depth(value)
    with pytest.raises(Unreadable):
        check_depth([[[[[value]]]]])
