"""Facts about how a service is told of its RPC."""

from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from mainstay.errors import WiringError
from mainstay.rpc.definition import Rpc
from mainstay.service.service import Service

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]


def test_a_service_has_one_definition() -> None:
    """Adding the same one twice changes nothing; another of its name is refused."""
    service = Service("hello")
    rpc = Rpc("grpc.health.v1.Health")
    service.add_rpc(rpc)
    service.add_rpc(rpc)
    service.add_rpc(rpc.service)
    assert list(service.declaration.rpc) == ["grpc.health.v1.Health"]
    with pytest.raises(WiringError, match="answered twice"):
        service.add_rpc(Rpc("grpc.health.v1.Health"))
    with pytest.raises(WiringError, match="answered twice"):

        @service.rpc(HEALTH)
        class Health:
            pass


@pytest.mark.parametrize("wrong", [object(), "hello.v1.Greeter", None])
def test_what_is_no_definition_is_refused(wrong: Any) -> None:
    """With a word on where it belongs."""
    service = Service("hello")
    with pytest.raises(WiringError, match="add_rpc takes an Rpc"):
        service.add_rpc(wrong)
    with pytest.raises(WiringError, match="load_proto"):
        service.rpc(wrong)


def test_a_class_is_decorated_and_stays_itself() -> None:
    """A function is not taken for one; nothing is checked before the start."""
    service = Service("hello")

    class Health:
        pass

    assert service.rpc(HEALTH)(Health) is Health
    decorate: Any = Service("other").rpc(HEALTH)
    with pytest.raises(WiringError, match="decorates a class"):
        decorate(print)
