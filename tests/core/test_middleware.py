"""Facts about `mainstay.core.middleware`."""

from typing import Any

from mainstay import Call, Handler, configured
from mainstay.core.call import Middleware


async def passing(call: Call, next: Handler) -> Any:
    return await next(call)


def test_a_factory_keeps_its_name_and_can_be_called_by_hand() -> None:
    """As a test does that has a configuration at hand."""

    @configured
    def made(name: str) -> Middleware:
        """Made of a name."""
        return passing

    assert made("ada") is passing
    assert (made.__name__, made.__doc__) == ("made", "Made of a name.")  # type: ignore[attr-defined]
    assert "made" in repr(made)
    assert (made.security, made.security_schemes) == ((), {})


def test_a_factory_says_what_its_middleware_asks_for() -> None:
    """For OpenAPI, which is also made where nothing starts."""

    @configured(scheme="key", described={"type": "apiKey", "in": "header", "name": "x-key"})
    def made() -> Middleware:
        return passing

    assert made.security == ({"key": ()},)
    assert made.security_schemes == {"key": {"type": "apiKey", "in": "header", "name": "x-key"}}
