"""A service declares its routes itself."""

import subprocess
import sys

import pytest

from mainstay import Service
from mainstay.errors import WiringError
from mainstay.http.routes import Routes


async def app() -> None: ...


def test_every_decorator_declares_a_route_of_the_service() -> None:
    """They are those of `Routes`, with its options, and give the function back."""
    service = Service("shop")

    @service.get("/a", tags=["t"])
    @service.head("/a")
    @service.post("/a")
    @service.put("/a")
    @service.patch("/a")
    @service.delete("/a")
    @service.options("/a")
    @service.route("/b", ["GET", "POST"])
    @service.websocket("/a")
    async def handler() -> None: ...

    service.mount("/old", app)
    group = Routes("/g")
    group.get("/x", name="x")(handler)
    service.include(group, "/v1", name="v1", tags=["g"])
    routes = service.declaration.routes.routes()
    assert [route.method_name for route in routes] == [
        "WEBSOCKET /a",
        "GET|POST /b",
        *(
            f"{method} /a"
            for method in ["OPTIONS", "DELETE", "PATCH", "PUT", "POST", "HEAD", "GET"]
        ),
        "MOUNT /old",
        "GET /v1/g/x",
    ]
    assert routes[8].tags == ("t",)
    assert routes[-1].tags == ("g",)
    assert {route.function for route in routes} == {handler, app}


def test_addresses_are_found_by_name() -> None:
    """See `Routes.url_for`."""
    service = Service("shop")
    service.get("/users/{id:int}", name="user")(app)
    assert service.url_for("user", id=7, full=True) == "/users/7?full=true"


def test_a_conflict_is_refused_at_the_decorator() -> None:
    """Its traceback ends at the second route."""
    service = Service("shop")
    service.get("/{a}")(app)
    with pytest.raises(WiringError, match="answers to the same requests as GET /"):
        service.get("/{b}")(app)


def test_http_is_loaded_for_services_that_have_routes() -> None:
    """A service without any does not pay for it."""
    script = (
        "import sys; from mainstay import Service; s = Service('shop');"
        "before = 'mainstay.http' in sys.modules;"
        "s.get('/')(print); print(before, 'mainstay.http' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["False", "True"]
