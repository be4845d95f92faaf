"""The router agrees with one that tries a sorted list of regular expressions."""

import random
import re
from typing import Any, Final
from urllib.parse import quote, unquote

import pytest

from mainstay.errors import WiringError
from mainstay.http.router import Miss, Router

KINDS: Final = {
    "uuid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "int": r"-?[0-9]+",
    "float": r"-?[0-9]+(?:\.[0-9]+)?",
    "slug": r"[A-Za-z0-9_-]+",
    "str": r".+",
}
FLOAT: Final = [*KINDS].index("float")
SEGMENTS: Final = ("a", "b", "", "7", "1.5", "a.j", "xa", "a%2Fb", "%61", "%", "ü", "-1")
METHODS: Final = ("GET", "PUT", "HEAD")


class Reference:
    """Routes as lists of segments, sorted by the rules; a match tries one after the other."""

    def __init__(self) -> None:
        self.routes: list[tuple[list[tuple[Any, ...]], str, str]] = []

    def add(self, method: str, path: str, value: str) -> None:
        """Keep the route in its place. Keys compare as the rules say."""
        keys = [self.key(segment) for segment in path[1:].split("/")]
        if any(other == keys and of == method for other, of, _ in self.routes):
            raise WiringError("twice")
        self.routes.append((keys, method, value))
        self.routes.sort(key=lambda route: route[0])

    @staticmethod
    def key(segment: str) -> tuple[Any, ...]:
        """(fixed first, most fixed text, kind, fixed text): smaller is tried first."""
        parts = re.fullmatch(r"([^{]*)\{\w+:?(\w*)\}(.*)", segment)
        if parts is None:
            return (0, 0, 0, segment, "")
        prefix, kind, suffix = parts.groups()
        if kind == "path":
            return (2, 0, 0, "", "")
        rank = [*KINDS].index(kind or "str")
        return (1, -len(prefix + suffix), rank, prefix, suffix)

    def match(self, method: str, path: str) -> tuple[str, list[str]] | set[str]:
        """The first that fits; else the methods of those that fit but for it."""
        segments = [unquote(segment) for segment in path[1:].split("/")]
        fitting = [
            (keys, of, value, texts)
            for keys, of, value in self.routes
            if (texts := self.fit(keys, segments)) is not None
        ]
        own = [keys for keys, of, _, _ in fitting if of == method == "HEAD"]
        for keys, of, value, texts in fitting:
            if of == method or (of == "GET" and method == "HEAD" and keys not in own):
                return value, texts
        methods = {of for _, of, _, _ in fitting}
        methods |= {"OPTIONS"} if methods else set()
        return methods | ({"HEAD"} if "GET" in methods else set())

    @staticmethod
    def fit(keys: list[tuple[Any, ...]], segments: list[str]) -> list[str] | None:
        """The texts of the parameters, or None."""
        if keys[-1][0] == 2:
            if len(segments) < len(keys):
                return None
            segments = [*segments[: len(keys) - 1], "/".join(segments[len(keys) - 1 :])]
        if len(keys) != len(segments):
            return None
        texts = []
        for (form, _, rank, prefix, suffix), segment in zip(keys, segments, strict=True):
            if form == 2:
                texts.append(segment)
                continue
            pattern = re.escape(prefix)
            if form == 1:
                pattern += f"({[*KINDS.values()][rank]}){re.escape(suffix)}"
            found = re.fullmatch(pattern, segment, re.DOTALL)
            if found is None:
                return None
            # Of all kinds, a float's text is the one that may change when it is converted.
            texts += [str(float(text)) if rank == FLOAT else text for text in found.groups()]
        return texts


def random_pattern(chance: random.Random) -> str:
    """A path of up to four segments, of few different words, so that many of them meet."""
    segments = []
    for place in range(chance.randint(1, 4)):
        kind = chance.choice(("", "", "", *KINDS))
        around = chance.choice((("", ""), ("", ""), ("", ".j"), ("x", "")))
        fixed = chance.choice(("a", "b", "7", "ü", ""))
        hole = f"{{p{place}{chance.choice('qr')}{kind and ':'}{kind}}}".join(around)
        segments.append(chance.choice((fixed, hole)))
    if chance.random() < 0.2:
        segments.append("{rest:path}")
    return "/" + "/".join(segments)


def random_path(chance: random.Random) -> str:
    """A path of the words that the patterns are made of."""
    words = [chance.choice(SEGMENTS) for _ in range(chance.randint(1, 5))]
    return "/" + "/".join(quote(word, safe="%.-") for word in words)


@pytest.mark.parametrize("seed", range(40))
def test_a_naive_router_finds_the_same(seed: int) -> None:
    """For random routes and paths both find the same route and parameters, refuse the same
    conflicts, and allow the same methods."""
    chance = random.Random(seed)
    router: Router[str] = Router()
    reference = Reference()
    for _ in range(chance.randint(1, 60)):
        method, pattern = chance.choice(METHODS), random_pattern(chance)
        value = f"{method} {pattern}"
        try:
            reference.add(method, pattern, value)
        except WiringError:
            with pytest.raises(WiringError, match="answers to the same requests"):
                router.add(method, pattern, value)
        else:
            router.add(method, pattern, value)
    hits = 0
    for _ in range(300):
        method, path = chance.choice(METHODS), random_path(chance)
        expected = reference.match(method, path)
        found = router.match(method, path)
        if isinstance(found, Miss):
            assert set(found.allowed) == expected, (method, path)
        else:
            hits += 1
            value, params = found
            texts = [str(each) for each in params.values()]
            assert isinstance(expected, tuple), (method, path, found)
            assert value == expected[0], (method, path)
            assert texts == expected[1], (method, path)
    assert seed or hits
