"""The package that is generated of the .proto files of these tests, once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstay.rpc.proto.generate import generate, write
from tests.rpc.proto.world import FILES


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    """What is written for them."""
    return generate([FILES])


@pytest.fixture(scope="session")
def package(texts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that has it as ``protopackage``, which can be imported."""
    folder = tmp_path_factory.mktemp("generated")
    write(texts, folder / "protopackage")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder
