"""Facts about the stand-in for grpcio's server."""

from typing import Any

import grpc
import pytest

from mainstay.errors import WiringError
from mainstay.rpc.grpcio.recording import Later, record
from tests.rpc.grpcio.generated import behave, servicer


def add_of() -> Any:
    return behave().services.add_BehaveServicer_to_server


def add_as_it_was(made: Any, server: Any) -> None:
    """What older generators write: one generic handler."""
    handlers: Any = {"One": grpc.unary_unary_rpc_method_handler(made.One)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.B", handlers),))


def test_generated_code_registers_each_method_once() -> None:
    """Although it does so in two ways."""
    recorder = record(add_of(), servicer())
    assert list(recorder.services) == ["test.behave.v1.Behave"]
    assert list(recorder.services["test.behave.v1.Behave"]) == ["One", "Many", "Gather", "Chat"]
    assert recorder.generic == []


def test_code_of_older_generators_is_understood() -> None:
    """It has generic handlers only."""
    made = servicer()
    recorder = record(add_as_it_was, made)
    assert recorder.services["a.B"]["One"].unary_unary == made.One


def test_a_generic_handler_that_decides_later_is_kept() -> None:
    """Nobody can know its methods."""

    class Any(grpc.GenericRpcHandler):
        def service(self, handler_call_details: object) -> None:
            return None

    handler = Any()
    recorder = record(lambda made, server: server.add_generic_rpc_handlers((handler,)), object())
    assert (recorder.services, recorder.generic) == ({}, [handler])


def test_a_class_is_recorded_without_an_instance() -> None:
    """Its methods are looked up later, by name."""
    made = type(servicer())
    found = record(add_of(), made).services["test.behave.v1.Behave"]["One"].unary_unary
    assert isinstance(found, Later)
    assert (found.name, found.function) == ("One", made.One)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: (servicer(), add_of()), "the two are swapped"),
        (lambda: (type(servicer()), add_of()), "the two are swapped"),
        (lambda: (add_of(), None), "None is no servicer"),
        (lambda: (add_of(), add_of()), "is a function, and no servicer"),
        (lambda: (add_of(), object()), "object has no 'One', which add_BehaveServicer_to_server"),
        (lambda: (add_of(), object), "object has no 'One', which add_BehaveServicer_to_server"),
        (lambda: (lambda made, server: None, servicer()), "has registered no method"),
        (lambda: ("add", servicer()), "'add' is no function that adds a servicer"),
    ],
)
def test_wrong_arguments_are_told_of(make: Any, said: str) -> None:
    """What is wrong, and what would be right."""
    with pytest.raises(WiringError, match=said):
        record(*make())


def test_what_a_server_can_do_else_is_refused_by_name() -> None:
    """Such as to open a port."""
    with pytest.raises(WiringError, match=r"server\.add_insecure_port .* settings of the service"):
        record(lambda made, server: server.add_insecure_port("[::]:1"), servicer())


def test_errors_of_the_function_itself_are_its_own() -> None:
    """An attribute that something else lacks is not the servicer's."""
    with pytest.raises(AttributeError, match="nothing"):
        record(lambda made, server: object().nothing, servicer())  # type: ignore[attr-defined]
