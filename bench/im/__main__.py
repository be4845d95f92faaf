"""``make bench-im``: how many people the chat of ``examples/im`` carries, and a last line for machines.

What is measured:

* **Memory**: people who are signed in and silent, on a gateway beside a logic process. The memory of
  the gateway's process with 500 and with all of them; the difference, shared among the others, says
  how many there is room for in a GiB, the process's own memory taken off.
* **Messages**: people in pairs and in rooms of ten, through the gateway, stored with
  ``synchronous=FULL`` before they are acknowledged, and told to every member, the sender included.
  They are said at a fixed rate, whatever comes back. A rate is sustained when every message of the
  run was acknowledged, is in the database, and was heard by every member once and in order, the last
  one within a second of its saying.
* **Latency**: from the time a message was due to its arrival at another member, at half the rate
  that has to be reached, and at half the highest one that was.

Nothing is pinned: the processes of the chat and the load generator share the cores of the machine
as the kernel likes, and the load's share is printed.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.environment import processor
from bench.http.__main__ import place
from bench.im.crowd import FIRST, Weight, weigh
from bench.im.environment import build_client
from bench.im.layouts import LAYOUTS, Chat, Layout
from bench.im.load import ONE_IN_ROOM, Load, Talk
from bench.im.parts import breakdown
from bench.im.plot import drawing
from bench.im.seeking import highest, sustained_most
from bench.im.town import ROOM, people, settle

__all__ = ["main"]

REQUIRED = 5000.0
"""Messages in a second, of which half is the load at which the latency counts."""

OUTPUT = Path(__file__).parent / "build"
SPLIT = LAYOUTS[-1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _options(arguments)
    began = time.monotonic()
    client = build_client()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(*_header(options), sep="\n", flush=True)
    crowd = min(options.crowd, (hard - 500) // ROOM * ROOM)
    weight = None if options.no_memory else _weigh(crowd)
    found: dict[str, list[Talk]] = {}
    for layout in LAYOUTS:
        if layout.key in options.layouts.split(","):
            found[layout.key] = _seek(layout, client, options)
    best = max(found, key=lambda key: sustained_most(found[key]), default="")
    best_rate = sustained_most(found.get(best, ()))
    latency: Talk | None = None
    if best_rate:
        layout = next(each for each in LAYOUTS if each.key == best)
        latency = _look_closely(layout, client, options, best_rate, found[best])
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "latency.svg").write_text(
        drawing(found, "from a message's due time to another's screen")
    )
    print(f"\nplot: {OUTPUT / 'latency.svg'}; measured in {time.monotonic() - began:.0f} s")
    conns = 0 if weight is None else weight.per_gib
    p99 = latency.other_screen.get("p99", 0.0) if latency and not latency.faults else float("inf")
    print(f"im_conns_per_gib={conns} im_msgs_per_s={best_rate:.0f} im_p99_ms={p99:.1f}")


def _weigh(crowd: int) -> Weight:
    with tempfile.TemporaryDirectory() as folder:
        inhabitants = people(crowd)
        settle(Path(folder, "chat.db"), inhabitants)
        with Chat(SPLIT, Path(folder)) as chat:
            weight = weigh(chat, inhabitants)
    print(
        f"\nmemory of the gateway, {SPLIT.title}\n"
        f"  empty                 {weight.empty / 1024**2:9.1f} MiB\n"
        f"  each idle client      {weight.each / 1024:9.2f} KiB"
        f"   ({weight.clients:,} of them, after the first {FIRST})\n"
        f"  clients in a GiB      {weight.per_gib:9,}",
        flush=True,
    )
    return weight


def _seek(layout: Layout, client: Path, options: argparse.Namespace) -> list[Talk]:
    """Find the highest rate of a layout."""
    print(f"\nmessages: {layout.title}\n{_titles()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        inhabitants = people(options.people)
        settle(Path(folder, "chat.db"), inhabitants)
        with (
            Chat(layout, Path(folder)) as chat,
            Load(client, chat, inhabitants, Path(folder)) as load,
        ):

            def talk(rate: float) -> Talk:
                found = load.talk(rate, options.seconds)
                print(_line(found), flush=True)
                return found

            talk(options.first / 4)  # the first messages make what the others find
            return highest(talk, options.first)


def _look_closely(
    layout: Layout, client: Path, options: argparse.Namespace, best: float, talks: list[Talk]
) -> Talk:
    """Latency at the loads that count, and where the time goes; the first of the two runs."""
    print(f"\nlatency: {layout.title}\n{_titles()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        inhabitants = people(options.people)
        settle(Path(folder, "chat.db"), inhabitants)
        with (
            Chat(layout, Path(folder)) as chat,
            Load(client, chat, inhabitants, Path(folder)) as load,
        ):
            load.talk(options.first / 4, options.seconds)
            found = [load.talk(rate, 2 * options.seconds) for rate in (REQUIRED / 2, best / 2)]
            print(*map(_line, found), sep="\n", flush=True)
            talks += found
    print(
        *breakdown(layout, client, options.people, best / 2, options.seconds), sep="\n", flush=True
    )
    return found[0]


def _header(options: argparse.Namespace) -> Iterator[str]:
    for line in place(None, None):
        if not line.startswith("machine"):
            yield line
    yield f"machine      {processor()}, {os.cpu_count()} cores, shared by chat and load"
    yield (
        f"people       {options.people:,} talk, in pairs and rooms of {ROOM}; one of {ONE_IN_ROOM} "
        "messages is said in a room"
    )
    yield f"date         {time.strftime('%Y-%m-%d')}"


def _titles() -> str:
    names = ("rate/s", "ack p50", "ack p99", "seen p50", "seen p99", "seen p99.9", "CPU a message")
    return "".join(f"{name:>11}" for name in names[:-1]) + f"   {names[-1]}"


def _line(talk: Talk) -> str:
    acknowledged, seen = talk.acknowledgement, talk.other_screen
    times = [
        acknowledged.get("p50"),
        acknowledged.get("p99"),
        seen.get("p50"),
        seen.get("p99"),
        seen.get("p999"),
    ]
    shown = "".join(f"{'' if each is None else f'{each:.1f} ms':>11}" for each in times)
    used = ", ".join(f"{part} {seconds * 1e6:.0f} µs" for part, seconds in talk.cpu.items())
    verdict = "; ".join(talk.faults) or ("" if talk.sustained else f"{talk.lag:.1f} s behind")
    return f"{talk.rate:11,.0f}{shown}   {used}{verdict and f'   NOT SUSTAINED: {verdict}'}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench-im", description="Measure the chat of examples/im."
    )
    keys = ",".join(each.key for each in LAYOUTS)
    parser.add_argument("--layouts", default=keys, help=f"of {keys}")
    parser.add_argument("--no-memory", action="store_true", help="leave the idle clients out")
    parser.add_argument("--crowd", type=int, default=10_500, help="idle clients")
    parser.add_argument("--people", type=int, default=2000, help="who talk")
    parser.add_argument("--first", type=float, default=2000.0, help="rate to begin with")
    parser.add_argument("--seconds", type=float, default=8.0, help="of one run")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
