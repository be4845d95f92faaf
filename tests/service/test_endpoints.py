"""Routes are bound to their functions, and answered with what those return."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Self

import msgspec
import pytest

from mainstay import Call, Handler, Scope, Service
from mainstay.errors import UsageError, WiringError
from mainstay.http.app import HttpApplication
from mainstay.http.call import HttpCall
from mainstay.http.request import Request
from mainstay.http.response import Prepared, Response
from mainstay.http.router import Miss
from mainstay.http.routes import Routes
from mainstay.http.sources import Path
from mainstay.http.websocket import WebSocket
from mainstay.service.wiring import Wiring
from mainstay.testing.exchange import MemoryExchange
from tests.service.parts import Database, Events, Session


class Config(msgspec.Struct):
    greeting: str = "Hello"


class Item(msgspec.Struct):
    name: str
    count: int = 1


class Answers:
    """A service whose routes are wired, with its service resources open."""

    def __init__(self, service: Service) -> None:
        config = Config()
        self._wiring = Wiring(service.declaration, {Config: config})

    async def __aenter__(self) -> Self:
        await self._wiring.container.open(Scope.current(), 5.0)
        assert self._wiring.endpoints is not None
        self.compiled = self._wiring.endpoints.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for living in reversed(self._wiring.container.living()):
            await living.close()

    async def __call__(self, target: str, method: str = "GET", **more: Any) -> Response:
        """What the endpoint of a request returns."""
        exchange = MemoryExchange(method, target, **more)
        found = self.compiled.router.match(method, target.partition("?")[0], "example.org")
        assert not isinstance(found, Miss)
        endpoint, params = found
        with Scope(endpoint.method_name, parent=Scope.current()) as scope:
            call = HttpCall("http", endpoint.method_name, scope, exchange, endpoint.route, params)
            response = await endpoint.handler(call)
            assert isinstance(response, Response)
            return response


async def body(response: Response) -> bytes:
    """The whole body, iterated if it streams."""
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([part async for part in response.body])


# --- where parameters come from -----------------------------------------------------------------


async def test_parameters_come_from_path_query_call_and_container() -> None:
    """The usual handler: values of the path, of the query, defaults, the configuration, the scope,
    the request and a resource, all in one."""
    service = Service("shop", config=Config)

    @service.resource
    async def database() -> AsyncIterator[Database]:
        yield Database()

    @service.get("/items/{id:int}")
    async def read(
        id: int,
        config: Config,
        scope: Scope,
        request: Request,
        call: Call,
        database: Database,
        full: bool = False,
        page: int = 1,
    ) -> dict[str, Any]:
        assert scope is Scope.current()
        assert request is call.request
        assert database.open
        return {"id": id, "full": full, "page": page, "said": config.greeting}

    async with Answers(service) as ask:
        response = await ask("/items/7?full=true")
    assert (response.status, response.content_type) == (200, "application/json")
    wanted = {"id": 7, "full": True, "page": 1, "said": "Hello"}
    assert msgspec.json.decode(await body(response)) == wanted


@pytest.mark.parametrize("late", [False, True])
async def test_a_body_is_decoded_now_or_when_it_has_come(late: bool) -> None:
    """One that came with the head is there at once; another is waited for."""
    service = Service("shop")

    @service.post("/items", status=201)
    async def create(item: Item) -> Item:
        return Item(item.name, item.count + 1)

    fields = [("content-type", "application/json")]
    sent: dict[str, Any] = {"body": b'{"name": "cup"}'}
    if late:
        sent = {"chunks": [b'{"name":', b' "cup"}']}
    async with Answers(service) as ask:
        response = await ask("/items", "POST", fields=fields, **sent)
    assert response.status == 201
    assert await body(response) == b'{"name":"cup","count":2}'


async def test_the_path_goes_before_the_type() -> None:
    """A parameter that the path names is the path's, though somebody provides its type."""
    service = Service("shop")

    @service.resource
    async def number() -> int:
        return 1

    @service.get("/{value:int}")
    async def read(value: int, other: int) -> list[int]:
        return [value, other]

    async with Answers(service) as ask:
        assert await body(await ask("/5")) == b"[5,1]"


async def test_defaults_of_a_route_are_arguments() -> None:
    """They stand for what a shorter path leaves out, and not for what the query says."""
    service = Service("shop")

    @service.get("/posts", defaults={"page": 1, "unknown": 2})
    @service.get("/posts/{page:int}")
    async def posts(page: int) -> int:
        return page

    async with Answers(service) as ask:
        assert await body(await ask("/posts?page=9")) == b"1"
        assert await body(await ask("/posts/3")) == b"3"


# --- what functions there are -------------------------------------------------------------------


@pytest.mark.real_loop
async def test_a_plain_function_runs_in_a_thread() -> None:
    """What may block does not hold the loop up; what it returns is answered all the same."""
    service = Service("shop")

    @service.get("/{name}")
    def read(name: str) -> str:
        return f"{name} in {threading.current_thread() is threading.main_thread()}"

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        def inner(name: str) -> Any:
            return function(name)

        return inner

    @service.get("/x/{name}")
    @decorated
    async def later(name: str) -> str:
        return name

    async with Answers(service) as ask:
        assert await body(await ask("/ada")) == b"ada in False"
        assert await body(await ask("/x/ada")) == b"ada"


