"""Whatever stands in a template, a path, a query or a body, the answer is a value or an error of ours.

The cases come from a seeded generator, so a failure repeats.
"""

from __future__ import annotations

import json
import random
from urllib.parse import quote

import pytest

from mainstay.errors import ValidationFailed, WiringError
from mainstay.rpc.protobuf import bare_method
from mainstay.rpc.transcoding.matcher import MalformedPath, Matcher, texts_of
from mainstay.rpc.transcoding.route import Route, rules_of
from mainstay.rpc.transcoding.template import ANY, REST, Template, parse_template
from tests.rpc.transcoding.library import compiled

ROUNDS = 3000


@pytest.mark.parametrize("seed", range(3))
def test_a_template_is_taken_apart_or_refused(seed: int) -> None:
    """And what was taken apart fits the paths that are made of it."""
    source = random.Random(seed)
    pieces = ["/", "{", "}", "=", "*", "**", ":", ".", "a", "b1", "%2F", "%41", "%", "é", "?", ""]
    taken = 0
    for _ in range(ROUNDS):
        text = "/" + "".join(source.choice(pieces) for _ in range(source.randrange(12)))
        try:
            template = parse_template(text)
        except WiringError:
            continue
        taken += 1
        assert _fits(template, source), text
    assert taken > ROUNDS // 100


def _fits(template: Template, source: random.Random) -> bool:
    made = []
    for segment in template.segments:
        if segment == ANY:
            made.append(quote(source.choice(["x", "é", "a/b", "a%b"]), safe=""))
        elif segment == REST:
            made += ["y"] * source.randrange(3)
        else:
            made.append(quote(segment, safe=""))
    path = "/" + "/".join(made) + (f":{quote(template.verb, safe='')}" if template.verb else "")
    matcher: Matcher[Template] = Matcher()
    matcher.add("GET", template, template)
    found = matcher.find("GET", path)
    if found is None:
        # Without a segment before its verb there is nothing that the verb could stand behind.
        return bool(template.verb) and len(made) < len(template.segments)
    for variable in template.variables:
        texts_of(variable, found[1])
    return True


@pytest.mark.parametrize("seed", range(3))
def test_any_path_is_found_or_not(seed: int) -> None:
    """Bytes of any kind in it; what is not UTF-8 is malformed, and nothing else is raised."""
    source = random.Random(seed)
    matcher: Matcher[Template] = Matcher()
    for text in ("/v1/{a}", "/v1/{a=b/*}:go", "/{rest=**}", "/v1/b/{c=*/d/**}"):
        template = parse_template(text)
        matcher.add("GET", template, template)
    pieces = ["/", "v1", "b", "d", ":go", ":", "%", "%2", "%2F", "%ff", "%C3%A9", "\xff", "\0", " "]
    for _ in range(ROUNDS):
        path = "/" + "".join(source.choice(pieces) for _ in range(source.randrange(12)))
        matcher.methods(path)
        try:
            found = matcher.find("GET", path)
            if found is not None:
                for variable in found[0].variables:
                    texts_of(variable, found[1])
        except MalformedPath:
            continue


@pytest.mark.parametrize("name", ["Search", "CreateBook", "ArchiveBook", "SetTags", "Watch"])
def test_any_query_and_body_make_a_message_or_a_failed_validation(name: str) -> None:
    """Bent values of every kind, at every place."""
    source = random.Random(name)
    method = compiled().FindServiceByName("library.v1.Library").methods_by_name[name]
    bare = bare_method(method)
    made = 0
    for _ in range(ROUNDS // 3):
        route = Route(bare, source.choice(rules_of(bare)))
        raw = ["é%ffx/"[source.randrange(5) :]] * 12
        body = _body(source) if route.rule.body else b""
        try:
            route.request(raw, _query(source), body, b"application/json")
            made += 1
        except ValidationFailed:
            continue
    assert made


def _query(source: random.Random) -> bytes:
    names = ["query", "pageSize", "author.born", "author.teacher.name", "since", "genres", "x", ""]
    values = [
        "1",
        "-1",
        "9" * 40,
        "true",
        "GENRE_POEM",
        "1e5",
        "2026-01-01T00:00:00Z",
        "%ff",
        "%",
        "+",
    ]
    pairs = [
        f"{source.choice(names)}={source.choice(values)}"
        for _ in range(source.choice([0, 0, 1, 4]))
    ]
    return "&".join(pairs).encode()


def _body(source: random.Random) -> bytes:
    value = json.dumps(_value(source, 0)).encode()
    if source.random() < 0.2:
        at = source.randrange(len(value) + 1)
        value = value[:at] + bytes([source.randrange(256)]) + value[at:]
    return value


def _value(source: random.Random, depth: int) -> object:
    kind = source.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [_value(source, depth + 1) for _ in range(source.randrange(3))]
    if kind == 7:
        keys = [
            "name",
            "title",
            "pages",
            "author",
            "born",
            "tags",
            "copies",
            "notes",
            "printed",
            "x",
        ]
        return {source.choice(keys): _value(source, depth + 1) for _ in range(source.randrange(4))}
    return [None, True, source.randrange(-5, 2**70), "text", "7", 1.5][kind]
