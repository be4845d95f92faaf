"""A service with paths of its own, in every shape that ``google.api.http`` has."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from typing import Any

import google.api.annotations_pb2
import grpc_tools  # type: ignore[import-untyped]
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_tools import protoc

from mainstay import Service
from mainstay.errors import Code, RpcError
from mainstay.rpc.comments import keep_comments
from mainstay.rpc.method import RpcService
from mainstay.rpc.proto.comments import comments_of
from mainstay.rpc.protobuf import service_of

SHELF = """
syntax = "proto3";
package library.v1;

import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

enum Genre { GENRE_UNSPECIFIED = 0; GENRE_NOVEL = 1; GENRE_POEM = 2; }

message Author { string name = 1; int32 born = 2; Author teacher = 3; }

// A book on a shelf.
message Book {
  // Where it stands: shelves/{shelf}/books/{book}.
  string name = 1;
  string title = 2;
  int64 pages = 3;
  Genre genre = 4;
  Author author = 5;
  repeated string tags = 6;
  map<string, int32> copies = 7;
  google.protobuf.Timestamp printed = 8;
  google.protobuf.Struct notes = 9;
  oneof cover { string picture = 10; bytes scan = 11; }
}

message GetBookRequest { string name = 1; int64 revision = 2; Author author = 3; }
message CreateBookRequest { string parent = 1; Book book = 2; string book_id = 3; bool dry_run = 4; }
message UpdateBookRequest { Book book = 1; google.protobuf.FieldMask update_mask = 2; }
message SearchRequest {
  string query = 1;
  int32 page_size = 2;
  uint64 offset = 3;
  bool deep = 4;
  double weight = 5;
  float scale = 6;
  bytes cursor = 7;
  Genre genre = 8;
  repeated Genre genres = 9;
  repeated int32 years = 10;
  Author author = 11;
  google.protobuf.Timestamp since = 12;
  google.protobuf.Duration within = 13;
  google.protobuf.Int64Value most = 14;
  google.protobuf.BoolValue lent = 15;
  google.protobuf.StringValue language = 16;
  google.protobuf.FieldMask fields = 17;
  map<string, string> labels = 18;
  repeated Author authors = 19;
  repeated google.protobuf.Timestamp days = 20;
  oneof place { string shelf = 21; string room = 22; }
  optional int32 floor = 23;
  sint32 shift = 24;
}
message SearchReply { string said = 1; repeated Book books = 2; }
message Titles { repeated string titles = 1; string note = 2; }
message Upload { string name = 1; google.api.HttpBody file = 2; }
message Tick { int32 number = 1; int64 wide = 2; }
message WatchRequest { string name = 1; int32 most = 2; string fault = 3; }