async def test_an_async_generator_is_a_body() -> None:
    """It runs as the reply is sent."""
    service = Service("shop")
    began = Events()

    @service.get("/{count:int}")
    async def numbers(count: int) -> AsyncIterator[bytes]:
        began("body")
        for number in range(count):
            yield b"%d;" % number

    async with Answers(service) as ask:
        response = await ask("/3")
        assert (response.streams, began) == (True, [])
        assert await body(response) == b"0;1;2;"


async def test_a_reply_that_needs_the_request_is_prepared() -> None:
    """Middleware sees what was made of it."""
    service = Service("shop")

    class Late(Prepared):
        async def prepare(self, request: Request) -> Response:
            return Response(f"prepared for {request.path}")

    @service.get("/usual")
    async def usual() -> Response:
        return Late()

    @service.get("/other")
    async def other(scope: Scope) -> Response:
        return Late()

    async with Answers(service) as ask:
        for path in ("/usual", "/other"):
            assert await body(await ask(path)) == b"prepared for " + path.encode()


# --- middleware ---------------------------------------------------------------------------------


async def test_middleware_runs_from_the_service_inwards() -> None:
    """Of the service, of the group, of the route; each sees a response."""
    events = Events()

    def named(name: str) -> Any:
        async def layer(call: Call, next: Handler) -> Any:
            events(f"{name} {call.method}")
            response = await next(call)
            assert isinstance(response, Response)
            return response

        return layer

    service = Service("shop", middleware=[named("service")])
    group = Routes("/g", middleware=[named("group")])

    @group.get("/{x}", middleware=[named("route")])
    async def read(x: str) -> str:
        events("handler")
        return x

    service.include(group)
    service.middleware(named("late"))
    async with Answers(service) as ask:
        await ask("/g/1")
    method = "GET /g/{x}"
    assert events == [*(f"{n} {method}" for n in ("service", "late", "group", "route")), "handler"]


# --- resources of a call ------------------------------------------------------------------------


def with_session(events: Events) -> Service:
    """A service with a resource that lives for one call and asks for the request."""
    service = Service("shop")

    @service.resource(lifetime="call")
    async def session(request: Request) -> AsyncIterator[Session]:
        events(f"open for {request.path}")
        try:
            yield Session()
        except Exception as error:
            events(f"told of {error}")
            raise
        finally:
            events("closed")

    return service


async def test_a_resource_of_the_call_closes_before_the_reply() -> None:
    """A transaction that fails to commit can still become an error."""
    events = Events()
    service = with_session(events)

    @service.get("/")
    async def read(session: Session) -> str:
        events("handler")
        return "x"

    async with Answers(service) as ask:
        assert await body(await ask("/")) == b"x"
    assert events == ["open for /", "handler", "closed"]


async def test_a_resource_of_the_call_lives_as_long_as_its_streamed_body() -> None:
    """A generator that reads from a database has one until its end."""
    events = Events()
    service = with_session(events)

    @service.get("/")
    async def read(session: Session) -> AsyncIterator[str]:
        yield "a"
        events("body")
        yield "b"

    async with Answers(service) as ask:
        response = await ask("/")
        assert events == ["open for /"]
        assert await body(response) == b"ab"
    assert events == ["open for /", "body", "closed"]


async def test_a_failure_reaches_the_resource_of_the_call() -> None:
    """So it can roll back."""
    events = Events()
    service = with_session(events)

    @service.get("/")
    async def read(session: Session) -> str:
        raise ValueError("boom")

    async with Answers(service) as ask:
        with pytest.raises(ValueError, match="boom"):
            await ask("/")
    assert events == ["open for /", "told of boom", "closed"]


async def test_a_resource_that_asks_for_the_request_needs_a_call_by_http() -> None:
    """A call in process has none, and is told so."""
    service = with_session(Events())

    @service.handler("greet")
    async def greet(session: Session) -> None: ...

    async with service.running() as running:
        with pytest.raises(UsageError, match="greet was called by local, and asks for an HTTP"):
            await running.call("greet")


# --- mounts and sockets -------------------------------------------------------------------------


async def test_a_mounted_application_answers_and_lives_with_the_service() -> None:
    """It starts with the resources, gets its state in every scope, and stops with them."""
    events = Events()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["greeting"] = "hi"
            events("start")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            events("stop")
            await send({"type": "lifespan.shutdown.complete"})
            return
        said = f"{scope['state']['greeting']} {scope['root_path']} {scope['path']}"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": said.encode()})

    service = Service("shop")
    service.mount("/old", app)
    service.mount("/older", app)
    async with Answers(service) as ask:
        response = await ask("/old/x")
        assert await body(response) == b"hi /old /old/x"
        assert [endpoint.detached for endpoint in ask.compiled.endpoints] == [True, True]
        assert events == ["start"]
        assert response.after is not None
        await response.after()
    assert events == ["start", "stop"]


