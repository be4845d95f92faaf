"""Mounted applications live as resources do."""

from typing import Any

from mainstay import Scope
from mainstay.http.route import Route
from mainstay.service.container import Container
from mainstay.service.mounts import Mounts
from tests.service.parts import Events


def application(events: Events, name: str) -> Any:
    """An ASGI application that knows its lifespan only."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        scope["state"]["name"] = name
        events(f"start {name}")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        events(f"stop {name}")
        await send({"type": "lifespan.shutdown.complete"})

    return app


async def test_each_application_lives_once() -> None:
    """They start in order and stop in reverse; one that is mounted twice has one state."""
    events = Events()
    one, two = application(events, "one"), application(events, "two")
    routes = [
        Route(path="/one", function=one, kind="mount"),
        Route(path="/two", function=two, kind="mount", host="example.org"),
        Route(path="/again", function=one, kind="mount"),
        Route(path="/x", function=two, kind="http", methods=("GET",)),
    ]
    mounts = Mounts(routes)
    names = [provider.name for provider in mounts.providers]
    assert names == ["ASGI at /one", "ASGI at example.org/two"]
    container = Container(mounts.providers, {})
    await container.open(Scope.current(), 5.0)
    assert mounts.state(one, container) == {"name": "one"}
    assert mounts.state(two, container) == {"name": "two"}
    for living in reversed(container.living()):
        await living.close()
    assert events == ["start one", "start two", "stop two", "stop one"]
