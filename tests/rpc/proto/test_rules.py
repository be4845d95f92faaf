"""Paths that were said in code are in the file, and mean the same there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FileDescriptor

from mainstay.rpc import Get, HttpRule, Patch, Post, Rpc
from mainstay.rpc.proto.export import export
from mainstay.rpc.proto.load import load_proto
from mainstay.rpc.proto.rules import with_rules
from mainstay.rpc.transcoding.rules import rules_of_descriptor

RULES = (
    Get("/v1/{sku=items/*}", response_body="sku"),
    Post("/v1/items:look"),
    HttpRule("LOOK", "/v1/items"),
)


@dataclass
class Item:
    sku: str = ""


def stock(*rules: HttpRule) -> Rpc:
    rpc = Rpc("shop.v1.Stock")

    @rpc.method(http=rules)
    async def get_item(request: Item) -> Item:
        return request

    return rpc


def loaded(folder: Path, text: str) -> Any:
    path = folder / "stock.proto"
    path.write_text(text, encoding="utf-8")
    return load_proto(path)["shop.v1.Stock"]


def test_compiling_the_file_gives_the_same_paths(tmp_path: Path) -> None:
    """The first is the rule, the others are bound beside it; words of one's own are custom ones."""
    (text,) = export([stock(*RULES).service]).values()
    assert 'import "google/api/annotations.proto";' in text
    service = loaded(tmp_path, text)
    assert rules_of_descriptor(service.methods_by_name["GetItem"]) == RULES


def test_rules_in_code_take_the_place_of_the_option(tmp_path: Path) -> None:
    """As they do when the service runs; what the file imports already is imported once."""
    (text,) = export([stock(*RULES).service]).values()
    file: FileDescriptor = loaded(tmp_path, text).file
    rule = Patch("/v2/items", body="sku")
    changed = with_rules(file, {"shop.v1.Stock.GetItem": (rule,)})
    assert [each.name for each in changed.dependencies] == ["google/api/annotations.proto"]
    method = changed.services_by_name["Stock"].methods_by_name["GetItem"]
    assert rules_of_descriptor(method) == (rule,)


def test_a_file_that_they_are_not_of_stays_as_it_is() -> None:
    """Without an import for nothing."""
    service = stock().service.descriptor
    assert service is not None
    assert with_rules(service.file, {"other.v1.Stock.GetItem": RULES}) is service.file
