"""What a parent and its child say to each other, from the start of the child to its end.

The child is a worker of a supervisor, a successor in a hot restart, or a supervisor that succeeds
another: the words are the same. A child has nothing but this channel: it asks for every listener it
wants, says when it is ready, and serves only when it is told to::

    child                                     parent
    Hello(versions, nonce, pid, settings)  →
                                           ←  Welcome(version, generation, index, …)
    Listen(address, …)                     →
                                           ←  Listener(ok) + descriptor
    Progress(text)                         →      any number of them; each extends the patience
    Prepared(addresses) | Failed(reason)   →
                                           ←  Commit | Abort(reason)
    Serving()                              →
    Heartbeat(…)                           →      every `Welcome.heartbeat` seconds
                                           ←  Pause | Resume | Stop(timeout, …) | Reopen
                                           ←  Confirmed(outcomes)     from a parent that leaves
    Stopping(left)                         →      while it drains
    end of file                                   it is gone

The rules that keep a queue of connections safe, whoever dies when:

* The child accepts nothing before `Commit`, so that what it accepted cannot be lost by a roll-back.
* The parent goes on accepting until `Serving`; both hold the same kernel object meanwhile.
* `Abort` comes before the end of file, so an end of file without it means that the parent is dead:
  a child that is prepared then adopts the listeners, and one that is not ends.

JSON, one message a packet; unknown members are ignored, unknown types are an error of the peer. Texts
for people are shortened to what a packet takes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from mainstay.errors import InvalidRequest
from mainstay.interfaces.controlled import Outcome

__all__ = [
    "LONG",
    "VERSIONS",
    "Abort",
    "Commit",
    "Confirmed",
    "Failed",
    "FromChild",
    "FromParent",
    "Heartbeat",
    "Hello",
    "Listen",
    "Listener",
    "Pause",
    "Prepared",
    "Progress",
    "Reopen",
    "Resume",
    "Serving",
    "Stop",
    "Stopping",
    "Welcome",
    "decode_from_child",
    "decode_from_parent",
    "encode",
    "shorten",
]

VERSIONS: Final = (1,)
"""Of these messages; parent and child take the highest that both know."""


class Hello(Struct, tag="hello"):
    """The first word.

    Attributes:
        versions: that the child knows.
        nonce: that it was given at its start, so that nobody else speaks in its place.
        pid: of the child.
        name: of the service, for people.
        settings: its ``[mainstay.process]`` table, which the parent goes by from now on.
    """

    versions: list[int]
    nonce: str
    pid: int
    name: str = ""
    settings: dict[str, float | int | str | bool | None] = {}


class Listen(Struct, tag="listen"):
    """The child wants a socket that listens.

    Attributes:
        number: of the question; the answer has the same.
        address: as it was configured, in the text of `mainstay.net.address`.
        backlog, reuse_port, unix_mode: see `mainstay.net.listener.Listener`.
    """

    number: int
    address: str
    backlog: int
    reuse_port: bool = False
    unix_mode: int = 0o600


class Progress(Struct, tag="progress"):
    """The child is alive and not ready yet."""

    text: str


class Prepared(Struct, tag="prepared"):
    """Everything is started and checked, and nothing is accepted yet."""

    addresses: list[str]


class Failed(Struct, tag="failed"):
    """It cannot start, and ends: why, for the operator, and its exit code."""

    reason: str
    code: int = 1


class Serving(Struct, tag="serving"):
    """It accepts."""


class Heartbeat(Struct, tag="heartbeat"):
    """A sign of life of the event loop, with the numbers of the moment.

    Attributes:
        in_flight: calls begun and not ended.
        connections: open.
        requests: calls begun since the start.
        memory: bytes resident.
        paused: whether it does not accept.
        trouble: what fails in it that it tries again and again, and why; empty if nothing does.
            One with trouble at the end of its probation has failed it.
    """

    in_flight: int
    connections: int
    requests: int
    memory: int
    paused: bool = False
    trouble: str = ""


class Stopping(Struct, tag="stopping"):
    """It ends: calls left, and why; `failed` unless somebody has asked it to."""

    left: int
    reason: str = ""
    failed: bool = False


class Welcome(Struct, tag="welcome"):
    """The answer to `Hello`.

    Attributes:
        version: to be spoken.
        role: ``worker`` of a supervisor that stays, or ``successor`` of a parent that leaves.
        generation: the number of restarts before it.
        index: of a worker among its generation, from 0.
        heartbeat: seconds between two `Heartbeat`.
        started: seconds since the epoch when the first generation started.
    """

    version: int
    role: str
    generation: int
    index: int = 0
    heartbeat: float = 1.0
    started: float = 0.0


class Listener(Struct, tag="listener"):
    """The answer to `Listen`, with the descriptor if it is `ok`.

    Attributes:
        number: of the question.
        ok: whether there is a socket.
        error: why there can be none, for the operator; empty when the child should bind by itself.
        address: that the socket has, such as with the port that 0 became.
        inode: device and number of the path of a Unix socket, or None.
    """

    number: int
    ok: bool
    error: str = ""
    address: str = ""
    inode: tuple[int, int] | None = None


class Commit(Struct, tag="commit"):
    """Serve, from now on."""


class Abort(Struct, tag="abort"):
    """End, with exit code 75; nothing was taken over."""

    reason: str


class Pause(Struct, tag="pause"):
    """Accept nothing more for now; connections go on."""


class Resume(Struct, tag="resume"):
    """Accept again."""


class Stop(Struct, tag="stop"):
    """Drain and end.

    Attributes:
        reason: for the log.
        timeout: seconds for all of it; None for the child's own setting.
        handover: whether somebody else serves on, so that nothing is removed or waited for.
        force: whether work under way is cancelled.
    """

    reason: str
    timeout: float | None = None
    handover: bool = True
    force: bool = False


class Reopen(Struct, tag="reopen"):
    """Open log files anew."""


class Confirmed(Struct, tag="confirmed"):
    """The probation is over, and the parent leaves.

    Attributes:
        outcomes: of the last restarts, this one included, the newest last.
    """

    outcomes: list[Outcome] = []


FromChild: TypeAlias = (
    Hello | Listen | Progress | Prepared | Serving | Failed | Heartbeat | Stopping
)
FromParent: TypeAlias = (
    Welcome | Listener | Commit | Abort | Pause | Resume | Stop | Reopen | Confirmed
)

_encoder: Final = msgspec.json.Encoder()
_from_child: Final = msgspec.json.Decoder(FromChild)
_from_parent: Final = msgspec.json.Decoder(FromParent)


LONG: Final = 4096
"""Characters of a text for people beyond which its middle is left out."""

_MUCH: Final = 16 * 1024
"""Bytes of a message that has no long text."""

_LEAST: Final = 64
"""Characters of a text that are always left."""


def encode(message: FromChild | FromParent) -> bytes:
    """A message as it goes over the channel; a long reason without its middle."""
    packet = _encoder.encode(message)
    most = LONG
    # As often as it takes: a character may be six bytes, and there may be twenty reasons.
    while len(packet) > _MUCH and most >= _LEAST:
        packet = _encoder.encode(_shortened(message, most))
        most //= 2
    return packet


def _shortened(message: FromChild | FromParent, most: int) -> FromChild | FromParent:
    if isinstance(message, Confirmed):
        told = [replace(each, reason=shorten(each.reason, most)) for each in message.outcomes]
        return Confirmed(told)
    texts = {
        name: shorten(getattr(message, name), most)
        for name in _TEXTS
        if name in message.__struct_fields__
    }
    return msgspec.structs.replace(message, **texts)


_TEXTS: Final = ("reason", "error", "text", "trouble")


def shorten(text: str, most: int) -> str:
    """The text, or its beginning and its end if it has more than so many characters, and how many
    are left out."""
    if len(text) <= most:
        return text
    end = most // 4
    begin = most - end
    return f"{text[:begin]} … ({len(text) - most} characters) … {text[-end:]}"


def decode_from_child(data: bytes) -> FromChild:
    """What a child said. Raises: InvalidRequest for what is no such message."""
    try:
        return _from_child.decode(data)  # type: ignore[no-any-return]
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"a child says what cannot be understood: {error}") from None


def decode_from_parent(data: bytes) -> FromParent:
    """What a parent said. Raises: InvalidRequest for what is no such message."""
    try:
        return _from_parent.decode(data)  # type: ignore[no-any-return]
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"the parent says what cannot be understood: {error}") from None
