"""Facts about services that are put together late."""

import pytest

from mainstay.errors import WiringError
from mainstay.rpc.late import LateService
from mainstay.rpc.method import RpcService


def test_it_is_made_when_it_is_looked_at_and_once() -> None:
    """Declaring one costs nothing; `renew` has it made anew."""
    made = []

    def make() -> RpcService:
        made.append(1)
        return RpcService(name="a.B", doc="what it is")

    late = LateService("a.B", make)
    assert (late.name, repr(late), made) == ("a.B", "<RpcService a.B>", [])
    assert list(late) == []
    assert late.doc == "what it is"
    assert late.descriptor is None
    assert made == [1]
    late.renew()
    assert late.methods == {}
    assert made == [1, 1]


def test_what_is_wrong_is_said_at_each_look() -> None:
    """A service that cannot be made is not half there."""

    def make() -> RpcService:
        raise WiringError("no")

    late = LateService("a.B", make)
    for _ in range(2):
        with pytest.raises(WiringError, match="no"):
            list(late)


def test_without_protobuf_it_says_what_to_install() -> None:
    """The extra, and not the name of a module; what else is missing is said as it is."""

    def fail(name: str) -> RpcService:
        raise ModuleNotFoundError(name=name)

    with pytest.raises(WiringError, match=r"pip install \"mainstay\[grpc\]\""):
        list(LateService("a.B", lambda: fail("google")))
    with pytest.raises(ModuleNotFoundError):
        list(LateService("a.B", lambda: fail("other")))
