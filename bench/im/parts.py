"""Where the CPU time of a message goes: by room of the code, and by function."""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bench.im.layouts import Chat, Layout
from bench.im.load import Load
from bench.im.town import people, settle

__all__ = ["breakdown", "room_of"]

WARM: Final = 2.0
ROOMS: Final = 12
PLACES: Final = 15


def breakdown(
    layout: Layout, client: Path, count: int, rate: float, seconds: float
) -> Iterator[str]:
    """Lines about a run at a rate, sampled; see `sampling`."""
    with tempfile.TemporaryDirectory() as folder:
        inhabitants = people(count)
        settle(Path(folder, "chat.db"), inhabitants)
        files = {part: Path(folder, f"samples-{part}") for part in layout.parts}
        with (
            Chat(layout, Path(folder), "bench.im.sampling") as chat,
            Load(client, chat, inhabitants, Path(folder)) as load,
        ):
            load.talk(rate, WARM)
            switches = [file.with_name(f"{file.name}.now") for file in files.values()]
            for switch in switches:
                switch.touch()
            talk = load.talk(rate, seconds)
            for switch in switches:
                switch.unlink()
            time.sleep(1.0)  # the samplers see it at their next look
        yield f"\nwhere the time goes: {layout.title}, {rate:,.0f} messages/s, sampled"
        for part, file in files.items():
            found = json.loads(file.read_text())
            yield from _lines(part, found, talk.messages)


def _lines(part: str, found: dict[str, float], messages: int) -> Iterator[str]:
    yield f"  {part}: {sum(found.values()) / messages * 1e6:.0f} µs a message"
    rooms: defaultdict[str, float] = defaultdict(float)
    for place, seconds in found.items():
        rooms[room_of(place)] += seconds
    left = _most(rooms, ROOMS, messages)
    right = _most(found, PLACES, messages)
    height = max(len(left), len(right))
    left += [""] * (height - len(left))
    right += [""] * (height - len(right))
    for one, other in zip(left, right, strict=True):
        yield f"    {one:36}{other}".rstrip()


def _most(found: Mapping[str, float], count: int, messages: int) -> list[str]:
    ordered = sorted(found.items(), key=lambda item: -item[1])[:count]
    return [f"{used / messages * 1e6:7.1f} µs  {name}" for name, used in ordered]


def room_of(place: str) -> str:
    """The part of the code that a place belongs to (see `sampling.place_of`)."""
    folders = place.split(" ", 1)[0].split("/")[:-1]
    if folders[:1] == ["examples"]:
        return "/".join(folders[:3])
    if folders[:1] == ["mainstay"]:
        return "/".join(folders[:2])
    if place.startswith("<"):
        return "generated code"
    return "Python" if not folders or folders[0].startswith(("lib", "python")) else folders[0]
