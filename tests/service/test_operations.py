"""What a service answers for its operators."""

import pytest

from mainstay.service.operations import operations, process_metrics
from mainstay.service.service import Service
from mainstay.testing.http import http_client


def make() -> Service:
    service = Service("shop")

    @service.get("/")
    async def index() -> str:
        return "hello"

    @service.probe("ready")
    async def stock() -> None:
        if index.__dict__.get("empty"):
            raise OSError("the shelf at 10.0.0.7 is empty")

    service.index = index  # type: ignore[attr-defined]
    return service


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startedz"])
async def test_probes_are_answered(path: str) -> None:
    """200 and a line a check, for nobody to keep."""
    async with http_client(make()) as client:
        reply = await client.get(path)
        assert (reply.status, reply.headers.get("cache-control")) == (200, "no-store")
        assert reply.text.splitlines()[-1] == "ok"
        assert "ok state" in reply.text


async def test_a_check_that_fails_is_named_and_keeps_its_words() -> None:
    """503, for that probe only; what the error says is for the log."""
    service = make()
    async with http_client(service) as client:
        service.index.__dict__["empty"] = True  # type: ignore[attr-defined]
        reply = await client.get("/readyz")
        assert reply.status == 503
        assert "FAILED " in reply.text
        assert "stock" in reply.text
        assert "10.0.0.7" not in reply.text
        assert reply.text.splitlines()[-1] == "not ok"
        assert (await client.get("/livez")).status == 200


async def test_calls_are_counted() -> None:
    """By route, and what the process costs stands beside."""
    async with http_client(make()) as client:
        for _ in range(3):
            await client.get("/")
        reply = await client.get("/metrics")
        kind = reply.headers.get("content-type")
        assert kind is not None
        assert kind.startswith("text/plain; version=0.0.4")
        line = (
            'http_server_request_duration_seconds_count{http_request_method="GET",http_route="/"} 3'
        )
        assert line in reply.text.splitlines()
        assert "process_cpu_seconds_total" in reply.text


async def test_the_services_middleware_is_not_around_them() -> None:
    """A probe has no password."""
    service = make()

    @service.middleware
    async def refuse(call: object, next: object) -> None:
        raise PermissionError("no password")

    async with http_client(service) as client:
        assert (await client.get("/")).status == 500
        assert (await client.get("/livez")).status == 200


async def test_what_the_service_has_itself_is_left_out() -> None:
    """Its own answer at that path stands; the others are answered as ever."""

    async def ask(kind: str) -> None: ...

    routes = operations(ask, str, taken={"/metrics"})  # type: ignore[arg-type]
    assert [route.path for route in routes.routes()] == ["/livez", "/readyz", "/startedz"]
    service = make()

    @service.get("/metrics")
    async def metrics() -> str:
        return "mine"

    async with http_client(service) as client:
        assert (await client.get("/metrics")).text == "mine"
        assert (await client.get("/livez")).status == 200


def test_a_process_knows_what_it_costs() -> None:
    """Every number has its type, and is one."""
    lines = process_metrics().splitlines()
    samples = [line.split() for line in lines if not line.startswith("#")]
    assert {name for name, _ in samples} >= {"process_threads", "process_open_fds"}
    assert all(float(value) > 0 for _, value in samples)
