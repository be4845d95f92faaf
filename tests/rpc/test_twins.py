"""Messages of one name that are not the same."""

from dataclasses import dataclass
from typing import Any

from mainstay.rpc import Rpc
from mainstay.rpc.method import RpcService
from mainstay.rpc.twins import twins_of


@dataclass
class Shared:
    """In two services, and the same in both."""

    number: int = 0


def service(name: str, **fields: Any) -> RpcService:
    """A service whose request is a class ``Q`` of its own."""
    request: Any = dataclass(type("Q", (), {"__annotations__": fields, **dict.fromkeys(fields)}))
    rpc = Rpc(name)

    async def do(request: Any) -> Shared:
        return Shared()

    do.__annotations__["request"] = request
    rpc.method(do)
    return rpc.service


def test_two_classes_of_one_name_are_told_of() -> None:
    """With the services that have them; in other packages they are others."""
    services = [service("a.v1.One", a=str), service("a.v1.Two", a=int), service("b.v1.Two", b=int)]
    (said,) = twins_of(services)
    assert said.startswith("a.v1.Q is one thing in a.v1.One and another in a.v1.Two")
    assert twins_of(services[1:]) == []


def test_one_class_may_be_in_several_services() -> None:
    """And so may two that cannot be told apart; what has no description has no names."""
    bare = RpcService(name="a.v1.Bare", methods={})
    assert twins_of([service("a.v1.One", a=str), service("a.v1.Two", a=str), bare]) == []
