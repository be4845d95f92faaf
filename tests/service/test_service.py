"""Facts about `mainstay.service.service`."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from mainstay import Backoff, Service
from mainstay.errors import ConfigError, UsageError, WiringError
from mainstay.service.schedule import Every
from tests.service.parts import Database, Events, FakeServer, running


class Own(msgspec.Struct, frozen=True):
    """The configuration of a service."""

    greeting: str = "hello"


@pytest.mark.parametrize("name", ["hello", "a", "shop-2", "a" * 63])
def test_names_that_can_name_a_file_a_variable_and_a_host(name: str) -> None:
    """Lower-case letters, digits and dashes."""
    assert Service(name).name == name


@pytest.mark.parametrize("name", ["", "Hello", "2shop", "-a", "a_b", "a.b", "a" * 64, "ä", "a\n"])
def test_other_names_are_refused(name: str) -> None:
    """With what a name is."""
    with pytest.raises(WiringError, match="cannot name a service: use up to 63 lower-case"):
        Service(name)


async def test_decorators_give_back_what_they_decorate() -> None:
    """A handler is still a function, to be called in a test."""
    service = Service("s")

    async def function() -> None: ...

    for decorator in (
        service.handler("m"),
        service.worker,
        service.worker(drain=True),
        service.every(1),
        service.cron("* * * * *"),
        service.on_start,
        service.on_drain,
        service.on_stop,
        service.probe("live"),
    ):
        assert decorator(function) is function
    assert service.resource(Database) is Database
    assert service.resource(lifetime="call")(Database) is Database


def test_a_method_has_one_handler() -> None:
    """Both functions are named, with their places; the same function twice is once."""
    service = Service("s")

    @service.handler("m")
    async def first() -> None: ...

    service.handler("m")(first)
    with pytest.raises(WiringError, match=r"'m' is answered twice: by .*first \(.*second \("):

        @service.handler("m")
        async def second() -> None: ...


def test_a_probe_that_is_none() -> None:
    """Said where it is declared, with those that there are."""
    with pytest.raises(WiringError, match="'alive' is no probe; there are live, ready and started"):
        Service("s").probe("alive")  # type: ignore[arg-type]


def test_what_cannot_be_is_refused_where_it_is_declared() -> None:
    """An interval of nothing, a worker given up before it fails, a resource of no type."""
    service = Service("s")

    def nothing() -> None: ...

    with pytest.raises(UsageError):
        service.every(0)
    with pytest.raises(UsageError):
        service.cron("never")
    with pytest.raises(UsageError):
        service.worker(give_up_after=0)(nothing)
    with pytest.raises(WiringError):
        service.resource(nothing)


def test_options_reach_the_declaration() -> None:
    """What was said is what is kept."""
    service = Service("s")
    patience = Backoff(initial=9)

    @service.worker(restart="always", backoff=patience, give_up_after=None, drain=True)
    async def work() -> None: ...

    @service.every(7, timeout=3, jitter=1)
    async def tick() -> None: ...

    (worker,), (job,) = service.declaration.workers, service.declaration.jobs
    assert (worker.name, worker.restart, worker.backoff) == ("work", "always", patience)
    assert (worker.give_up_after, worker.drain) == (None, True)
    assert (job.name, job.trigger, job.timeout, job.jitter) == ("tick", Every(7), 3, 1)


def test_it_shows_what_it_is_made_of() -> None:
    """In one line."""
    service = Service("s")
    service.resource(Database)
    assert repr(service) == "<Service 's' handlers=0 resources=1 workers=0>"


class TestRunning:
    async def test_it_runs_for_as_long_as_the_block(self) -> None:
        """Resources open, calls answered, resources closed."""
        events = Events()
        service = Service("s")

        @service.resource
        async def database() -> AsyncIterator[Database]:
            events("open")
            yield Database()
            events("close")

        @service.handler("m")
        async def answer(database: Database) -> str:
            return "reply"

        async with running(service) as life:
            events(await life.call("m"))
        assert events == ["open", "reply", "close"]

    async def test_the_configuration_is_injected(self) -> None:
        """The defaults of the model, or what is given."""
        service = Service("s", config=Own)

        @service.handler("m")
        async def answer(own: Own) -> str:
            return own.greeting

        async with running(service) as life:
            assert await life.call("m") == "hello"
        async with running(service, config=Own("servus")) as life:
            assert await life.call("m") == "servus"

    async def test_a_configuration_without_defaults_must_be_given(self) -> None:
        """Nothing is opened."""

        class Needed(msgspec.Struct):
            url: str

        with pytest.raises(ConfigError, match="url"):
            async with running(Service("s", config=Needed)):
                raise AssertionError

    async def test_overrides_take_the_place_of_resources(self) -> None:
        """By type."""
        service = Service("s")
        fake = Database()

        @service.resource
        async def database() -> Database:
            raise AssertionError

        @service.handler("m")
        async def answer(database: Database) -> bool:
            return database is fake

        async with running(service, overrides={Database: fake}) as life:
            assert await life.call("m")

    async def test_servers_are_part_of_its_life(self) -> None:
        """Opened before they accept, drained and closed at the end."""
        events = Events()
        service = Service("s")
        service.add_server(FakeServer(events))
        async with running(service) as life:
            assert life.addresses == ["fake://server"]
        assert events == [
            "server open",
            "server accept",
            "server stop_accepting",
            "server drain",
            "server aclose",
        ]
