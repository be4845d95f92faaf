"""Facts about the terminal client, with the real gateway, logic and database behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from examples.im import api
from tests.examples.im.chat.house import a_house

pytestmark = pytest.mark.real_loop(timeout=120)


async def test_two_users_talk(tmp_path: Path) -> None:
    """What one says is on both screens, once, in order; what begins with // is said with /."""
    async with a_house(tmp_path) as house:
        ada, _ = await house.enter("ada")
        await ada.type("hello")  # stored: so the gateway knows by now what her screen shows
        bob, _ = await house.enter("bob")
        await ada.type("//quit is a word")
        await bob.wait_for("/quit is a word")
        await bob.type("hi")
        await ada.wait_for("hi")
        assert ada.said("Ada") == bob.said("Ada") == ["hello", "/quit is a word"]
        assert ada.said("Bob") == bob.said("Bob") == ["hi"]
        assert "Bob joined" in ada.shown


class Slow:
    """The calls of somebody whose list of members is on its way while others go on.

    Args:
        calls: that are made.
        meanwhile: what they do, each time.
    """

    def __init__(self, calls: Any, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._calls, self._meanwhile = calls, meanwhile

    async def members(self, ask: api.Ask) -> api.Accounts:
        """See `api.Logic`."""
        found: api.Accounts = await self._calls.members(ask)
        await self._meanwhile()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._calls, name)


async def test_who_comes_while_one_enters_is_told(tmp_path: Path) -> None:
    """Though the list of the members was made before."""
    async with a_house(tmp_path) as house:

        async def come() -> None:
            bob, _ = await house.enter("bob")
            await bob.type("hi")
            await bob.wait_for("Bob: hi")  # so the gateway has told all that was before

        ada, _ = await house.enter("ada", calls=Slow(await house.calls("ada"), come))
        await ada.wait_for("Bob joined")


async def test_rooms_are_found_joined_and_left(tmp_path: Path) -> None:
    """What was said before is shown on entering, and further back when it is asked for."""
    async with a_house(tmp_path) as house:
        await house.import_old("salon", [str(number) for number in range(50)])
        ada, _ = await house.enter("ada")
        await ada.type("/rooms sal", "/join salon")
        assert "  #salon, 1 member" in ada.shown
        assert ada.said("Bob") == [str(number) for number in range(30, 50)]
        await ada.type("/older")
        assert ada.said("Bob")[20:] == [str(number) for number in range(10, 30)]
        await ada.type("/who", "/list", "/leave", "nobody hears me", "/join nowhere", "/nope")
        for line in (
            "● Ada",
            "○ Bob",
            "* #salon",
            "  #lobby",
            "join a room first: /rooms, /join NAME, /create NAME",
            "there is no room nowhere",
            "there is no /nope; /help says what there is",
        ):
            assert line in ada.shown


async def test_a_room_is_made(tmp_path: Path) -> None:
    """Who makes it is in it; a name that is taken, or is none, is told, and one stays where one is."""
    async with a_house(tmp_path) as house:
        ada, _ = await house.enter("ada")
        bob, _ = await house.enter("bob")
        await ada.type("/create #Tea time", "who wants some?")
        await bob.type("/join tea-time", "/rooms tea", "/create tea-time", "/create ?", "I do")
        assert "── #tea-time ──" in ada.shown
        assert "  #tea-time, 2 members" in bob.shown
        assert [each for each in bob.shown if "room tea-time already" in each]
        assert [each for each in bob.shown if "the name of a room has" in each]
        await ada.wait_for("Bob: I do")


async def test_a_direct_conversation_is_told_wherever_the_other_one_is(tmp_path: Path) -> None:
    """With where it was said; and it can be searched for, and not be left."""
    async with a_house(tmp_path) as house:
        ada, _ = await house.enter("ada")
        bob, _ = await house.enter("bob")
        await ada.type("/direct @bob", "psst, a secret", "/leave")
        await bob.wait_for("Ada: psst, a secret")
        assert [each for each in bob.shown if each.startswith("[@ada] ")]
        assert [each for each in ada.shown if "cannot be left" in each]
        await bob.type("/search nothing-like-it", "/help")
        assert "nothing found" in bob.shown
        assert "  /who: who is a member here; with a dot, who is there" in bob.shown


async def test_who_is_there_is_shown(tmp_path: Path) -> None:
    """By a dot before their names."""
    async with a_house(tmp_path) as house:
        ada, _ = await house.enter("ada")
        await house.enter("bob")
        await ada.type("/join lobby")
        while "● Bob" not in ada.shown:  # it is told within a moment
            await ada.type("/who")


async def test_the_end_of_the_input_waits_for_what_was_said(tmp_path: Path) -> None:
    """The exit code says whether all of it is stored."""
    async with a_house(tmp_path) as house:
        ada, task = await house.enter("ada", interactive=True)
        assert await ada.type("one", "two")
        assert not await ada.type(None)
        assert await task == 0
        assert ada.said("Ada") == ["one", "two"]


async def test_what_cannot_be_said_is_told(tmp_path: Path) -> None:
    """With the reason, and nothing waits for it."""
    async with a_house(tmp_path) as house:
        ada, task = await house.enter("ada")
        await ada.type("x" * (api.TEXT_LIMIT + 1), "short", "/quit")
        assert await task == 0
        assert [each for each in ada.shown if each.startswith("not sent, ")]
        assert ada.said("Ada") == ["short"]


async def test_who_says_too_much_at_once_is_slowed_and_loses_nothing(tmp_path: Path) -> None:
    """What the gateway refuses for now is said again, in its order."""
    async with a_house(tmp_path) as house:
        ada, task = await house.enter("ada")
        numbers = [str(number) for number in range(34)]
        await ada.type(*numbers, "/quit")
        assert await task == 0
        assert ada.said("Ada") == numbers
