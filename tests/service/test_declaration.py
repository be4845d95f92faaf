"""What a service is made of, as data."""

from mainstay.service.declaration import Declaration


def test_routes_are_made_when_somebody_asks() -> None:
    """There is one group of them for the service; until then, there is none."""
    declaration = Declaration("shop")
    before = declaration.has_routes
    routes = declaration.routes
    assert (before, declaration.has_routes) == (False, True)
    assert declaration.routes is routes
