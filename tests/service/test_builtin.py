"""Resources that nobody has to declare."""

import subprocess
import sys

import pytest

from mainstay.core.call import Call
from mainstay.errors import WiringError
from mainstay.http.client import HttpClient
from mainstay.service.builtin import builtin_provider
from mainstay.service.service import Service


def test_the_client_of_http_is_built_in() -> None:
    """It is the one type that has a provider of its own."""
    provider = builtin_provider(HttpClient)
    assert provider is not None
    assert (provider.provides, provider.lifetime) == (HttpClient, "service")
    for other in (Call, str, "HttpClient", list[int], None):
        assert builtin_provider(other) is None


async def test_who_asks_gets_it_and_it_is_closed_at_the_end() -> None:
    """Handlers, resources and workers share one, which outlives them all."""
    service = Service("asking")
    seen: list[HttpClient] = []

    class Weather:
        def __init__(self, client: HttpClient) -> None:
            self.client = client

    @service.resource
    async def weather(client: HttpClient) -> Weather:
        return Weather(client)

    @service.handler("ask")
    async def ask(weather: Weather, client: HttpClient | None) -> bool:
        return weather.client is client

    @service.worker
    async def look(client: HttpClient) -> None:
        seen.append(client)

    async with service.running() as running:
        assert await running.call("ask")
        assert "http_client" in running._wiring.container.names()
    assert seen[0]._sender._closed


async def test_who_does_not_ask_has_none() -> None:
    """It is opened for those only who ask."""
    service = Service("quiet")

    @service.handler("ask")
    async def ask(number: int) -> int:
        return number

    async with service.running() as running:
        assert running._wiring.container.names() == []


def test_who_does_not_ask_does_not_load_it() -> None:
    """A service that answers by HTTP has no use for the client's modules."""
    script = (
        "import asyncio, sys\n"
        "from mainstay import Service\n"
        "service = Service('quiet')\n"
        "@service.get('/')\n"
        "async def index() -> str: return 'hello'\n"
        "from mainstay.service.settings import Settings\n"
        "from mainstay.http.settings import HttpSettings\n"
        "settings = Settings(http=HttpSettings(listen=('tcp://127.0.0.1:0',)))\n"
        "async def main():\n"
        "    async with service.running(settings=settings): pass\n"
        "asyncio.run(main())\n"
        "assert 'mainstay.http.app' in sys.modules\n"
        "assert 'mainstay.http.client' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=240)


async def test_a_declared_one_takes_its_place() -> None:
    """A service that makes its own client gets that."""
    service = Service("own")
    own = HttpClient("http://weather.example")

    @service.resource
    async def client() -> HttpClient:
        return own

    @service.handler("ask")
    async def ask(client: HttpClient) -> bool:
        return client is own

    async with service.running() as running:
        assert await running.call("ask")


async def test_a_test_overrides_it() -> None:
    """As any other resource, by type; the built-in one is not opened then."""
    service = Service("overridden")
    fake = object()

    @service.handler("ask")
    async def ask(client: HttpClient) -> bool:
        return client is fake

    async with service.running(overrides={HttpClient: fake}) as running:
        assert await running.call("ask")
        assert running._wiring.container.living() == []


async def test_others_are_missed_as_before() -> None:
    """A type that nobody provides is an error that says so."""

    class Other:
        pass

    service = Service("missing")

    @service.worker
    async def look(other: Other) -> None: ...

    with pytest.raises(WiringError, match=r"nothing provides \S+Other"):
        async with service.running():
            pass
