"""Facts about adding servicers of grpcio to a service."""

import subprocess
import sys
from typing import Any

import pytest

from mainstay import Service
from mainstay.errors import WiringError
from tests.rpc.grpcio.generated import behave, service_with, servicer


class Store:
    """Something that a servicer needs."""


def test_a_service_is_answered_once() -> None:
    """A second servicer for it is an error, and changes nothing."""
    service = service_with(servicer())
    before = dict(service.declaration.rpc)
    with pytest.raises(WiringError, match=r"'test\.behave\.v1\.Behave' is answered twice"):
        service.add_servicer(behave().services.add_BehaveServicer_to_server, servicer())
    assert service.declaration.rpc == before


async def test_what_a_class_needs_and_nobody_provides_is_told_at_the_start() -> None:
    """As for any resource."""
    base: Any = behave().services.BehaveServicer

    class Behaving(base):  # type: ignore[misc]
        def __init__(self, store: Store) -> None:
            self.store = store

    with pytest.raises(WiringError, match="nothing provides Store for parameter 'store'"):
        async with service_with(Behaving).running():
            raise AssertionError("it runs")


def test_swapped_arguments_are_told_of() -> None:
    """Before anything is added."""
    service = Service("behave")
    with pytest.raises(WiringError, match="the two are swapped"):
        service.add_servicer(servicer(), behave().services.add_BehaveServicer_to_server)
    assert service.declaration.rpc == {}


def test_without_grpcio_the_error_names_it() -> None:
    """Where generated code cannot be imported either."""
    code = (
        "import sys; sys.modules['grpc'] = None\n"
        "from mainstay import Service\n"
        "try: Service('a').add_servicer(print, object())\n"
        "except Exception as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("add_servicer needs grpcio and protobuf")


def test_grpc_is_not_loaded_before_it_is_needed() -> None:
    """A service without servicers starts without grpcio and protobuf."""
    code = (
        "import sys, mainstay.service.rpc_servicers\n"
        "from mainstay import Service\n"
        "Service('a')\n"
        "assert not {'grpc', 'google.protobuf'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
