"""Facts about `examples.im.gateway.attendance`: what the logic knows of who is here."""

from __future__ import annotations

import asyncio

from examples.im import api
from examples.im.gateway.attendance import GATHER
from tests.examples.im.gateway.house import House, at_home


async def test_the_logic_hears_who_comes_and_goes() -> None:
    """At once, gathered for a moment; a second client of a user is no news."""
    async with at_home() as home:
        await asyncio.sleep(1)
        told = home.house.attendances
        assert [(each.arrived, each.whole) for each in told] == [([], True)]
        async with home.guest("ada") as ada:
            async with home.guest(ada.session):
                await asyncio.sleep(2 * GATHER)
            assert told[-1].arrived == [ada.id]
            await asyncio.sleep(2 * GATHER)
            assert len(told) == 2
        await asyncio.sleep(2 * GATHER)
        assert (told[-1].arrived, told[-1].departed) == ([], [ada.id])
        assert len({each.gateway for each in told}) == 1


async def test_a_sign_of_life_is_given_every_third_of_the_lease() -> None:
    """Six seconds of lease make one every two."""
    async with at_home() as home:
        await asyncio.sleep(20.5)
        assert len(home.house.attendances) == 11


class Forgetful(House):
    """Has forgotten the gateway at its third word."""

    async def attend(self, request: api.Attendance) -> api.Lease:
        lease = await super().attend(request)
        return api.Lease(lease.seconds, known=len(self.attendances) != 3)


async def test_everybody_is_named_again_when_the_logic_has_forgotten() -> None:
    """The whole attendance follows at once."""
    async with at_home(Forgetful()) as home, home.guest("ada") as ada:
        await asyncio.sleep(5)
        assert home.house.attendances[2].whole is False
        assert home.house.attendances[3].whole is True
        assert home.house.attendances[3].arrived == [ada.id]


async def test_everybody_is_named_when_the_logic_comes_back() -> None:
    """What could not be told is not lost."""
    async with at_home() as home:
        await asyncio.sleep(1)
        ada = await home.sign_up("ada")
        home.house.away = True
        home.house.calls.clear()
        await asyncio.sleep(5)
        home.house.away = False
        async with home.guest(ada):
            await asyncio.sleep(2)
            assert home.house.attendances[-2].whole is True
            assert ada.account.id in {
                user for each in home.house.attendances[-2:] for user in each.arrived
            }


async def test_a_gateway_that_drains_says_for_the_last_time_who_was_here() -> None:
    """Its users do not depart: they come back elsewhere before the lease is over."""
    async with at_home() as home, home.guest("ada") as ada:
        await asyncio.sleep(1)
        await home.drained(ada)
        last = home.house.attendances[-1]
        assert last.whole
        assert last.arrived == [ada.id]
        assert not any(each.departed for each in home.house.attendances)
