"""The paths that a method has beside its own, as ``google.api.http`` says them (google/api/http.proto).

A rule is said in one of two ways: by the option in a ``.proto``, or in code::

    @library.method(http=Get("/v1/{name=shelves/*}"))
    @library.method(http=(Post("/v1/shelves", body="shelf"), Put("/v1/shelves/{id}", body="*")))

Rules in code take the place of the option.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor

__all__ = ["Delete", "Get", "HttpRule", "Patch", "Post", "Put", "rules_of_descriptor"]


@dataclass(frozen=True, slots=True)
class HttpRule:
    """One method and path of HTTP by which an RPC method is called.

    Attributes:
        verb: the method of HTTP, such as ``GET``; or any other word, for one of your own.
        path: a template: ``/v1/{name=shelves/*/books/*}:archive``.
        body: what the body of the request is: ``*`` for all fields that are not in the path, the
            name of a field, or empty for no body.
        response_body: the name of the field of the reply that is the answer's body; empty for all
            of it.
    """

    verb: str
    path: str
    body: str = ""
    response_body: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"


def Get(path: str, *, response_body: str = "") -> HttpRule:  # noqa: N802 - as the option has it
    """A rule for GET: what is not in the path comes as query parameters. See `HttpRule`."""
    return HttpRule("GET", path, "", response_body)


def Post(path: str, *, body: str = "*", response_body: str = "") -> HttpRule:  # noqa: N802
    """A rule for POST. See `HttpRule`."""
    return HttpRule("POST", path, body, response_body)


def Put(path: str, *, body: str = "*", response_body: str = "") -> HttpRule:  # noqa: N802
    """A rule for PUT. See `HttpRule`."""
    return HttpRule("PUT", path, body, response_body)


def Patch(path: str, *, body: str = "*", response_body: str = "") -> HttpRule:  # noqa: N802
    """A rule for PATCH. See `HttpRule`."""
    return HttpRule("PATCH", path, body, response_body)


def Delete(path: str, *, response_body: str = "") -> HttpRule:  # noqa: N802
    """A rule for DELETE. See `HttpRule`."""
    return HttpRule("DELETE", path, "", response_body)


def rules_of_descriptor(descriptor: MethodDescriptor) -> tuple[HttpRule, ...]:
    """The rules of a method's option; none without it."""
    encoded = descriptor.GetOptions().SerializeToString()
    if not encoded:
        return ()
    from google.api import annotations_pb2  # noqa: PLC0415 - only where options are
    from google.protobuf import descriptor_pb2  # noqa: PLC0415 - same

    # Read anew: a descriptor of another pool does not know the extension.
    options = descriptor_pb2.MethodOptions.FromString(encoded)
    extension: Any = annotations_pb2.http
    if not options.HasExtension(extension):
        return ()
    rule = options.Extensions[extension]
    return tuple(_rules([rule, *rule.additional_bindings]))


def _rules(said: Iterable[Any]) -> Iterable[HttpRule]:
    for rule in said:
        kind = rule.WhichOneof("pattern")
        if kind == "custom":
            verb, path = rule.custom.kind, rule.custom.path
        elif kind is not None:
            verb, path = kind.upper(), getattr(rule, kind)
        else:
            continue
        yield HttpRule(verb, path, rule.body, rule.response_body)
