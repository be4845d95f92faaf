"""Facts about `mainstay.http.websocket_farewell`."""

from mainstay.core.scope import Scope
from mainstay.http.websocket_farewell import GOING_AWAY, SERVICE_RESTART, farewell_of
from mainstay.net.registry import HANDED_OVER


async def test_a_service_that_stops_says_so() -> None:
    """Nobody is asked to come back to an address at which nobody may answer."""
    assert farewell_of(Scope("call")) == (GOING_AWAY, "the service is stopping")


async def test_the_service_knows_of_the_hand_over_and_the_call_is_told() -> None:
    """What is set above holds for every call below, whenever it began."""
    with Scope("service") as service, Scope("call") as call:
        service.set(HANDED_OVER, True)
        assert farewell_of(call) == (SERVICE_RESTART, "the service is restarting")
