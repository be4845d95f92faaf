from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from mainstay.errors import UsageError
from mainstay.http.client.client import HttpClient
from mainstay.http.client.reply import Reply
from mainstay.http.client.verbs import RequestOptions, Verbs, refuse_unknown


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


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("data", "form=, and bytes or text are content="),
        ("body", "content="),
        ("auth", "'authorization'"),
        ("cookies", "CookieJar"),
        ("timout", "did you mean timeout="),
        ("zzz", "there are content, "),
    ],
)
async def test_an_option_that_does_not_exist_is_refused(name: str, hint: str) -> None:
    """Before anything is asked, with the name of what is meant: it would be lost otherwise."""
    wrong: Any = {name: "x"}
    async with HttpClient("http://localhost") as client:
        with pytest.raises(UsageError, match=f"takes no {name}=: .*{hint}"):
            await client.post("/a", **wrong)
        with pytest.raises(UsageError, match=f"takes no {name}="):
            async with client.stream("GET", "/a", **wrong):
                pass


def test_what_exists_is_taken() -> None:
    """Every option of `RequestOptions`."""
    refuse_unknown(dict.fromkeys(RequestOptions.__annotations__))
