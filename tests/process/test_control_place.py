"""Where the control socket is, and which places are not fit for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mainstay.errors import UsageError
from mainstay.process import control_place
from mainstay.process.control_place import (
    PATH_MOST,
    PeerProcess,
    candidates,
    check_folder,
    check_path,
    default_path,
    name_of,
    of_others,
    other_names,
    peer_of,
)
from tests.process.controls import place

__all__ = ["place"]

ME = os.geteuid()


def test_the_kernel_says_who_is_there() -> None:
    """Process and user are those of the other end, whatever it says."""
    one, two = socket.socketpair()
    with one, two:
        assert peer_of(one) == PeerProcess(os.getpid(), ME)


def test_a_name_follows_from_target_and_folder(tmp_path: Path) -> None:
    """Services of one target in two folders are two, and a link to a folder is the folder."""
    name = name_of("shop.app:service", tmp_path)
    assert name.startswith("shop.app-service-")
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    assert name_of("shop.app:service", tmp_path / "other") != name
    assert name_of("shop.app:service", tmp_path / "link") == name
    assert name_of("shop.app-service", tmp_path) != name


@pytest.mark.parametrize("target", ["../../etc/passwd", "a b/c", "", "ä:ö", "x" * 500, "a\nb"])
def test_a_name_is_one_plain_part_of_a_path(target: str, tmp_path: Path) -> None:
    """Nothing in a target leads anywhere else, or makes the path too long."""
    name = name_of(target, tmp_path)
    assert "/" not in name
    assert name.isprintable()
    assert len(os.fsencode(name)) <= 60


def test_root_finds_the_sockets_of_others(tmp_path: Path) -> None:
    """Those of the name, and sockets only; nobody else looks."""
    for folder in ("run/user/1000/mainstay", "tmp/mainstay-1001", "tmp/mainstay-1002"):
        (tmp_path / folder).mkdir(parents=True)
    first = tmp_path / "run/user/1000/mainstay/a.sock"
    second = tmp_path / "tmp/mainstay-1001/a.sock"
    (tmp_path / "tmp/mainstay-1002/a.sock").write_text("no socket", "utf-8")
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        one.bind(str(first))
        two.bind(str(second))
        assert of_others("a.sock", 0, tmp_path) == [(first, ME), (second, ME)]
        assert of_others("b.sock", 0, tmp_path) == []
        assert of_others("a.sock", 1000, tmp_path) == []


def test_each_user_has_folders_of_the_own() -> None:
    """Root's is always the same, so that a service and a shell of root meet."""
    assert candidates({"XDG_RUNTIME_DIR": "/run/user/0"}, 0) == [Path("/run/mainstay")]
    assert candidates({"XDG_RUNTIME_DIR": "/run/user/7"}, 7) == [
        Path("/run/user/7/mainstay"),
        Path("/tmp/mainstay-7"),
    ]
    assert candidates({"XDG_RUNTIME_DIR": "relative"}, 7) == [Path("/tmp/mainstay-7")]


def test_the_first_folder_that_is_fit_is_used(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be made or is open to others is passed over; a new one is closed to them."""
    shared = place / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    monkeypatch.setattr(
        control_place,
        "candidates",
        lambda environ, uid: [place / "no" / "parent", shared, place / "own"],
    )
    path = default_path("a:b", place, {}, ME)
    assert path == place / "own" / name_of("a:b", place)
    assert (place / "own").stat().st_mode & 0o777 == 0o700


def test_without_a_fit_folder_the_reason_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the folder, and the command that mends it."""
    place.chmod(0o755)
    monkeypatch.setattr(control_place, "candidates", lambda environ, uid: [place])
    with pytest.raises(UsageError, match=f"mode 0755.*chmod go= {place}"):
        default_path("a:b", place, {}, ME)


def test_a_folder_of_another_user_is_refused(place: Path) -> None:
    """Its owner can replace what is in it; root could do anything anyway."""
    check_folder(place, ME)
    if ME == 0:
        os.chown(place, 4000, -1)
        check_folder(place, 4000, private=True)
        with pytest.raises(UsageError, match="belongs to user 4000"):
            check_folder(place, 4001)
        os.chown(place, 0, -1)
        check_folder(place, 4000)
    with pytest.raises(UsageError, match="belongs to user"):
        check_folder(place, ME + 1, private=True)


@pytest.mark.parametrize(("mode", "private"), [(0o1777, False), (0o770, False), (0o750, True)])
def test_a_folder_that_is_open_to_others_is_refused(place: Path, mode: int, private: bool) -> None:
    """A sticky folder such as that of temporary files as well: the name may be taken first."""
    place.chmod(mode)
    with pytest.raises(UsageError, match="open to others"):
        check_folder(place, ME, private=private)


def test_a_link_is_no_private_folder(place: Path) -> None:
    """Somebody else may have put it there, to a folder of the user's that is open to more."""
    (place / "own").mkdir(mode=0o700)
    (place / "link").symlink_to(place / "own")
    check_folder(place / "link", ME)
    with pytest.raises(UsageError, match="is no folder"):
        check_folder(place / "link", ME, private=True)
    with pytest.raises(UsageError, match="No such file"):
        check_folder(place / "none", ME)


def test_a_path_that_the_kernel_would_not_take_is_refused() -> None:
    """The message gives both lengths; the name under which it is made has to fit as well."""
    check_path(Path("/" + "x" * (PATH_MOST - 11)))
    with pytest.raises(UsageError, match="has 98 bytes, and may have 97"):
        check_path(Path("/" + "x" * (PATH_MOST - 10)))


@pytest.mark.parametrize(
    ("asked", "started", "offered"),
    [
        ("shop.app:service", "shop.app", ["shop.app"]),
        ("shop.app", "shop.app:service", ["shop.app:service"]),
        ("shop.app", "shop.app:make()", ["shop.app:make()"]),
        ("shop.app:service", "shop.app:other", []),
        ("shop", "shop.app:service", []),
        ("shop", "shop", []),
    ],
)
def test_other_names_of_a_service_are_found(
    place: Path, asked: str, started: str, offered: list[str]
) -> None:
    """The module alone and with the name in it are two targets, and mean one service mostly."""
    found = {name_of(started, place), "x", "shop.app-0.sock"}
    assert other_names(asked, place, found) == offered
    assert other_names(asked, place.parent, found) == []
