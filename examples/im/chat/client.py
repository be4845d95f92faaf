"""The client: takes lines and frames, one after the other, and shows what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from random import SystemRandom
from typing import Any
from uuid import uuid4

from examples.im import api, frames
from examples.im.chat.link import Link, Lost, Refused
from examples.im.chat.state import State
from examples.im.chat.terminal import Terminal
from mainstay.rpc import RpcFailed

PAGE = 20
"""Messages shown on entering a conversation, and by ``/older``."""

PATIENCE = 10.0
"""Seconds that a question may take, and that what is not stored yet may keep the client from ending."""

_WRITTEN_SLOWLY = 2.0
"""Seconds after which a message that is not stored is said to be waiting."""


@dataclass(frozen=True, slots=True)
class _Typed:
    """A line, None at the end, and whether the user stays, once it has been dealt with."""

    line: str | None
    handled: asyncio.Future[bool]


class Client:
    """One signed-in user at one terminal.

    Args:
        calls: a client of ``im.v1.Gateway``, whose channel has the token.
        terminal: where lines come from and go to.
        room: to enter first.
    """

    def __init__(self, calls: Any, terminal: Terminal, room: str) -> None:
        self._calls, self._terminal, self._room = calls, terminal, room
        self._state = State(lambda: uuid4().hex)
        self._inbox: asyncio.Queue[Any] = asyncio.Queue()
        self._link = Link(calls.talk, self._state.hello, self._inbox.put_nowait, SystemRandom())
        self._connected = False
        self._loop = asyncio.get_running_loop()
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "list": self._list,
            "rooms": self._rooms,
            "join": self._join,
            "create": self._create,
            "leave": self._leave,
            "direct": self._direct,
            "who": self._who,
            "search": self._search,
            "older": self._older,
            "help": self._help,
        }

    async def run(self) -> int:
        """Until the user quits. The exit code: 0, or 1 when something could not be stored."""
        link = self._loop.create_task(self._link.run(), name="link")
        link.add_done_callback(self._inbox.put_nowait)
        try:
            while not self._connected:
                await self._on(await self._inbox.get())
            await self._ask(self._enter(self._room))
            self._terminal.start(self._typed)
            while await self._on(await self._inbox.get()):
                pass
            await self._until_complete()
        except Refused as error:
            self._show(f"the gateway has ended it: {error}")
            return 1
        finally:
            link.cancel()
            await asyncio.gather(link, return_exceptions=True)
        for each in self._state.unsent:
            self._show(f"not sent: {each.text}")
        return 1 if self._state.unsent else 0

    async def _until_complete(self) -> None:
        """Until all that was said is stored and shown, or patience ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not self._state.is_complete:
                    await self._on(await self._inbox.get())

    # --- what is typed --------------------------------------------------------------------------

    def _typed(self, line: str | None) -> bool:
        """Called in the terminal's thread, which waits until the line has been dealt with."""
        with suppress(CancelledError):
            return asyncio.run_coroutine_threadsafe(self._pass_on(line), self._loop).result()
        return False

    async def _pass_on(self, line: str | None) -> bool:
        typed = _Typed(line, self._loop.create_future())
        self._inbox.put_nowait(typed)
        return await typed.handled

    async def _take(self, typed: _Typed) -> bool:
        """Whether the user stays."""
        line = None if typed.line is None else typed.line.strip()
        stays = line is not None and line != "/quit"
        try:
            if line and stays:
                await self._entered(line)
                if not self._terminal.interactive:
                    # A program's next line may ask for what this one has said.
                    await self._until_complete()
        finally:
            typed.handled.set_result(stays)
        return stays

    async def _entered(self, line: str) -> None:
        if line.startswith("/") and not line.startswith("//"):
            name, _, rest = line[1:].partition(" ")
            command = self._commands.get(name)
            if command is None:
                self._show(f"there is no /{name}; /help says what there is")
            else:
                await self._ask(command(rest.strip()))
        elif not self._state.here:
            self._show("join a room first: /rooms, /join NAME, /create NAME")
        else:
            self._state.say(line.removeprefix("/"))
            said = self._state.unsent[-1]
            self._loop.call_later(_WRITTEN_SLOWLY, self._inbox.put_nowait, said)
            await self._push()

    async def _ask(self, question: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await question
        except RpcFailed as error:
            self._show(error.message)
        except TimeoutError:
            self._show("no answer; try again when the connection is back")

    async def _list(self, rest: str) -> None:
        """/list: your conversations"""
        found: api.Conversations = await self._calls.conversations(api.Ask())
        for each in found.items:
            unread = (each.last.number if each.last else 0) - each.read
            mark = "*" if each.id == self._state.here else " "
            self._show(f"{mark} {_title(each)}{f', {unread} unread' if unread > 0 else ''}")

    async def _rooms(self, rest: str) -> None:
        """/rooms [BEGINNING]: rooms there are"""
        found: api.Conversations = await self._calls.rooms(api.Ask(text=rest))
        for each in found.items:
            self._show(f"  {_title(each)}, {each.members} member{'s' * (each.members != 1)}")

    async def _join(self, rest: str) -> None:
        """/join NAME: enter a room, and become its member"""
        await self._enter(rest)

    async def _create(self, rest: str) -> None:
        """/create NAME: make a room, and enter it"""
        await self._open(await self._calls.create(api.Ask(text=rest.removeprefix("#"))))

    async def _leave(self, rest: str) -> None:
        """/leave: be a member of this room no longer"""
        await self._calls.leave(api.Ask(conversation=self._state.here))
        self._state.here = 0
        await self._link.send(self._state.look())

    async def _direct(self, rest: str) -> None:
        """/direct NAME: talk to one user alone"""
        await self._open(await self._calls.direct(api.Ask(text=rest.removeprefix("@"))))

    async def _who(self, rest: str) -> None:
        """/who: who is a member here; with a dot, who is there"""
        there = self._state.online | {self._state.account.id}
        for each in await self._members():
            self._show(f"{'●' if each.id in there else '○'} {each.display}")

    async def _search(self, rest: str) -> None:
        """/search WORDS: messages with these words, wherever you may read"""
        found: api.Findings = await self._calls.search(api.Ask(text=rest, limit=PAGE))
        for each in reversed(found.items):
            self._show(f"[{each.title}] {_line(each.message)}")
        if not found.items:
            self._show("nothing found")

    async def _older(self, rest: str) -> None:
        """/older: what was said before"""
        here = self._state.here
        oldest = self._state.place(here).oldest
        page = await self._calls.history(
            api.HistoryOf(conversation=here, before=oldest, limit=PAGE)
        )
        self._page(here, page.items)

    async def _help(self, rest: str) -> None:
        """/help: this"""
        for command in self._commands.values():
            self._show(f"  {command.__doc__}")
        self._show(
            "  /quit: leave; so does Ctrl-D\n  a line with // at its beginning is said with /"
        )

    # --- where the user is ----------------------------------------------------------------------

    async def _enter(self, name: str) -> None:
        wanted = name.removeprefix("#").strip().lower()
        found: api.Conversations = await self._calls.rooms(api.Ask(text=wanted))
        for each in found.items:
            if each.name == wanted:
                await self._open(await self._calls.join(api.Ask(conversation=each.id)))
                return
        self._show(f"there is no room {wanted}")

    async def _open(self, conversation: api.Conversation) -> None:
        """Show a conversation: what was said last, and from now on what is said."""
        state = self._state
        state.here = conversation.id
        state.conversations[conversation.id] = conversation
        place = state.place(conversation.id)
        place.oldest = 0
        # Before anything is loaded: who comes meanwhile is told, if not in what is loaded.
        await self._link.send(state.look())
        page = await self._calls.history(
            api.HistoryOf(conversation=conversation.id, before=2**53 - 1, limit=PAGE)
        )
        self._show(f"── {_title(conversation)} ──")
        self._page(conversation.id, page.items)
        state.online.clear()
        await self._link.send(state.look(each.id for each in await self._members()))
        await self._tell_seen(conversation.id)

    async def _members(self) -> list[api.Account]:
        ask = api.Ask(conversation=self._state.here, limit=200)
        found: api.Accounts = await self._calls.members(ask)
        return found.items

    async def _catch_up(self) -> None:
        """Show what was missed, when it was too much to be told."""
        here = self._state.here
        newest = self._state.place(here).newest
        page = await self._calls.history(api.HistoryOf(conversation=here, after=newest))
        self._page(here, page.items)
        if page.more:
            self._show("… and more; /join shows the newest")

    # --- what comes -----------------------------------------------------------------------------

    async def _on(self, each: Any) -> bool:
        """Deal with whatever happened; whether the user stays."""
        state = self._state
        match each:
            case _Typed():
                return await self._take(each)
            case frames.Welcome():
                returned = bool(state.here)
                state.welcomed(each)
                self._connected = True
                if returned:
                    self._show("connected again")
                    await self._link.send(state.look(state.online))
                    if not each.resumed:
                        await self._ask(self._catch_up())
            case Lost():
                if self._connected or not state.account.id:
                    self._show(f"no connection, it is tried again{each.why and f': {each.why}'}")
                self._connected = False
            case frames.Acknowledged():
                state.settled(each.client_id, each.seq)
            case frames.Refused():
                self._refused(each)
            case frames.Said():
                await self._said(each.message)
            case frames.Here():
                state.present(each.presences)
            case frames.Joined() | frames.Left():
                self._moved(each)
            case frames.Marked() | frames.Writing():
                state.heard(each.seq)
            case frames.Say():
                if each in state.unsent:
                    self._show(f"not stored yet: {each.text}")
            case asyncio.Task():
                each.result()
        await self._push()
        return True

    async def _push(self) -> None:
        if self._connected and (say := self._state.next_to_send()):
            await self._link.send(say)

    async def _said(self, message: api.Message) -> None:
        if not self._state.is_new(message):
            return
        if message.conversation == self._state.here:
            self._show(_line(message))
        else:
            conversation = self._state.conversations.get(message.conversation)
            where = _title(conversation) if conversation else "elsewhere"
            self._show(f"[{where}] {_line(message)}")
        if self._inbox.empty():
            await self._tell_seen(message.conversation)

    async def _tell_seen(self, conversation: int) -> None:
        if seen := self._state.seen(conversation):
            await self._link.send(seen)

    def _refused(self, frame: frames.Refused) -> None:
        state = self._state
        if frame.client_id and frame.retry_after:
            self._loop.call_later(frame.retry_after, self._again)
        elif said := state.settled(frame.client_id):
            self._show(f"not sent, {frame.message}: {said.text}")
        else:
            self._show(frame.message)

    def _again(self) -> None:
        """Say again what was refused for now."""
        self._state.sending = False
        self._inbox.put_nowait(None)

    def _moved(self, frame: frames.Joined | frames.Left) -> None:
        state, change = self._state, frame.membership
        state.heard(frame.seq)
        if change.user == state.account.id:
            if isinstance(frame, frames.Joined) and frame.conversation:
                state.conversations[change.conversation] = frame.conversation
            elif isinstance(frame, frames.Left):
                state.conversations.pop(change.conversation, None)
        elif change.conversation == state.here:
            came = isinstance(frame, frames.Joined)
            self._show(f"{change.name} {'joined' if came else 'left'}")

    def _page(self, conversation: int, messages: list[api.Message]) -> None:
        for each in messages:
            self._show(_line(each))
        self._state.page(conversation, messages)

    def _show(self, text: str) -> None:
        self._terminal.show(text)


def _title(conversation: api.Conversation) -> str:
    """By the name that is typed to get there."""
    return f"{'#' if conversation.kind == 'room' else '@'}{conversation.name}"


def _line(message: api.Message) -> str:
    """A message, with its time of today or the day before that."""
    try:
        at = datetime.fromtimestamp(message.at / 1000).astimezone()
    except (ValueError, OverflowError, OSError):  # a server may say anything
        at = datetime.fromtimestamp(0).astimezone()
    today = at.date() == datetime.now().astimezone().date()
    stamp = f"{at:%H:%M}" if today else f"{at:%Y-%m-%d %H:%M}"
    return f"{stamp} {message.sender_name}: " + message.text.replace("\n", "\n  ")
