"""Runs of the load generator, and what they say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from bench.im.layouts import Chat
from bench.im.town import ROOM, Person, stored

__all__ = ["ONE_IN_ROOM", "Load", "Talk"]

ONE_IN_ROOM: Final = 20
"""One of so many messages goes to a room, the others are direct."""

PATIENCE: Final = 10.0
"""Seconds that the last answers may take."""

LATE: Final = 1.0
"""Seconds after the last message was said by which all must have been heard, for a rate that is
sustained: whatever waits longer has been piling up."""


@dataclass(frozen=True)
class Talk:
    """One run.

    Attributes:
        rate: messages said in a second.
        messages: said in all.
        faults: in words, what was not as it should be; empty if every message was acknowledged,
            stored, and heard once and in order by every member.
        lag: seconds from the last message said to the last one heard.
        acknowledgement, other_screen: percentiles in milliseconds from the time at which a message
            was due: ``p50``, ``p90``, ``p99``, ``p999``, ``max``.
        cpu: seconds for each message, by part, the load generator's under ``load``.
    """

    rate: float
    messages: int
    faults: Sequence[str]
    lag: float
    acknowledgement: dict[str, float]
    other_screen: dict[str, float]
    cpu: dict[str, float]

    @property
    def sustained(self) -> bool:
        """Whether the chat can go on like this."""
        return not self.faults and self.lag <= LATE


class Load:
    """The load generator, connected to one chat.

    Args:
        client: the load generator.
        chat: running.
        inhabitants: who talk.
        folder: for the plan.
    """

    def __init__(
        self, client: Path, chat: Chat, inhabitants: Sequence[Person], folder: Path
    ) -> None:
        self._command = [str(client), f"-plan={folder / 'plan.json'}", f"-patience={PATIENCE}"]
        self._chat = chat
        plan = {
            "address": f"127.0.0.1:{chat.port}",
            "people": [asdict(each) for each in inhabitants],
            "room_size": ROOM,
            "one_in_room": ONE_IN_ROOM,
        }
        (folder / "plan.json").write_text(json.dumps(plan))

    def __enter__(self) -> Self:
        self._process: subprocess.Popen[str] = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._answer() != "ready":
            raise ConnectionError("the load generator could not connect")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def talk(self, rate: float, seconds: float) -> Talk:
        """Talk at a rate for so long."""
        before = self._chat.cpu()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{rate} {seconds}\n")
        self._process.stdin.flush()
        answer = self._answer()
        if not answer:
            raise ConnectionError("the load generator has ended")
        said = json.loads(answer)
        messages = said["messages"]
        cpu = {part: used - before[part] for part, used in self._chat.cpu().items()}
        cpu["load"] = said["cpu"]
        return Talk(
            rate,
            messages,
            self._faults(said),
            said["ended_after"] - said["said_in"],
            said["acknowledgement"],
            said["other_screen"],
            {part: used / messages for part, used in cpu.items()},
        )

    def _faults(self, said: dict[str, Any]) -> list[str]:
        found = stored(self._chat.database, said["run"])
        counts = {
            "connections broken": said["broken"],
            "refused": said["refused"],
            "not acknowledged": said["unanswered"],
            "acknowledged and not stored": max(0, said["acknowledged"] - found),
            "not heard": said["expected"] - said["heard"],
            "heard twice": said["heard_twice"],
            "out of order": said["out_of_order"],
        }
        return [f"{count:,} {what}" for what, count in counts.items() if count]
