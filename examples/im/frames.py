"""What a client and a gateway say to each other once a client is signed in.

On a WebSocket each frame is a JSON text: an object whose ``type`` says what it is. On gRPC the same
frames are the messages of ``im.v1.Gateway/Talk``.

A client begins with `Hello`, is answered by `Welcome`, and from then on both say what they have to
say. A message travels like this::

    client                            gateway
    Say(client_id) ──────────────────▶
                   ◀────────────────── Acknowledged(client_id, number, seq)    it is stored
                   ◀────────────────── Said(message)                           to every member

A client that does not hear `Acknowledged` in time, or loses the connection before, says it again
with the same client id: it is stored once. What comes after a message comes with a higher `seq`; a
client keeps the highest it has seen, and says it in the `Hello` of its next connection, so that
what it missed is told first. A `Said` may come twice; a client shows each `seq` once.

What one client says is stored in the order in which it is said. If the gateway cannot do something,
it refuses that and closes the connection; it does nothing that was said after it. Who is refused for
speaking too fast (``rate_limited``) stays, and what was said after it is done: a client that needs
the order of its messages says the next one when the one before is acknowledged.

How a gateway closes the WebSocket (on gRPC, the code is in the message of the status):

====  ==============================================================================================
1012  it stops: come back, after the seconds in `Reconnect` if it has said that
1013  it cannot answer now, or this user comes too often: come back after a while
1008  the client says what it should not, again and again: it needs mending
4001  nobody is signed in, or no longer: sign in
4008  the client takes too long to read: come back at once, with the cursor
4009  this user has too many clients already: close another one first
====  ==============================================================================================

1001, 1006 and 1011 mean that it is gone, or something broke on the way: come back after a while.

Clients of yesterday talk to the gateways of today. On gRPC a field is known by its number, and the
number is its place in its class; that of a frame, its place in `ClientFrame` or `ServerFrame`. So
classes and unions grow at their ends only, nothing is moved, and what goes leaves its number in
``__reserved__``. ``proto/`` has the numbers that hold, and a test compares them.
"""

from __future__ import annotations

from msgspec import Struct

from examples.im import api

# What a client says.


class Hello(Struct, tag="hello", frozen=True):
    """The first frame.

    Attributes:
        cursor: the highest `seq` this client has seen; 0 for none.
    """

    cursor: api.Number = 0


class Say(Struct, tag="say", frozen=True):
    """A message. `client_id` is of 8 to 64 characters, new for every message, such as a UUID.

    Who says something counts as having read all that was said before. A client that was away shows
    what it missed first, and then says what it has kept.
    """

    conversation: api.Number = 0
    client_id: str = ""
    text: str = ""


class Seen(Struct, tag="seen", frozen=True):
    """How far this user is: the number of the last message that arrived, and of the last one read."""

    conversation: api.Number = 0
    delivered: api.Number = 0
    read: api.Number = 0


class Writes(Struct, tag="writes", frozen=True):
    """The user is writing; said again every few seconds while it lasts."""

    conversation: api.Number = 0


class Look(Struct, tag="look", frozen=True):
    """What the screen shows: who writes is told of this conversation, and presence of these users,
    of up to 200. It replaces what was said before, and is answered by their presence."""

    conversation: api.Number = 0
    users: list[api.Number] = []


class Ping(Struct, tag="ping", frozen=True):
    """Is anybody there?"""


# What a gateway says.


class Welcome(Struct, tag="welcome", frozen=True):
    """The answer to `Hello`.

    Attributes:
        account: who this is.
        conversations: all of the user's.
        cursor: the place up to which `conversations` is true.
        resumed: whether everything after the client's cursor follows; if not, too much has happened
            (or the cursor was 0), and the client loads what it shows anew.
        silence: seconds without a frame from here after which a client should `Ping`.
        text: characters of a message, at most.
    """

    account: api.Account = api.Account()
    conversations: list[api.Conversation] = []
    cursor: int = 0
    resumed: bool = False
    silence: float = 25.0
    text: int = api.TEXT_LIMIT


class Acknowledged(Struct, tag="acknowledged", frozen=True):
    """A message is stored."""

    client_id: str = ""
    conversation: int = 0
    number: int = 0
    seq: int = 0
    at: int = 0


class Refused(Struct, tag="refused", frozen=True):
    """What was asked is not done.

    Attributes:
        code: a stable word, such as ``rate_limited``, ``not_found``, ``not_a_member``,
            ``too_long``, ``invalid``, ``unavailable``.
        message: for people.
        client_id: of the message that was refused, if it was one.
        retry_after: seconds after which it may be tried again; 0 if it would be in vain.
    """

    code: str = ""
    message: str = ""
    client_id: str = ""
    retry_after: float = 0.0


class Said(Struct, tag="said", frozen=True):
    """A message, of anybody, this user's other devices included."""

    message: api.Message = api.Message()


class Marked(Struct, tag="marked", frozen=True):
    """Somebody has got or read messages."""

    seq: int = 0
    receipt: api.Receipt = api.Receipt()


class Here(Struct, tag="here", frozen=True):
    """Whether those whom the screen shows are there."""

    seq: int = 0
    presences: list[api.Presence] = []


class Writing(Struct, tag="writing", frozen=True):
    """Somebody writes in the conversation that the screen shows."""

    seq: int = 0
    typing: api.Typing = api.Typing()


class Joined(Struct, tag="joined", frozen=True):
    """Somebody is a member now. This user is told always, with the conversation; others, while their
    screen shows it (`Look`)."""

    seq: int = 0
    membership: api.Membership = api.Membership()
    conversation: api.Conversation | None = None


class Left(Struct, tag="left", frozen=True):
    """Somebody is a member no longer. Told as `Joined` is."""

    seq: int = 0
    membership: api.Membership = api.Membership()


class Pong(Struct, tag="pong", frozen=True):
    """Somebody is there."""


class Reconnect(Struct, tag="reconnect", frozen=True):
    """This gateway stops. Come back after so many seconds, which differ from client to client; the
    connection is closed now."""

    after: float = 0.0


# A new frame is the last one of its union: see the module.
ClientFrame = Hello | Say | Seen | Writes | Look | Ping
ServerFrame = (
    Welcome
    | Acknowledged
    | Refused
    | Said
    | Marked
    | Here
    | Writing
    | Joined
    | Left
    | Pong
    | Reconnect
)


class FromClient(Struct, frozen=True):
    """A frame of a client, on gRPC."""

    frame: ClientFrame = Ping()


class FromGateway(Struct, frozen=True):
    """A frame of a gateway, on gRPC."""

    frame: ServerFrame = Pong()
