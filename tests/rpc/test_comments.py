"""Comments of ``.proto`` files, found by what they stand at."""

from google.protobuf.struct_pb2 import Struct

from mainstay.rpc.comments import comment_of
from tests.rpc.transcoding.library import compiled


def test_comments_are_found_by_descriptors() -> None:
    """Of services, methods, messages and fields."""
    pool = compiled()
    service = pool.FindServiceByName("library.v1.Library")
    book = pool.FindMessageTypeByName("library.v1.Book")
    assert comment_of(service) == "Keeps books."
    assert comment_of(service.methods_by_name["GetBook"]).startswith("Find one book.")
    assert comment_of(book) == "A book on a shelf."
    assert comment_of(book.fields_by_name["name"]).startswith("Where it stands")


def test_what_nobody_has_commented_has_none() -> None:
    """A thing without a comment, and a pool of which nobody has any."""
    assert comment_of(compiled().FindEnumTypeByName("library.v1.Genre")) == ""
    assert comment_of(Struct.DESCRIPTOR) == ""
