import inspect
from typing import Any

import pytest

from mainstay.errors import Code, RpcError
from mainstay.rpc.client import methods
from mainstay.rpc.client.rpc_stream import RpcStream
from mainstay.rpc.proto import generated


@pytest.mark.parametrize(
    ("typed", "real"),
    [
        (generated.StreamOf, RpcStream),
        (generated.Unary, methods.UnaryMethod),
        (generated.ServerStream, methods.ServerStreamMethod),
        (generated.ClientStream, methods.ClientStreamMethod),
        (generated.Bidi, methods.BidiMethod),
    ],
)
def test_a_typed_face_has_what_the_real_thing_has(typed: Any, real: type) -> None:
    """The same methods with the same parameters: what a channel makes goes where it is asked for."""
    names = typed.__protocol_attrs__ if hasattr(typed, "__protocol_attrs__") else vars(typed)
    for name in names:
        face, behind = getattr(typed, name), getattr(real, name, None)
        if isinstance(face, property):
            assert isinstance(behind, property), name
        if not inspect.isfunction(face) or name in ("__init__", "__subclasshook__"):
            continue
        assert callable(behind), name
        assert shape(face) == shape(behind), name


def shape(function: Any) -> list[tuple[str, Any, Any]]:
    """Its parameters, but for their types."""
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default) for each in parameters]


def test_what_is_not_defined_is_unimplemented() -> None:
    """With the name of the method, for whoever called it."""
    with pytest.raises(RpcError, match=r"a\.B/C is not implemented") as caught:
        generated.unimplemented("a.B/C")
    assert caught.value.code is Code.UNIMPLEMENTED


def test_what_may_be_overridden_is_the_function_itself() -> None:
    """Its signature and its docstring are what the service reads."""

    async def answer(self: object, request: int) -> str:
        """Answer."""
        return ""

    assert generated.overridable(answer) is answer
