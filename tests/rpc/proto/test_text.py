from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from mainstay.rpc.proto.compiler import Compiled, compile_files, installed_roots
from mainstay.rpc.proto.load import ProtoFiles
from mainstay.rpc.proto.text import proto_text
from tests.rpc.proto.world import FILES, write

GOOGLE = installed_roots()[0]


def bare(compiled: Compiled) -> dict[str, FileDescriptorProto]:
    for file in compiled.files:
        file.ClearField("source_code_info")
    return {file.name: file for file in compiled.files}


def again(compiled: Compiled, folder: Path) -> Compiled:
    """The files written as text, and compiled."""
    loaded = ProtoFiles(compiled)
    for file in loaded.files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(proto_text(file, loaded.comments), encoding="utf-8")
    return compile_files([folder])


@pytest.mark.parametrize(
    ("source", "root"),
    [
        (FILES, FILES),
        (GOOGLE / "google", GOOGLE),
        (GOOGLE / "grpc_tools/_proto/google", GOOGLE / "grpc_tools/_proto"),
    ],
    ids=["ours", "googleapis", "protobuf"],
)
def test_the_text_means_the_same_descriptor(source: Path, root: Path, tmp_path: Path) -> None:
    """Of everything the language has, of googleapis-common-protos, of the well-known types."""
    first = compile_files([source], [root])
    second = again(first, tmp_path)
    assert second.names == first.names
    ours, wanted = bare(second), bare(first)
    for name in first.names:
        assert ours[name] == wanted[name]


def test_editions_are_written_as_such(tmp_path: Path) -> None:
    """With their features, and names that are reserved without quotes."""
    folder = tmp_path / "first"
    folder.mkdir()
    write(
        folder,
        new=(
            'edition = "2023";\npackage new;\n'
            "option features.field_presence = IMPLICIT;\n"
            "message A {\n  reserved old;\n  reserved 4;\n"
            "  int32 x = 1 [features.field_presence = EXPLICIT];\n"
            "  A inner = 2 [features.message_encoding = DELIMITED];\n}\n"
        ),
    )
    first = compile_files([folder])
    target = tmp_path / "second"
    target.mkdir()
    second = again(first, target)
    assert 'edition = "2023";' in (target / "new.proto").read_text("utf-8")
    assert bare(second)["new.proto"] == bare(first)["new.proto"]


def test_it_reads_as_a_person_would_have_written_it(tmp_path: Path) -> None:
    """Comments above, two columns for each block, short names."""
    source = (
        'syntax = "proto3";\n'
        "\n"
        "package hello.v1;\n"
        "\n"
        'import "google/api/annotations.proto";\n'
        "\n"
        "// Greets.\n"
        "service Greeter {\n"
        "  // Once.\n"
        "  rpc SayHello(Hello) returns (stream Hello) {\n"
        "    option (google.api.http) = {\n"
        '      get: "/hello"\n'
        "    };\n"
        "  }\n"
        "}\n"
        "\n"
        "message Hello {\n"
        "  // Whom.\n"
        "  string name = 1;\n"
        "  map<string, Hello> more = 2;\n"
        "  oneof how {\n"
        "    bool loud = 3 [deprecated = true];\n"
        "    bool soft = 4;\n"
        "  }\n"
        "}\n"
    )
    write(tmp_path, hello=source)
    loaded = ProtoFiles(compile_files([tmp_path]))
    assert proto_text(loaded.files[0], loaded.comments) == source
