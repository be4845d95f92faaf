from __future__ import annotations

import asyncio

import pytest

from examples.im import api
from examples.im.data import log, newcomers
from examples.im.data.newcomers import Newcomer, Newcomers
from mainstay.errors import Conflict
from tests.examples.im.data.conftest import House

pytestmark = pytest.mark.real_loop


async def test_who_is_new_is_in_the_lobby_and_signed_in(house: House) -> None:
    """Of five who want a name one gets it, with all that belongs to it, in one commit; the others
    leave nothing behind."""
    lobby = await house.conversations.room("lobby", "Lobby", 1)
    place, commits = await house.database.read(log.place), house.database.commits
    adding = Newcomers(house.database)
    outcomes = await asyncio.gather(
        *(
            adding.add(Newcomer("ada", f"Ada {n}", b"hash", bytes([n]) * 32, 100), lobby, 7)
            for n in range(5)
        ),
        return_exceptions=True,
    )
    (ada,) = (each for each in outcomes if isinstance(each, api.Account))
    assert sum(isinstance(each, Conflict) for each in outcomes) == 4
    assert house.database.commits - commits == 1
    sessions = [await house.accounts.signed_in(bytes([n]) * 32, 50) for n in range(5)]
    assert [each.account for each in sessions if each] == [ada]
    (room,) = (await house.conversations.of(ada.id)).items
    assert (room.name, room.members) == ("lobby", 1)
    events = (await house.database.read(log.read, place, None, 10)).items
    assert [each.what for each in events] == [api.Membership(lobby, ada.id, ada.display, True)]


async def test_a_sign_up_that_fails_half_way_leaves_the_name_free(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the session cannot be begun there is no account either, and a second try succeeds."""
    lobby = await house.conversations.room("lobby", "Lobby", 1)
    adding, ada = Newcomers(house.database), Newcomer("ada", "Ada", b"hash", b"1" * 32, 100)

    def fail(*_: object) -> None:
        raise LookupError

    with monkeypatch.context() as patch:
        patch.setattr(newcomers, "begin_session", fail)
        with pytest.raises(LookupError):
            await adding.add(ada, lobby, 7)
    assert await house.accounts.find("ada") is None
    assert (await adding.add(ada, lobby, 7)).name == "ada"
