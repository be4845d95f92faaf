"""The .proto files of these tests, and what is made of them."""

from pathlib import Path
from textwrap import dedent

FILES = Path(__file__).parent / "files"
"""Everything that the language has: shop/v1 imports of common, legacy is of proto2."""

NAMES = ("common/money.proto", "legacy.proto", "shop/v1/items.proto", "shop/v1/orders.proto")


def write(folder: Path, **files: str) -> Path:
    """Write each text as a .proto file of proto3; the folder."""
    for name, text in files.items():
        head = "" if "syntax" in text or "edition" in text else 'syntax = "proto3";\n'
        folder.joinpath(f"{name}.proto").write_text(head + dedent(text), encoding="utf-8")
    return folder
