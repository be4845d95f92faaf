"""Facts about what stands before the routes of the gateway."""

import logging
from typing import Any

import pytest

from examples.im.gateway.guards import unavailable
from mainstay.errors import Code, Error, NotFound, Overloaded
from mainstay.rpc.client.failures import failure
from tests.examples.im.gateway.house import at_home

ADA = {"name": "ada", "password": "password1"}


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED])
async def test_a_logic_that_is_away_is_no_failure_of_the_gateway(code: Code) -> None:
    """The client hears that it may try again."""

    async def handler(call: Any) -> None:
        raise failure(code, "no answer within 5 s", method="im.v1.Logic/SignUp")

    call: Any = None
    with pytest.raises(Overloaded, match=rf"does not answer \({code.name}\); try again"):
        await unavailable(call, handler)


@pytest.mark.parametrize("error", [failure(Code.INTERNAL, "oh"), NotFound("no such room")])
async def test_what_the_logic_says_is_passed_on(error: Error) -> None:
    """Its own failures too, with their stacks."""

    async def handler(call: Any) -> None:
        raise error

    call: Any = None
    with pytest.raises(type(error)) as caught:
        await unavailable(call, handler)
    assert caught.value is error


async def test_a_logic_that_is_away_is_told_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """Each time, as somebody waits for it; without a stack."""
    async with at_home() as home:
        home.house.leave_the_room()
        with caplog.at_level(logging.INFO, "mainstay.http"):
            reply = await home.client.post("/api/sign-up", json=ADA)
        home.house.leave_the_room(False)
    assert reply.status == 503
    told = [each for each in caplog.records if each.name == "mainstay.http"]
    assert [(each.levelname, bool(each.exc_info)) for each in told] == [("WARNING", False)]
