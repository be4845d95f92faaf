"""A FastAPI application, mounted as it is, does what it did under its own server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from fastapi import BackgroundTasks, FastAPI, Request, Response, UploadFile, WebSocket
from fastapi.responses import StreamingResponse
from websockets.asyncio.client import connect

from mainstay import Service
from mainstay.errors import StartError
from mainstay.http.settings import HttpSettings
from mainstay.service.settings import Settings

SETTINGS = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",)))


def legacy(happened: list[str]) -> FastAPI:
    """An application with everything that such applications have."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        happened.append("started")
        yield {"database": "the database"}
        happened.append("stopped")

    app = FastAPI(lifespan=life)

    @app.middleware("http")
    async def mark(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await call_next(request)
        response.headers["x-marked"] = "yes"
        return response

    @app.get("/users/{number}")
    async def user(number: int, request: Request) -> dict[str, Any]:
        return {
            "number": number,
            "database": request.state.database,
            "url": str(request.url_for("user", number=number)),
        }

    @app.get("/numbers")
    async def numbers() -> StreamingResponse:
        async def count() -> AsyncIterator[bytes]:
            for number in range(3):
                yield f"{number}\n".encode()
                await asyncio.sleep(0)

        return StreamingResponse(count(), media_type="text/plain")

    @app.post("/orders")
    async def order(tasks: BackgroundTasks) -> str:
        async def ship() -> None:
            await asyncio.sleep(0)
            happened.append("shipped")

        tasks.add_task(ship)
        return "ordered"

    @app.post("/files")
    async def upload(file: UploadFile) -> dict[str, Any]:
        return {"name": file.filename, "size": len(await file.read())}

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(f"{socket.state.database}: {await socket.receive_text()}")
        await socket.close()

    inner = FastAPI()

    @inner.get("/hello")
    async def hello(request: Request) -> str:
        return str(request.scope["root_path"])

    app.mount("/inner", inner)
    return app


async def ask(
    address: str, path: str, method: str = "GET", body: bytes = b"", **fields: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, fields and body of what is answered there."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{method} {path} HTTP/1.0", f"host: {host}:{port}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    status, *rest = head.decode().split("\r\n")
    pairs = dict(line.lower().split(": ", 1) for line in rest)
    return int(status.split()[1]), pairs, answer


@pytest.mark.real_loop
async def test_a_fastapi_application_works_as_it_is() -> None:
    """Lifespan and its state, middleware, streams, background tasks, uploads, WebSockets, an
    application mounted in it, and its own documentation; beside the service's own routes."""
    happened: list[str] = []
    service = Service("shop")
    service.mount("/old", legacy(happened))

    @service.get("/new")
    async def new() -> str:
        return "new"

    async with service.running(settings=SETTINGS) as running:
        (address,) = running.addresses
        assert happened == ["started"]
        status, fields, body = await ask(address, "/old/users/7")
        assert (status, fields["x-marked"]) == (200, "yes")
        port = address.rpartition(":")[2]
        assert msgspec.json.decode(body) == {
            "number": 7,
            "database": "the database",
            "url": f"http://127.0.0.1:{port}/old/users/7",
        }
        assert (await ask(address, "/old/users/x"))[0] == 422
        assert (await ask(address, "/old/nothing"))[0] == 404
        assert (await ask(address, "/old/numbers"))[2] == b"0\n1\n2\n"
        assert (await ask(address, "/old/orders", "POST"))[2] == b'"ordered"'
        form = (
            b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
            + b"y" * 200_000
            + b"\r\n--x--\r\n"
        )
        kind = "multipart/form-data; boundary=x"
        _, _, body = await ask(address, "/old/files", "POST", form, content_type=kind)
        assert msgspec.json.decode(body) == {"name": "a.txt", "size": 200_000}
        url = address.replace("tcp://", "ws://") + "/old/echo"
        async with connect(url, proxy=None) as client:
            await client.send("hi")
            assert await client.recv() == "the database: hi"
        assert (await ask(address, "/old/inner/hello"))[2] == b'"/old/inner"'
        _, _, page = await ask(address, "/old/docs")
        assert b"/old/openapi.json" in page
        assert (await ask(address, "/new"))[2] == b"new"
    assert happened == ["started", "shipped", "stopped"]


@pytest.mark.real_loop
async def test_background_tasks_are_waited_for_by_the_stop() -> None:
    """A stop that comes while one runs lets it end."""
    begun, happened = asyncio.Event(), []
    app = FastAPI()

    @app.get("/")
    async def order(tasks: BackgroundTasks) -> None:
        async def ship() -> None:
            begun.set()
            for _ in range(100):
                await asyncio.sleep(0)
            happened.append("shipped")

        tasks.add_task(ship)

    service = Service("shop")
    service.mount("/old", app)
    async with service.running(settings=SETTINGS) as running:
        await ask(running.addresses[0], "/old/")
        await begun.wait()
    assert happened == ["shipped"]


@pytest.mark.real_loop
async def test_an_application_that_cannot_start_stops_the_start() -> None:
    """The error names the mount and says the application's own words."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        if app.title:
            raise ValueError("no such database")
        yield

    service = Service("shop")
    service.mount("/old", FastAPI(lifespan=life))
    with pytest.raises(StartError, match=r"ASGI at /old.*ValueError: no such database"):
        async with service.running(settings=SETTINGS):
            raise AssertionError
