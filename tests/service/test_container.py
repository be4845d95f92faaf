"""Facts about `mainstay.service.container`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest

from mainstay import Call, Scope
from mainstay.errors import StartError, WiringError
from mainstay.service.container import Container
from mainstay.service.living import Living
from mainstay.service.provider import Lifetime, provider_of
from tests.service.parts import FOR_EVER, Cache, Database, Events, Session, now, resource


def container(
    *functions: Callable[..., Any],
    values: dict[Any, Any] | None = None,
    overrides: dict[Any, Any] | None = None,
    lifetime: Lifetime = "service",
) -> Container:
    """A container of `functions`, all of one lifetime."""
    providers = [provider_of(function, lifetime=lifetime) for function in functions]
    return Container(providers, values or {}, overrides)


def names(livings: list[Living]) -> list[str]:
    """The names of resources."""
    return [living.provider.name for living in livings]


def cache(database: Database) -> Cache:
    return Cache()


def database() -> Database:
    return Database()


def session(database: Database, cache: Cache) -> Session:
    return Session()


async def close(opened: Container) -> None:
    """Close everything, in reverse."""
    for living in reversed(opened.living()):
        await living.close()


async def test_what_is_needed_opens_first() -> None:
    """The order is that of the needs, whatever the order of declaration."""
    opened = container(session, cache, database)
    await opened.open(Scope.current(), 1)
    assert names(opened.living()) == ["database", "cache", "session"]
    assert isinstance(opened.get(Session), Session)
    await close(opened)


async def test_resources_get_values_resources_their_scope_and_defaults() -> None:
    """Each parameter by its type; one that nothing provides keeps its default."""
    got: list[Any] = []

    def greedy(number: int, database: Database, scope: Scope, text: str = "own") -> Cache:
        got.extend([number, type(database), scope.name, text])
        return Cache()

    opened = container(greedy, database, values={int: 7})
    await opened.open(Scope.current(), 1)
    assert got == [7, Database, "resource 'greedy'", "own"]
    await close(opened)


async def test_annotated_types_are_provided_apart() -> None:
    """Two databases, told apart by name."""

    def first() -> Annotated[Database, "first"]:
        return Database()

    def second(first: Annotated[Database, "first"]) -> Annotated[Database, "second"]:
        assert isinstance(first, Database)
        return Database()

    opened = container(second, first)
    await opened.open(Scope.current(), 1)
    assert names(opened.living()) == ["first", "second"]
    await close(opened)


def test_a_missing_need_is_named_with_what_there_is() -> None:
    """The error says which parameter of which function, where, and what could be asked for."""
    with pytest.raises(
        WiringError,
        match=r"cache \(.*test_container.py:\d+\): nothing provides Database for parameter "
        r"'database'; declare it with @service.resource, or ask for one of Cache, int",
    ):
        container(cache, values={int: 7})


def test_a_need_without_a_type_is_named() -> None:
    """Nothing can be injected by name alone."""

    def ask(thing) -> Cache:  # type: ignore[no-untyped-def]  # noqa: ANN001
        return Cache()

    with pytest.raises(WiringError, match=r"'thing' has no type, .*; annotate it as one of"):
        container(ask)


def test_what_is_provided_twice_is_refused() -> None:
    """Both functions are named, and how to tell them apart."""

    def other() -> Database:
        return Database()

    with pytest.raises(WiringError, match=r"twice, by database .*\.other .*Annotated"):
        container(database, other)


def test_a_circle_is_refused() -> None:
    """With the names along it, and the way back to the first."""

    def one(cache: Cache) -> Database:
        return Database()

    def two(session: Session) -> Cache:
        return Cache()

    def three(database: Database) -> Session:
        return Session()

    with pytest.raises(WiringError, match=r"in a circle: (one|two|three) → .* → .* → "):
        container(one, two, three)


def test_a_resource_cannot_need_itself() -> None:
    """The smallest circle."""

    def one(database: Database) -> Database:
        return database

    with pytest.raises(WiringError, match="in a circle: one → one"):
        container(one)


@pytest.mark.parametrize("annotation", [Session, Call])
def test_a_service_resource_cannot_need_what_lives_for_a_call(annotation: type) -> None:
    """Which would be another one at every call; the error says what to do."""

    def pool(one) -> Database:  # type: ignore[no-untyped-def]  # noqa: ANN001
        return Database()

    def of_a_call() -> Session:
        return Session()

    pool.__annotations__["one"] = annotation
    providers = [provider_of(pool), provider_of(of_a_call, lifetime="call")]
    says = rf"pool \(.*{annotation.__name__}, which lives for one call; make it .*lifetime='call'"
    with pytest.raises(WiringError, match=says):
        Container(providers, {})


async def test_resources_of_a_call_do_not_open_with_the_service() -> None:
    """They open when a call asks."""
    opened = container(database, lifetime="call")
    await opened.open(Scope.current(), 1)
    assert opened.living() == []
    assert opened.call_provider(Database) is not None


class TestOverrides:
    async def test_an_override_takes_the_place_of_a_resource(self) -> None:
        """The resource is not opened, and those that need it get the other."""
        fake = Database()
        got = []

        def ask(database: Database) -> Cache:
            got.append(database)
            return Cache()

        opened = container(database, ask, overrides={Database: fake})
        await opened.open(Scope.current(), 1)
        assert names(opened.living()) == ["ask"]
        assert got == [fake]
        assert opened.get(Database) is fake
        await close(opened)

    async def test_what_only_an_overridden_resource_needs_is_not_opened(self) -> None:
        """A test with a fake session needs no database."""
        opened = container(session, cache, database, overrides={Session: Session()})
        await opened.open(Scope.current(), 1)
        assert opened.living() == []

    async def test_what_somebody_else_needs_too_is_opened(self) -> None:
        """Another resource, or a function that was bound."""
        overrides = {Cache: Cache()}
        opened = container(session, cache, database, overrides=overrides)
        await opened.open(Scope.current(), 1)
        assert names(opened.living()) == ["database", "session"]
        await close(opened)

        opened = container(session, cache, database, overrides={Session: Session()})
        opened.want(Cache)
        await opened.open(Scope.current(), 1)
        assert names(opened.living()) == ["database", "cache"]
        await close(opened)

    def test_an_override_of_nothing_is_refused(self) -> None:
        """A test that replaces what is not there tests nothing."""
        with pytest.raises(WiringError, match=r"Cache is overridden, but nothing.*are Database"):
            container(database, overrides={Cache: Cache()})

    async def test_a_resource_of_a_call_can_be_overridden(self) -> None:
        """Its stand-in is the same for all calls."""
        fake = Session()
        opened = container(database, overrides={Database: fake}, lifetime="call")
        assert opened.call_provider(Database) is None
        assert opened.get(Database) is fake


class TestFailingToOpen:
    async def test_the_error_names_the_resource(self) -> None:
        """What had opened is in `living`, for the shutdown; what comes after is not opened."""
        events = Events()

        def third(cache: Cache) -> Session:
            events("open third")
            return Session()

        opened = container(
            resource(events, "first", Database),
            resource(events, "second", Cache, fail="open"),
            third,
        )
        with pytest.raises(StartError, match="resource 'second' could not be started: second went"):
            await opened.open(Scope.current(), 1)
        assert events == ["open first"]
        assert names(opened.living()) == ["first"]
        await close(opened)

    async def test_one_that_gives_nothing_is_closed_again(self) -> None:
        """A resource whose ``yield`` lacks the value is told so, there."""
        events = Events()

        async def forgetful() -> AsyncIterator[Database]:
            try:
                yield  # type: ignore[misc]
            finally:
                events("closed")

        opened = container(forgetful)
        with pytest.raises(StartError, match=r"'forgetful' could not be started: .* provides None"):
            await opened.open(Scope.current(), 1)
        assert (events, opened.living()) == (["closed"], [])

    async def test_one_that_hangs_is_given_up(self) -> None:
        """After the timeout its task is cancelled, and has time to clean up."""
        events = Events()

        async def hanging() -> AsyncIterator[Database]:
            try:
                await asyncio.sleep(FOR_EVER)
                yield Database()
            finally:
                await asyncio.sleep(0.3)
                events("cleaned up")

        opened = container(hanging)
        with pytest.raises(StartError, match=r"resource 'hanging' could not be.*10 s") as caught:
            await opened.open(Scope.current(), 10)
        assert caught.value.component == "resource 'hanging'"
        assert events == ["cleaned up"]
        assert now() == pytest.approx(10.3, abs=0.1)

    async def test_a_cancelled_opening_is_cancelled_in_the_resource_too(self) -> None:
        """Nothing goes on in the background."""
        events = Events()

        async def slow() -> AsyncIterator[Database]:
            try:
                await asyncio.sleep(FOR_EVER)
                yield Database()
            finally:
                events("cleaned up")

        opening = asyncio.ensure_future(container(slow).open(Scope.current(), FOR_EVER))
        await asyncio.sleep(1)
        opening.cancel()
        await asyncio.wait([opening])
        assert opening.cancelled()
        assert events == ["cleaned up"]
