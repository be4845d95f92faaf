"""Facts about `check`: what it says, and that it finds faults without opening anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import pytest

from mainstay import Background, Effects, Running, Service, Settings
from mainstay.errors import ConfigError, WiringError
from mainstay.rpc import Rpc
from mainstay.service.checking import check, wired


@dataclass
class Config:
    size: int = 3


class Mapped(TypedDict):
    size: int


def lines(service: Service, *flags: str, **environ: str) -> list[str]:
    return list(check(service.declaration, files=(), flags=flags, environ=environ))


def test_a_service_without_parts_is_well() -> None:
    """Only what there is gets a line, and that it answers nothing, as one does where what was
    defined was not added."""
    told = "  it answers nothing: no handler, route, method of RPC or server was added to it"
    assert lines(Service("bare")) == ["bare is well", told]


def test_what_looks_like_configuration_and_is_not_read_is_told() -> None:
    """It is well all the same: the name may be somebody else's."""
    said = lines(Service("bare"), MAINSTAY_LOG_LEVEL="debug")
    assert said[0] == "bare is well"
    assert said[-1] == "  MAINSTAY_LOG_LEVEL is not read; did you mean MAINSTAY__LOG__LEVEL?"


def test_methods_of_rpc_are_counted() -> None:
    """By service; one without any is seen. There are no routes, so none are told of."""
    service = Service("shop")
    stock, empty = Rpc("shop.v1.Stock"), Rpc("shop.v1.Empty")

    @stock.method
    async def count(request: Config) -> Config:
        return request

    service.add_rpc(stock)
    service.add_rpc(empty)
    assert lines(service) == [
        "shop is well",
        "  rpc: shop.v1.Stock (1 method), shop.v1.Empty (no methods)",
    ]


def test_routes_are_counted_and_checked() -> None:
    """`mainstay routes` lists them; one that nothing can fill is told of. A probe of the service's
    own takes the place of ours."""
    service = Service("shop")

    @service.get("/a")
    async def a() -> None: ...

    @service.get("/livez")
    async def livez() -> None: ...

    assert lines(service) == ["shop is well", "  routes: 2"]

    @service.get("/b")
    async def b(what: object) -> None: ...

    with pytest.raises(WiringError, match="'what'"):
        lines(service)


def test_what_is_wired_is_not_open() -> None:
    """Its endpoints can be described, though no resource is there."""
    service = Service("shop")

    @service.resource
    async def number() -> int:
        raise AssertionError

    @service.get("/a")
    async def a(number: int, size: float = 1.0) -> None: ...

    endpoints = wired(service.declaration, files=(), environ={}).endpoints
    assert endpoints is not None
    fields = {each.route.path: each.fields for each in endpoints.documented()}
    assert [field.parameter for field in fields["/a"]] == ["size"]


def test_each_kind_of_part_has_a_line() -> None:
    """In the order in which a reader asks: what answers, what it needs, what works behind it."""
    service = Service("full")

    @service.handler("a")
    async def a() -> None: ...

    @service.handler("b")
    async def b() -> None: ...

    @service.resource
    async def number() -> AsyncIterator[int]:
        yield 1

    @service.worker
    async def work() -> None: ...

    @service.cron("0 4 * * *")
    async def nightly() -> None: ...

    assert lines(service) == [
        "full is well",
        "  handlers: a, b",
        "  resources: number",
        "  workers: work",
        "  jobs: nightly Cron('0 4 * * *', 'UTC')",
    ]


def test_a_resource_of_a_call_is_listed_once() -> None:
    """Behind those that open at the start, and marked as what it is."""
    service = Service("mixed")

    @service.resource(lifetime="call")
    async def session() -> AsyncIterator[int]:
        yield 1

    assert lines(service)[:2] == ["mixed is well", "  resources: session (per call)"]


def test_what_a_start_brings_can_be_asked_for() -> None:
    """The settings, the configuration, the effects, the background, the running service."""
    service = Service("asks", config=Config)

    @service.worker
    async def work(a: Settings, b: Config, c: Effects, d: Running, e: Background) -> None: ...

    assert lines(service)[0] == "asks is well"


def test_a_mapping_may_be_the_configuration() -> None:
    """A TypedDict is asked for by its own type, though its values are plain dicts."""
    service = Service("asks", config=Mapped)

    @service.worker
    async def work(config: Mapped) -> None: ...

    assert lines(service, "size=3")[0] == "asks is well"


def test_nothing_is_said_before_all_is_known() -> None:
    """A fault raises before the first line, so that no half of a good answer is printed."""
    service = Service("faulty")

    @service.worker
    async def work(missing: Config) -> None: ...

    with pytest.raises(WiringError, match=r"work .*test_checking\.py:[0-9]+"):
        next(iter(check(service.declaration, files=(), environ={})))


def test_every_fault_of_the_configuration_is_found(tmp_path: Path) -> None:
    """From files, environment and flags alike, at once."""
    service = Service("faulty", config=Config)
    file = tmp_path / "faulty.toml"
    file.write_text("colour = 1\n")
    with pytest.raises(ConfigError) as caught:
        list(
            check(
                service.declaration,
                files=[file],
                flags=["mainstay.threads=0"],
                environ={"FAULTY__SIZE": "big"},
            )
        )
    assert len(caught.value.problems) == 3


def test_the_environment_is_the_one_given() -> None:
    """`MAINSTAY_CONFIG` is looked for in it, and nowhere else."""
    service = Service("elsewhere")
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        list(check(service.declaration, environ={"MAINSTAY_CONFIG": "nowhere.toml"}))
