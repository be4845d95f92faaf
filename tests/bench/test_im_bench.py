"""The bench of the chat: what it counts, how it seeks, what it draws."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.im.crowd import Weight
from bench.im.layouts import LAYOUTS, Chat
from bench.im.load import Load, Talk
from bench.im.parts import room_of
from bench.im.plot import drawing
from bench.im.sampling import place_of
from bench.im.seeking import highest, sustained_most
from bench.im.town import ROOM, people, settle

TIMES = {"p50": 1.0, "p90": 2.0, "p99": 30.0, "p999": 45.5, "max": 50.0}


def talk(rate: float, *, fine: bool = True, lag: float = 0.0) -> Talk:
    faults = [] if fine else ["1 not heard"]
    return Talk(rate, 100, faults, lag, TIMES, TIMES, {"one": 0.0001})


def test_everybody_has_a_peer_and_a_room_of_their_own_place() -> None:
    """Two share each direct conversation, ten each room, at different places, and no pair a room."""
    found = people(100)
    for places in ("direct", "room"):
        members: dict[int, list[int]] = {}
        for each in found:
            place = getattr(each, f"{places}_place")
            members.setdefault(getattr(each, places), []).append(place)
        size = 2 if places == "direct" else ROOM
        assert all(sorted(those) == list(range(size)) for those in members.values())
    assert len({each.token for each in found}) == 100
    assert len({(each.direct, each.room) for each in found}) == 100


def test_a_rate_is_sustained_if_nothing_is_wrong_and_nothing_piles_up() -> None:
    """Otherwise the highest rate would be that of a queue."""
    assert talk(10).sustained
    assert not talk(10, fine=False).sustained
    assert not talk(10, lag=1.5).sustained


def test_the_highest_rate_is_found_between_steps() -> None:
    """To within a twentieth below; a rate fails only if it fails twice."""
    failures: set[float] = set()

    def once_unlucky(rate: float) -> Talk:
        unlucky = rate not in failures
        failures.add(rate)
        return talk(rate, fine=rate <= 5432 and not unlucky)

    talks = highest(once_unlucky, 1000)
    assert 5432 / 1.05 <= sustained_most(talks) <= 5432
    assert sustained_most(highest(lambda rate: talk(rate, fine=False), 1000)) == 0


def test_the_memory_of_the_process_itself_is_taken_off() -> None:
    """A GiB holds fewer clients than it holds times the memory of one."""
    assert Weight(clients=10, empty=1 << 29, each=1024.0).per_gib == 1 << 19


def test_the_plot_is_a_drawing_of_every_run() -> None:
    """Well-formed, a curve a percentile, and a point a run; hollow where it was not sustained."""
    found = {"one": [talk(2000, fine=False), talk(1000)], "split <2>": [talk(4000)]}
    root = ET.fromstring(drawing(found, "a & b"))
    name = "{http://www.w3.org/2000/svg}"
    circles = root.findall(f".//{name}circle")
    assert len(circles) == 3 * 4
    assert sum(each.get("fill") == "#fff" for each in circles) == 4
    texts = [each.text for each in root.findall(f".//{name}text")]
    assert {"a & b", "one", "split <2>", "p99.9"} <= set(texts)


def test_a_place_belongs_to_a_room() -> None:
    """By the folders of the project and the packages of others."""
    frame = sys._getframe()
    assert place_of(frame) == f"tests/bench/test_im_bench.py {frame.f_code.co_name}"
    assert room_of("examples/im/data/writer.py store") == "examples/im/data"
    assert room_of("mainstay/net/line.py write") == "mainstay/net"
    assert room_of("sqlalchemy/engine/base.py execute") == "sqlalchemy"
    assert room_of("lib/python3.13/asyncio/tasks.py run") == "Python"
    assert room_of("<codec of im.v1.Events> load") == "generated code"


@pytest.mark.skipif(shutil.which("go") is None, reason="the load generator is in Go")
def test_messages_are_said_and_checked(tmp_path: Path) -> None:
    """In one process, every message is acknowledged, stored, and heard by all members, timed."""
    from bench.im.environment import build_client  # noqa: PLC0415 - it compiles

    inhabitants = people(20)
    settle(tmp_path / "chat.db", inhabitants)
    with (
        Chat(LAYOUTS[0], tmp_path) as chat,
        Load(build_client(), chat, inhabitants, tmp_path) as load,
    ):
        found = load.talk(100, 1.5)
    assert found.messages == 150
    assert found.faults == []
    assert 0 < found.other_screen["p50"] <= found.other_screen["p99"] <= found.other_screen["max"]
    assert set(found.cpu) == {"one", "load"}
