from pathlib import Path

import pytest

from mainstay.rpc.proto.load import load_proto
from mainstay.rpc.proto.scopes import Scopes
from tests.rpc.proto.world import write


@pytest.fixture(scope="module")
def scopes(tmp_path_factory: pytest.TempPathFactory) -> Scopes:
    folder = write(
        tmp_path_factory.mktemp("scopes"),
        other="package a.c;\nmessage X {}",
        a=(
            'import "other.proto";\npackage a.b;\nmessage X { message Y {} }\n'
            "message Z { message X {} message a {} .a.c.X one = 1; }\n"
        ),
    )
    return Scopes(load_proto(folder / "a.proto").files[0])


@pytest.mark.parametrize(
    ("full", "scope", "short"),
    [
        (".a.b.X", "a.b", "X"),
        (".a.b.X.Y", "a.b.X", "Y"),
        (".a.b.X.Y", "a.b", "X.Y"),
        (".a.c.X", "a.b", "c.X"),
        # An inner X and an inner a hide the outer ones.
        (".a.b.X", "a.b.Z", "b.X"),
        (".a.c.X", "a.b.Z", "c.X"),
        (".a.b.Z.X", "a.b.Z", "X"),
        (".a.b.Z.a", "a.b.Z", "a"),
    ],
)
def test_a_type_has_the_shortest_name_that_means_it(
    full: str, scope: str, short: str, scopes: Scopes
) -> None:
    """Names are looked up by their first part, from the innermost scope outward."""
    assert scopes.name(full, scope) == short


def test_a_name_that_is_hidden_everywhere_begins_with_a_dot(tmp_path: Path) -> None:
    """A field of the package's name hides the package."""
    folder = write(tmp_path, p="package p;\nmessage M {}\nmessage N { M p = 1; .p.M M = 2; }")
    assert Scopes(load_proto(folder / "p.proto").files[0]).name(".p.M", "p.N") == ".p.M"
