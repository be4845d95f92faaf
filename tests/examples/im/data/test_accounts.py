from __future__ import annotations

import asyncio

import pytest

from examples.im import api
from examples.im.data import log
from examples.im.data.accounts import Accounts, Secret, SignedIn
from mainstay.errors import Conflict
from tests.examples.im.data.conftest import House

pytestmark = pytest.mark.real_loop


async def test_of_many_who_want_a_name_one_gets_it(house: House) -> None:
    """Five sign-ups with one name at once make one account and four Conflicts."""
    accounts = Accounts(house.database)
    outcomes = await asyncio.gather(
        *(accounts.add("ada", f"Ada {n}", b"hash", 1) for n in range(5)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["Account"] + ["Conflict"] * 4
    assert any(isinstance(each, Conflict) for each in outcomes)


async def test_an_account_is_found_by_its_name_and_its_id(house: House) -> None:
    """By name it comes with the hash of its password; who does not exist is not found."""
    (ada,) = await house.add("ada")
    account = api.Account(ada, "ada", "Ada")
    assert await house.accounts.find("ada") == Secret(account, b"hash")
    assert await house.accounts.find("Ada") is None
    assert await house.accounts.some([ada, 999]) == [account]


async def test_people_are_found_by_the_beginning_of_their_names(house: House) -> None:
    """In the order of names, up to the limit."""
    await house.add("adam", "ada", "bob", "ad")
    found = await house.accounts.beginning("ada", 10)
    assert [each.name for each in found] == ["ada", "adam"]
    assert [each.name for each in await house.accounts.beginning("", 2)] == ["ad", "ada"]


async def test_a_session_ends_by_its_time_or_by_its_user(house: House) -> None:
    """It is somebody's until it expires or is signed out; only the latter is told, and once."""
    (ada,) = await house.add("ada")
    account = api.Account(ada, "ada", "Ada")
    await house.accounts.sign_in(b"1" * 32, ada, 100)
    await house.accounts.sign_in(b"2" * 32, ada, 200)
    assert await house.accounts.signed_in(b"1" * 32, 99) == SignedIn(account, 100)
    assert await house.accounts.signed_in(b"1" * 32, 100) is None
    place = await house.database.read(log.place)
    assert await house.accounts.sign_out(b"2" * 32, "its name", 50)
    assert not await house.accounts.sign_out(b"2" * 32, "its name", 50)
    assert await house.accounts.signed_in(b"2" * 32, 50) is None
    events = await house.database.read(log.read, place, None, 10)
    assert [event.what for event in events.items] == [api.SignedOut(ada, "its name")]


async def test_sessions_that_have_ended_are_forgotten(house: House) -> None:
    """A sweep removes those and no others."""
    (ada,) = await house.add("ada")
    await house.accounts.sign_in(b"1" * 32, ada, 100)
    await house.accounts.sign_in(b"2" * 32, ada, 200)
    assert await house.accounts.sweep(150) == 1
    assert await house.accounts.signed_in(b"2" * 32, 150) is not None
