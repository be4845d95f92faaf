"""What a gateway asks of the logic: the values, and the calls.

A gateway holds a `Logic`. In one process that is the logic itself; apart, it is a client of RPC
with the same methods, made of the same definition (``logic/rpc.py``). Both raise the errors of
`mainstay.errors`: NotFound, PermissionDenied, InvalidRequest, Conflict, Unauthenticated, Overloaded.

The logic trusts who calls it: gateways say for which user they ask. Its port is not for strangers.

Times are whole milliseconds since 1970, UTC. Numbers fit into 53 bits, since browsers read them.

A gateway of yesterday talks to a logic of today while both are replaced. On the wire a field is
known by its number, which is its place in its class, and one of `Happening` by its place there. So
classes and unions grow at their ends only, nothing is moved, and what goes leaves its number in
``__reserved__``. ``proto/`` has the numbers that hold, and a test compares them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Annotated, ClassVar, Literal, Protocol

from msgspec import Meta, Struct

from mainstay.errors import Code, Error, HttpError, Overloaded

Number = Annotated[int, Meta(ge=0, lt=2**53)]
"""An id, a place or a count, as a client may say it."""

TEXT_LIMIT = 4000
"""Characters of a message, at most."""

PREVIEW = 200
"""Characters of a message in a list of conversations, at most."""

NOW = -1
"""As a place among all events: after whatever is the last one."""

PAGE = 50
"""Messages of a page of history, unless asked otherwise."""

PAGE_LIMIT = 200
"""Messages of a page, at most."""


class Account(Struct, frozen=True):
    """A user, as others see them.

    Attributes:
        id: never reused.
        name: unique, in lower case.
        display: as shown.
        imported: whether they came with old text, and cannot sign in.
    """

    id: int = 0
    name: str = ""
    display: str = ""
    imported: bool = False


class Message(Struct, frozen=True):
    """What was said.

    Attributes:
        seq: place among all events of the system, and the id of the message.
        conversation: where.
        number: place in its conversation, from 1, without gaps.
        sender, sender_name: who, and as shown.
        client_id: by which the sender knows it: of one sender, one message.
        text: plain, up to `TEXT_LIMIT` characters.
        at: when it was stored.
    """

    seq: int = 0
    conversation: int = 0
    number: int = 0
    sender: int = 0
    sender_name: str = ""
    client_id: str = ""
    text: str = ""
    at: int = 0


class Receipt(Struct, frozen=True):
    """How far somebody is in a conversation: the number of the last message that reached a screen of
    theirs, and of the last one read. Marks only grow."""

    conversation: int = 0
    user: int = 0
    delivered: int = 0
    read: int = 0


class Presence(Struct, frozen=True):
    """Whether a user has a client anywhere, and since when not."""

    user: int = 0
    online: bool = False
    last_seen: int = 0


class Typing(Struct, frozen=True):
    """Somebody writes, and will for some seconds."""

    conversation: int = 0
    user: int = 0
    name: str = ""


class Membership(Struct, frozen=True):
    """Somebody joined a conversation, or left it."""

    conversation: int = 0
    user: int = 0
    name: str = ""
    joined: bool = False


class SignedOut(Struct, frozen=True):
    """A session has ended: gateways part with its clients. `session` is its `session_id`."""

    user: int = 0
    session: str = ""


Told = Receipt | Presence | Typing | Membership | SignedOut
"""What is told to who is there, and forgotten within a minute. A new kind is the last one."""

Happening = Message | Told
"""All that can happen. Messages are kept for ever."""


class Event(Struct, frozen=True, gc=False):
    """One thing that happened, at its place among all. Thousands are kept, none is in a cycle, and
    the garbage collector need not look at them."""

    seq: int = 0
    what: Happening = Message()


class Conversation(Struct, frozen=True):
    """A room or a direct conversation, as one member sees it.

    Attributes:
        kind: what it is.
        name: of a room: unique, in lower case; of a direct conversation, that of the peer.
        title: as shown.
        members: how many.
        peer: the other one of a direct conversation.
        member: whether who asks is one.
        last: the newest message; of its text, the first `PREVIEW` characters.
        delivered, read: marks of who asks.
        others_delivered, others_read: the marks that all others have reached, in conversations
            that tell (see `Logic.mark`).
    """

    id: int = 0
    kind: Literal["room", "direct"] = "room"
    name: str = ""
    title: str = ""
    members: int = 0
    peer: Account | None = None
    member: bool = True
    last: Message | None = None
    delivered: int = 0
    read: int = 0
    others_delivered: int = 0
    others_read: int = 0


class Credentials(Struct, frozen=True):
    """A name and a password.

    Attributes:
        display: as the user likes to be shown; for a new account.
        source: the address that they come from, by which tries are counted. The gateway says it.
    """

    name: str = ""
    password: str = ""
    display: str = ""
    source: str = ""


class Session(Struct, frozen=True):
    """A sign-in: the token is the secret of one device until it expires."""

    token: str = ""
    account: Account = Account()
    expires_at: int = 0


class Token(Struct, frozen=True):
    """The secret of a session."""

    token: str = ""


class Ask(Struct, frozen=True):
    """What most questions need: who asks, about which conversation or word.

    Attributes:
        user: who asks.
        conversation: which one, if one is meant.
        text: a name, a beginning of one, words to find: as the method says.
        limit: of the answer's items.
    """

    user: int = 0
    conversation: int = 0
    text: str = ""
    limit: int = PAGE


class Post(Struct, frozen=True):
    """A message to be stored."""

    user: int = 0
    conversation: int = 0
    client_id: str = ""
    text: str = ""


class Posted(Struct, frozen=True):
    """It is stored: the message will survive whatever happens to any process."""

    client_id: str = ""
    conversation: int = 0
    number: int = 0
    seq: int = 0
    at: int = 0


class Mark(Struct, frozen=True):
    """How far a user is; zero leaves a mark where it was."""

    user: int = 0
    conversation: int = 0
    delivered: int = 0
    read: int = 0


class BatchItem(Struct, frozen=True):
    """One of many."""

    what: Post | Mark = Post()


class Batch(Struct, frozen=True):
    """What many users want to be stored, in its order."""

    items: list[BatchItem] = []


class Refusal(Struct, frozen=True):
    """The error that a call for one thing alone would have raised.

    Attributes:
        code: of gRPC, such as ``NOT_FOUND``.
        reason, message: of the error.
        retry_after: seconds after which to ask again, if it says so.
    """

    code: str = ""
    reason: str = ""
    message: str = ""
    retry_after: str = ""


class Outcome(Struct, frozen=True):
    """What became of one of many: where a message is, or why it was refused; neither for a mark
    that was moved."""

    posted: Posted | None = None
    refusal: Refusal | None = None


class Outcomes(Struct, frozen=True):
    """Those of a batch, in its order."""

    items: list[Outcome] = []


class HistoryOf(Struct, frozen=True):
    """Which page: the messages before a number, or after one when `before` is 0."""

    user: int = 0
    conversation: int = 0
    before: int = 0
    after: int = 0
    limit: int = PAGE


class Since(Struct, frozen=True):
    """A place among all events, or `NOW`, and whose are asked for."""

    after: int = 0
    user: int = 0
    limit: int = 500


class Attendance(Struct, frozen=True):
    """Who came to a gateway and who left it.

    Attributes:
        gateway: its name, chosen anew at each start of a process.
        arrived: users who have a client there now, and had none.
        departed: users who have none there any more.
        whole: whether `arrived` is everybody, and nobody else is there.
    """

    gateway: str = ""
    arrived: list[int] = []
    departed: list[int] = []
    whole: bool = False

    __reserved__: ClassVar = (5, "closing")


class Lease(Struct, frozen=True):
    """How long the logic believes a gateway that says nothing.

    Attributes:
        seconds: from now.
        known: False when it had forgotten the gateway: say the whole attendance again.
    """

    seconds: float = 0.0
    known: bool = True


class Accounts(Struct, frozen=True):
    """Users, or members."""

    items: list[Account] = []


class Presences(Struct, frozen=True):
    """Who is there."""

    items: list[Presence] = []


class Users(Struct, frozen=True):
    """Some users, by their ids."""

    ids: list[int] = []


class Conversations(Struct, frozen=True):
    """Conversations, and a place among all events up to which they are true."""

    items: list[Conversation] = []
    seq: int = 0


class Messages(Struct, frozen=True):
    """Messages in their order, and whether there are more in the direction of the question: a page of
    long ones has fewer than were asked for."""

    items: list[Message] = []
    more: bool = False


class Found(Struct, frozen=True):
    """A message that was searched for, and the title of its conversation."""

    message: Message = Message()
    title: str = ""


class Findings(Struct, frozen=True):
    """What was found, best first."""

    items: list[Found] = []


class Events(Struct, frozen=True):
    """What happened, in order.

    Attributes:
        items: may be empty, as a sign of life.
        seq: the place up to which everything was told.
    """

    items: list[Event] = []
    seq: int = 0


class Done(Struct, frozen=True):
    """It is done."""


def session_id(token: str) -> str:
    """By what a session is called where its token is not for everybody to read."""
    return sha256(token.encode()).hexdigest()[:16]


def is_away(error: Error) -> bool:
    """Whether an error says that nobody answers now, and not that the answer is no."""
    if isinstance(error, Overloaded | HttpError):
        return False
    return error.retryable or error.code is Code.DEADLINE_EXCEEDED


class Logic(Protocol):
    """The logic, in this process or behind gRPC. See the module for what it raises."""

    async def sign_up(self, request: Credentials) -> Session:
        """Make an account, a member of the lobby, and sign it in. Conflict: the name is taken."""
        ...

    async def sign_in(self, request: Credentials) -> Session:
        """Unauthenticated for a wrong name or password, without saying which; Overloaded after
        too many wrong ones from one source: who guesses from elsewhere locks nobody out."""
        ...

    async def sign_out(self, request: Token) -> Done:
        """End a session, and tell all gateways. One that is unknown is no mistake."""
        ...

    async def who(self, request: Token) -> Session:
        """Whose token it is. Unauthenticated: nobody's, or no longer."""
        ...

    async def conversations(self, request: Ask) -> Conversations:
        """All of a user's, that with the newest message first."""
        ...

    async def conversation(self, request: Ask) -> Conversation:
        """One that the user may read. PermissionDenied: a direct conversation of others."""
        ...

    async def rooms(self, request: Ask) -> Conversations:
        """The directory: rooms whose names begin with `text`, most members first."""
        ...

    async def create(self, request: Ask) -> Conversation:
        """A room named `text`, with the user in it. Conflict: the name is taken."""
        ...

    async def join(self, request: Ask) -> Conversation:
        """Become a member of a room. Idempotent."""
        ...

    async def leave(self, request: Ask) -> Done:
        """Be a member no longer. Idempotent; PermissionDenied for a direct conversation."""
        ...

    async def direct(self, request: Ask) -> Conversation:
        """The conversation with the user named `text`; made if there is none. Idempotent."""
        ...

    async def members(self, request: Ask) -> Accounts:
        """Of a conversation, up to `limit`, by name."""
        ...

    async def people(self, request: Ask) -> Accounts:
        """Users whose names begin with `text`."""
        ...

    async def post(self, request: Post) -> Posted:
        """Store a message. Once for each client id of a user: again, it answers the same."""
        ...

    async def mark(self, request: Mark) -> Done:
        """Remember how far a user is. Others hear of it in conversations of up to 20 members."""
        ...

    async def batch(self, request: Batch) -> Outcomes:
        """`post` and `mark` for many at once; what is refused keeps nothing else out."""
        ...

    async def typing(self, request: Ask) -> Done:
        """Tell those who look at the conversation that the user writes."""
        ...

    async def history(self, request: HistoryOf) -> Messages:
        """A page, in order of numbers. Rooms may be read by everybody, the rest by members."""
        ...

    async def missed(self, request: Since) -> Messages:
        """A user's messages after a place, in order; for who comes back."""
        ...

    async def search(self, request: Ask) -> Findings:
        """Messages with the words of `text`, in one conversation or in all that the user may read;
        newest first. A message can be found within a second or so of its storing."""
        ...

    async def attend(self, request: Attendance) -> Lease:
        """Who is at a gateway: on a change, and as a sign of life."""
        ...

    async def present(self, request: Users) -> Presences:
        """Whether some users are there."""
        ...

    def feed(self, request: Since) -> AsyncIterator[Events]:
        """Everything that happens after a place, as it happens; without end. Several events that
        happened together come together; after a second without any, an empty page. The first page
        comes at once, with or without events: it says where the feed begins."""
        ...
