"""What callers have to prove: of middleware and of what is declared."""

import pytest

from mainstay.errors import UsageError
from mainstay.http.middleware.auth import basic, bearer, passwords, tokens
from mainstay.http.middleware.principal import require
from mainstay.http.openapi.security import Requirement, Security

BASIC = basic(passwords({}))
BEARER = bearer(tokens({}), format="JWT")


def test_all_middleware_is_required_together() -> None:
    """One requirement with every scheme, and the schemes as their middleware describes them."""
    security = Security()
    assert security.of("it", (), [BASIC, BEARER]) == [{"basic": [], "bearer": []}]
    assert security.schemes["bearer"]["bearerFormat"] == "JWT"
    assert set(security.schemes) == {"basic", "bearer"}


def test_one_of_those_declared_is_enough() -> None:
    """Beside what middleware asks, which each of them has."""
    declared: list[Requirement] = [{"key": ()}, {"bearer": ("read",)}]
    security = Security({"key": {"type": "apiKey", "in": "header", "name": "x-key"}})
    assert security.of("it", declared, [BASIC]) == [
        {"key": [], "basic": []},
        {"bearer": ["read"], "basic": []},
    ]


def test_scopes_join_the_one_scheme_around_them() -> None:
    """Of two nobody knows which one gives them."""
    assert Security().of("it", (), [BEARER, require("read")]) == [{"bearer": ["read"]}]
    both = Security().of("it", (), [BASIC, BEARER, require("read")])
    assert both == [{"basic": [], "bearer": []}]


def test_only_what_is_required_is_among_the_schemes() -> None:
    """Those known beforehand are not."""
    security = Security()
    assert security.of("it", (), [object()]) == []
    assert security.schemes == {}


def test_a_scheme_that_nobody_described_is_refused() -> None:
    """By whose it is."""
    with pytest.raises(UsageError, match="'GET /' is secured by 'magic'"):
        Security().of("GET /", [{"magic": ()}], ())
