"""Handlers by signature: from a request to the arguments of the user's function.

`plan` decides once, when the service starts, where each parameter comes from, and compiles the
function that fetches them. Resources and what a call brings along are not its business: whoever
puts the service together hands over the parameters that are left.

All faults of one request are found: the fast way stops at the first, and the request is then looked
at again from the start. What is wrong is answered 422, what cannot be read 400, a body of another
media type 415.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mainstay.core.signature import Parameter, where
from mainstay.errors import BugError, TooLarge, WiringError
from mainstay.http.call import HttpCall
from mainstay.http.extraction import Extract, accepted_by, extractor, require_type
from mainstay.http.fields import Field, Reader
from mainstay.http.forms import FormData, read_form
from mainstay.http.route import Route

__all__ = ["Plan", "plan"]


class Plan:
    """How the parameters of one handler are filled from a request.

    Attributes:
        fields: a description of each, for OpenAPI.
        needs_body: whether a body has to be complete before there are arguments.
        arguments: makes them, at once; with `needs_body` only for a body that came with the head
            (``call.exchange.body is not None``). Raises: ValidationFailed with every fault;
            HttpError 415; TooLarge.
        arguments_async: the same, reading the body first. Raises also what reading does.
    """

    __slots__ = ("arguments", "arguments_async", "fields", "needs_body")

    def __init__(self, fields: Sequence[Field], extract: Extract) -> None:
        self.fields = tuple(fields)
        sources = {field.source for field in fields}
        self.needs_body = not sources.isdisjoint({"json", "form", "file", "raw"})
        self.arguments: Callable[[HttpCall], dict[str, Any]] = extract
        self.arguments_async: Callable[[HttpCall], Awaitable[dict[str, Any]]]
        if sources & {"form", "file"}:
            self.arguments = _form_at_once
            self.arguments_async = _after_form(extract)
        elif self.needs_body:
            self.arguments = _whole(extract)
            self.arguments_async = _after_body(extract, self.fields)
        else:
            self.arguments_async = _at_once(extract)

    def ready(self, call: HttpCall) -> bool:
        """Whether `arguments` will do for this call."""
        return not self.needs_body or (
            call.exchange.body is not None and self.arguments is not _form_at_once
        )

    def __repr__(self) -> str:
        said = ", ".join(f"{field.parameter} from {field.source}" for field in self.fields)
        return f"<Plan {said or 'of nothing'}>"


def plan(function: Callable[..., Any], parameters: Sequence[Parameter], route: Route) -> Plan:
    """Decide where each of `parameters` comes from.

    Args:
        function: whose they are, for messages.
        parameters: those that neither a resource nor the call fills.
        route: what it answers.

    Raises: WiringError that says for every parameter with no place, or two, what to write.
    """
    reader = Reader(function, route)
    fields: list[Field] = []
    faults: list[str] = []
    for parameter in parameters:
        try:
            field = reader.field_of(parameter)
        except WiringError as fault:
            faults.append(fault.message)
        else:
            if field is not None:
                fields.append(field)
    faults += _conflicts(function, route, fields)
    if faults:
        raise WiringError("\n".join(faults))
    return Plan(fields, extractor(fields, reader.holes))


def _conflicts(function: Callable[..., Any], route: Route, fields: Sequence[Field]) -> list[str]:
    """There is one body, and it is read once."""
    by_source: dict[str, list[str]] = {}
    for field in fields:
        if field.of_the_body:
            source = "form" if field.source == "file" else field.source
            by_source.setdefault(source, []).append(field.parameter)
    start = f"{where(function)}: the parameters"
    found = []
    if len(by_source.get("json", ())) > 1:
        names = " and ".join(map(repr, by_source["json"]))
        found.append(
            f"{start} {names} of {route.method_name} all want the JSON body; make one model with "
            "them as its fields, or write Annotated[…, Query] for what is in the query"
        )
    # Beside the value one may want the bytes it was made of, to check a signature.
    if (
        len(by_source.keys() - {"raw"}) > 1
        or {"raw", "form"} <= by_source.keys()
        or ({"raw", "stream"} <= by_source.keys())
    ):
        names = " and ".join(
            f"{name!r} ({source})" for source, names in by_source.items() for name in names
        )
        found.append(
            f"{start} {names} of {route.method_name} want the one body in different ways; "
            "keep those of one kind"
        )
    return found


def _at_once(extract: Extract) -> Callable[[HttpCall], Awaitable[dict[str, Any]]]:
    async def arguments(call: HttpCall) -> dict[str, Any]:
        return extract(call)

    return arguments


def _whole(extract: Extract) -> Callable[[HttpCall], dict[str, Any]]:
    def arguments(call: HttpCall) -> dict[str, Any]:
        exchange = call.exchange
        body = exchange.body
        if body is None:
            raise BugError("arguments() was asked of a call whose body is still to come")
        limit = exchange.body_limit
        if limit is not None and len(body) > limit:
            raise TooLarge(f"the body is longer than {limit} bytes")
        return extract(call, body)

    return arguments


def _after_body(
    extract: Extract, fields: Sequence[Field]
) -> Callable[[HttpCall], Awaitable[dict[str, Any]]]:
    accepted = frozenset[bytes]().union(*map(accepted_by, fields))
    at_once = _whole(extract)

    async def arguments(call: HttpCall) -> dict[str, Any]:
        exchange = call.exchange
        if exchange.body is not None:
            return at_once(call)
        if accepted and exchange.length:
            # Nobody waits for a body that is of no use.
            require_type(exchange.fields, accepted)
        return extract(call, await call.request.read())

    return arguments


def _form_at_once(call: HttpCall) -> dict[str, Any]:
    raise BugError("a form is read by arguments_async()")


def _after_form(extract: Extract) -> Callable[[HttpCall], Awaitable[dict[str, Any]]]:
    async def arguments(call: HttpCall) -> dict[str, Any]:
        request = call.request
        form = request._form
        if form is None:
            content_type = request.headers.get("content-type") or ""
            if content_type or call.exchange.length != 0:
                form = await read_form(content_type, request.chunks())
            else:
                form = FormData()
            request._form = form
        return extract(call, form)

    return arguments