async def test_a_websocket_gets_arguments_beside_its_socket() -> None:
    """By the path and by type, a resource of the call among them; its middleware stands inside of
    what opens and ends the conversation."""
    events = Events()
    service = with_session(events)

    async def layer(call: Call, next: Handler) -> Any:
        events(f"stream: {call.stream is not None}")
        return await next(call)

    @service.websocket("/ws/{room}", middleware=[layer])
    async def chat(socket: WebSocket[str, str], room: str, session: Session) -> None:
        events(room)
        raise UsageError("not accepted")

    async with Answers(service) as ask:
        found = ask.compiled.router.match("WEBSOCKET", "/ws/lobby")
        assert not isinstance(found, Miss)
        endpoint, params = found
        fields = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
        ]
        exchange = MemoryExchange(target="/ws/lobby", fields=fields, protocol="websocket")
        with Scope("ws", parent=Scope.current()) as scope:
            call = HttpCall("websocket", "ws", scope, exchange, endpoint.route, params)
            with pytest.raises(UsageError, match="not accepted"):
                await endpoint.handler(call)
    said = ["stream: True", "open for /ws/lobby", "lobby", "told of not accepted", "closed"]
    assert events == said


# --- faults -------------------------------------------------------------------------------------


def test_all_faults_are_told_at_once() -> None:
    """Conflicts, parameters that nothing fills, replies that cannot be, sockets that are none."""
    service = Service("shop")

    class Unknown: ...

    @service.get("/a")
    async def one(what: Unknown) -> str: ...  # type: ignore[empty-body]

    @service.get("/b")
    def two() -> Iterator[str]:
        yield "x"

    @service.websocket("/c")
    async def three() -> None: ...

    @service.handler("d")
    async def four(x: Unknown, y: Unknown) -> None: ...

    @service.get("/{x}", name="one")
    async def five() -> None: ...

    again = Routes()
    again.get("/{y}", name="one")(five)
    service.include(again)
    with pytest.raises(WiringError) as caught:
        Wiring(service.declaration, {})
    message = caught.value.message
    for part in (
        "one (",
        "two (",
        "three (",
        "four (",
        "answers to the same requests as GET /{x} of",
    ):
        assert part in message
    assert message.index("one (") < message.index("four (")


def test_a_service_without_routes_has_no_endpoints() -> None:
    """Asking for routes makes them, so nothing asks."""
    service = Service("shop")
    assert Wiring(service.declaration, {}).endpoints is None
    assert not service.declaration.has_routes


async def test_routes_beside_the_service_are_outside_of_its_middleware() -> None:
    """A probe has no password."""

    async def refusing(call: Call, next: Handler) -> Any:
        raise AssertionError

    beside = Routes()

    @beside.get("/livez")
    async def livez() -> str:
        return "ok"

    service = Service("shop", middleware=[refusing])
    endpoints = Wiring(service.declaration, {}, beside=beside).endpoints
    assert endpoints is not None
    compiled = endpoints.open()
    (endpoint,) = compiled.endpoints
    call = HttpCall("http", "x", Scope.current(), MemoryExchange(target="/livez"), None, {})
    assert await body(await endpoint.handler(call)) == b"ok"
    assert HttpApplication(compiled.router, compiled.endpoints).endpoints == [endpoint]


def test_a_parameter_of_the_path_that_nobody_takes_is_refused() -> None:
    """It is a slip of the pen, and the other name would be asked for in the query."""
    service = Service("shop")

    @service.get("/items/{item_id:int}")
    async def read(itemid: int) -> None: ...

    @service.get("/shops/{shop}")
    async def shops() -> None: ...

    with pytest.raises(WiringError) as caught:
        Wiring(service.declaration, {})
    message = caught.value.message
    assert "no parameter takes 'item_id' of GET /items/{item_id:int}; is 'itemid' meant" in message
    assert "no parameter takes 'shop' of GET /shops/{shop}; name a parameter so" in message


def test_a_parameter_of_the_path_may_be_for_others() -> None:
    """For who looks at the request, for middleware of a group or a host, under another name."""
    service = with_session(Events())
    group = Routes("/{tenant}", host="{country}.example.org")

    @group.get("/a/{x}")
    async def one(call: Call) -> None: ...

    @group.get("/b/{x}")
    async def two(session: Session) -> None: ...

    @group.get("/c/{x}")
    async def three(number: Annotated[int, Path(name="x")]) -> None: ...

    @group.get("/d/{x}", defaults={"x": "1"})
    async def four() -> None: ...

    @group.websocket("/e/{x}")
    async def five(socket: WebSocket[str, str]) -> None: ...

    service.include(group)
    Wiring(service.declaration, {})


def test_a_handler_that_takes_anything_is_refused() -> None:
    """Nothing would ever be in it."""
    service = Service("shop")

    @service.get("/a")
    async def one(*args: int) -> None: ...

    @service.get("/b")
    async def two(**more: int) -> None: ...

    @service.handler("c")
    async def three(**more: int) -> None: ...

    with pytest.raises(WiringError) as caught:
        Wiring(service.declaration, {})
    message = caught.value.message
    assert "'*args' would always be empty" in message
    assert message.count("'**more' would always be empty") == 2
