"""Markers of FastAPI are refused wherever they stand, with what to write instead."""

from typing import Annotated, Any

import fastapi
import pytest
from fastapi import params

from mainstay import Service
from mainstay.core.signature import parameters_of
from mainstay.errors import WiringError
from mainstay.http.foreign import refuse_foreign
from mainstay.http.sources import Query
from mainstay.service.wiring import Wiring


def token() -> str:
    return "t"


class Mine(params.Depends):  # type: ignore[misc, unused-ignore]
    """A marker that somebody derived."""


def asking(annotation: Any, default: Any = ...) -> Any:
    """A function with one parameter ``a``."""

    def handler(a) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    handler.__annotations__ = {"a": annotation}
    if default is not ...:
        handler.__defaults__ = (default,)
    return handler


@pytest.mark.parametrize(
    ("function", "word", "instead"),
    [
        (asking(Annotated[str, fastapi.Depends(token)]), "Depends", "resource(lifetime='call')"),
        (asking(str, fastapi.Depends(token)), "Depends", "resource(lifetime='call')"),
        (asking(str, Mine(token)), "Depends", "resource(lifetime='call')"),
        (asking(Annotated[str, fastapi.Depends]), "Depends", "resource(lifetime='call')"),
        (asking(Annotated[str, fastapi.Security(token)]), "Security", "ask for a Principal"),
        (asking(int, fastapi.Query(1)), "Query", "mainstay.http.Query"),
        (asking(Annotated[str, fastapi.Header()]), "Header", "mainstay.http.Header"),
        (asking(Annotated[str, fastapi.Header()] | None), "Header", "mainstay.http.Header"),
        (asking(list[Annotated[str, fastapi.Query()]]), "Query", "mainstay.http.Query"),
        (asking(dict[str, Any], fastapi.Body()), "Body", "mainstay.http.Body"),
        (asking(str, fastapi.Form()), "Form", "mainstay.http.Form"),
        (asking(str, fastapi.Cookie()), "Cookie", "mainstay.http.Cookie"),
        (asking(int, fastapi.Path()), "Path", "mainstay.http.Path"),
        (asking(bytes, fastapi.File()), "File", "mainstay.http.UploadFile"),
        (asking(str, params.Param("x")), "Param", "docs/howto/requests.md"),
    ],
)
def test_a_marker_is_refused_with_what_to_write(function: Any, word: str, instead: str) -> None:
    """Around the type or as the default; the message names function, parameter and our word."""
    with pytest.raises(WiringError) as caught:
        refuse_foreign(function, parameters_of(function))
    message = caught.value.message
    assert function.__qualname__ in message
    assert f"parameter 'a': FastAPI's {word} means nothing here" in message
    assert instead in message


@pytest.mark.parametrize(
    "function", [asking(Annotated[int, Query, "note"], 1), asking(str), asking(Any, token)]
)
def test_everything_else_passes(function: Any) -> None:
    """Markers of ours, other notes, and functions as defaults."""
    refuse_foreign(function, parameters_of(function))


def test_a_service_refuses_them_in_whatever_it_fills() -> None:
    """Routes, handlers and resources: a guard that is passed over would leave a door open."""
    service = Service("shop")

    class Session: ...

    @service.resource(lifetime="call")
    async def session(user: str = fastapi.Depends(token)) -> Session:
        return Session()

    with pytest.raises(WiringError, match=r"session .*'user': FastAPI's Depends"):
        Wiring(service.declaration, {})

    service = Service("shop")

    @service.get("/")
    async def read(user: Annotated[str, fastapi.Depends(token)]) -> None: ...

    @service.websocket("/ws")
    async def talk(user: str = fastapi.Header()) -> None: ...

    @service.handler("greet")
    async def greet(user: Annotated[str, fastapi.Depends(token)]) -> None: ...

    with pytest.raises(WiringError) as caught:
        Wiring(service.declaration, {})
    for name in ("read (", "talk (", "greet ("):
        assert name in caught.value.message.replace("<locals>.", "")