// Keeps books.
service Library {
  // Find one book.
  //
  // It may stand on any shelf.
  rpc GetBook(GetBookRequest) returns (Book) {
    option (google.api.http) = {
      get: "/v1/{name=shelves/*/books/*}"
      additional_bindings { get: "/v1/books/{name}" }
      additional_bindings { get: "/v1/authors/{author.name}/books/{name}" }
    };
  }
  rpc CreateBook(CreateBookRequest) returns (Book) {
    option (google.api.http) = { post: "/v1/{parent=shelves/*}/books" body: "book" };
  }
  rpc UpdateBook(UpdateBookRequest) returns (Book) {
    option (google.api.http) = { patch: "/v1/{book.name=shelves/*/books/*}" body: "*" };
  }
  rpc ArchiveBook(GetBookRequest) returns (Book) {
    option (google.api.http) = { post: "/v1/{name=shelves/*/books/*}:archive" body: "*" };
  }
  rpc DeleteBook(GetBookRequest) returns (google.protobuf.Empty) {
    option (google.api.http) = { delete: "/v1/{name=shelves/*/books/*}" };
  }
  rpc Search(SearchRequest) returns (SearchReply) {
    option (google.api.http) = { get: "/v1/search" };
  }
  rpc ListTitles(SearchRequest) returns (Titles) {
    option (google.api.http) = { get: "/v1/titles" response_body: "titles" };
  }
  rpc SetTags(Book) returns (Titles) {
    option (google.api.http) = { put: "/v1/books/{name}/tags" body: "tags" response_body: "note" };
  }
  rpc ReadFile(GetBookRequest) returns (google.api.HttpBody) {
    option (google.api.http) = { get: "/v1/files/{name=**}" };
  }
  rpc WriteFile(Upload) returns (google.api.HttpBody) {
    option (google.api.http) = { put: "/v1/files/{name=**}" body: "file" };
  }
  rpc Watch(WatchRequest) returns (stream Tick) {
    option (google.api.http) = { get: "/v1/watch/{name}" additional_bindings { post: "/v1/watch" body: "*" } };
  }
  rpc Download(GetBookRequest) returns (stream google.api.HttpBody) {
    option (google.api.http) = { get: "/v1/download/{name}" };
  }
  rpc Lock(GetBookRequest) returns (Book) {
    option (google.api.http) = { custom { kind: "LOCK" path: "/v1/books/{name}" } };
  }
  rpc Talk(stream Tick) returns (stream Tick);
}
"""


@cache
def compiled(text: str = SHELF, name: str = "library.proto") -> DescriptorPool:
    """A pool of its own with `text`, compiled with its comments."""
    google_api = Path(google.api.annotations_pb2.__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_text(text, encoding="utf-8")
        out = Path(folder, "out")
        failed = protoc.main(
            [
                "protoc",
                f"-I{folder}",
                f"-I{google_api}",
                f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
                "--include_imports",
                "--include_source_info",
                f"--descriptor_set_out={out}",
                os.fspath(Path(folder, name)),
            ]
        )
        assert not failed, "the fixture does not compile"
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
        keep_comments(pool, comments_of(file))
    return pool


def message(name: str, pool: DescriptorPool | None = None) -> Any:
    """The class of a message."""
    return GetMessageClass((pool or compiled()).FindMessageTypeByName(name))


def rpc_service(
    answers: dict[str, Callable[..., Any]],
    name: str = "library.v1.Library",
    pool: DescriptorPool | None = None,
) -> RpcService:
    """A service whose methods are `answers`, and no others."""
    service = service_of((pool or compiled()).FindServiceByName(name))
    service.methods = {each.name: each for each in service if each.name in answers}
    for each in service:
        each.function = function = answers[each.name]
        if "request" in function.__annotations__:  # as Any, for the type checker
            function.__annotations__["request"] = each.request.python_type
    return service


def library() -> Service:
    """A service whose methods answer with what they were asked."""
    book, reply, titles = (
        message(f"library.v1.{each}") for each in ("Book", "SearchReply", "Titles")
    )
    raw, empty = message("google.api.HttpBody"), message("google.protobuf.Empty")
    tick = message("library.v1.Tick")

    async def get_book(request: Any) -> Any:
        if request.name.endswith("missing"):
            raise RpcError(Code.NOT_FOUND, f"there is no {request.name}")
        if request.name.endswith("broken"):
            raise ZeroDivisionError("secret")
        return book(name=request.name, pages=request.revision, author=request.author)

    async def create_book(request: Any) -> Any:
        made = book()
        made.CopyFrom(request.book)
        made.name = f"{request.parent}/books/{request.book_id}"
        made.tags.append(f"dry={request.dry_run}")
        return made

    async def update_book(request: Any) -> Any:
        made = book()
        made.CopyFrom(request.book)
        made.tags.extend(request.update_mask.paths)
        return made

    async def archive_book(request: Any) -> Any:
        return book(name=request.name, title="archived", pages=request.revision)

    async def delete_book(request: Any) -> Any:
        return empty()

    async def search(request: Any) -> Any:
        return reply(said=str(request))

    async def list_titles(request: Any) -> Any:
        return titles(titles=[request.query] if request.query else [])

    async def set_tags(request: Any) -> Any:
        return titles(note=f"{request.name}: {', '.join(request.tags)}")

    async def read_file(request: Any) -> Any:
        return raw(content_type="text/plain", data=request.name.encode())

    async def write_file(request: Any) -> Any:
        data = request.name.encode() + b"=" + request.file.data
        return raw(content_type=request.file.content_type, data=data)

    async def watch(request: Any) -> AsyncIterator[Any]:
        if request.fault == "first":
            raise RpcError(Code.PERMISSION_DENIED, "not for you")
        for number in range(request.most):
            yield tick(number=number, wide=2**40)
        if request.fault:
            raise RpcError(Code.ABORTED, "broken off")

    async def download(request: Any) -> AsyncIterator[Any]:
        yield raw(content_type="text/csv", data=b"a,b\n")
        yield raw(data=b"1,2\n")

    async def lock(request: Any) -> Any:
        return book(name=request.name, title="locked")

    functions = (
        get_book,
        create_book,
        update_book,
        archive_book,
        delete_book,
        search,
        list_titles,
        set_tags,
        read_file,
        write_file,
        watch,
        download,
        lock,
    )
    answers = {
        "".join(part.title() for part in each.__name__.split("_")): each for each in functions
    }
    service = Service("library")
    service.declaration.rpc["library.v1.Library"] = rpc_service(answers)
    return service
