from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from mainstay.http.client.reply import Reply
from mainstay.http.client.verbs import RequestOptions, Verbs


class Recorded(Verbs):
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, RequestOptions]] = []

    async def send(self, method: str, url: str, options: RequestOptions) -> Reply:
        self.asked.append((method, url, options))
        return self  # type: ignore[return-value]

    def open(
        self, method: str, url: str, options: RequestOptions
    ) -> AbstractAsyncContextManager[Reply]:
        self.asked.append((method, url, options))
        return self  # type: ignore[return-value]

    def raise_for_status(self) -> "Recorded":
        return self

    def json(self, kind: Any) -> Any:
        return kind


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete", "head", "options"])
async def test_a_verb_is_its_method(verb: str) -> None:
    """With the options as they are given."""
    client = Recorded()
    assert await getattr(client, verb)("/x", timeout=3) is client
    assert client.asked == [(verb.upper(), "/x", {"timeout": 3})]


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
async def test_into_a_type(verb: str) -> None:
    """The value instead of the reply."""
    assert await getattr(Recorded(), verb)("/x", into=list[int]) == list[int]


async def test_any_method_and_streams() -> None:
    """`request` takes whatever method; `stream` opens."""
    client = Recorded()
    await client.request("PURGE", "/x")
    client.stream("GET", "/y", params={"a": 1})
    assert client.asked == [("PURGE", "/x", {}), ("GET", "/y", {"params": {"a": 1}})]
