"""The function that makes a handler's arguments from a call: written for it, and compiled, at start.

For ``hello(name: str, excited: bool = False)`` on ``/hello/{name}`` it is::

    def arguments(call, body=None):
        try:
            target = call.exchange.target
            if b"?" in target:
                query = parse_query(target.partition(b"?")[2].decode("latin-1"))
            else:
                query = NOTHING
            ...
            return {"name": params["name"], "excited": v1}
        except REFUSED as error:
            raise refuse(call, body, error) from None

A loop over descriptions costs three times as much. Only names that this module makes and `repr` of
texts get into the source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from mainstay.core.signature import MISSING
from mainstay.errors import HttpError, ValidationFailed, Violation
from mainstay.http.call import HttpCall
from mainstay.http.checks import BOOLS, REFUSED, Malformed, MsgspecCheck, text_of
from mainstay.http.faults import MOST, missing, of_message
from mainstay.http.fields import Field
from mainstay.http.forms import Part, read_parts
from mainstay.http.pairs import parse_query
from mainstay.http.pattern import Hole
from mainstay.http.shapes import Kind
from mainstay.http.takers import ABSENT, Absent, Taker, default_of

__all__ = ["Extract", "accepted_by", "extractor", "require_type"]

Extract = Callable[..., dict[str, Any]]
"""``(call, body=None)``: the body is whole bytes or a form, for those who need one."""

_JSON: Final = b"application/json"
_NOTHING: Final = ()
_PARTS: Final[Mapping[str, str]] = {
    "query": "query",
    "header": "call.exchange.fields",
    "cookie": "call.request.cookies",
    "form": "body",
    "file": "body",
    "json": "body",
    "path": "call.params",
}
_QUERY: Final = """\
        target = call.exchange.target
        if b"?" in target:
            query = parse_query(target.partition(b"?")[2].decode("latin-1"))
        else:
            query = NOTHING"""


def extractor(fields: Sequence[Field], holes: Mapping[str, Hole]) -> Extract:
    """Compile the function for these fields."""
    takers = [_taker_of(field) for field in fields]
    names: dict[str, Any] = {
        "ABSENT": ABSENT,
        "Absent": Absent,
        "NOTHING": _NOTHING,
        "REFUSED": REFUSED,
        "parse_query": parse_query,
        "parts_of": _parts_of,
        "refuse": _refuser(fields, takers),
        "require_type": require_type,
    }
    lines = ["def arguments(call, body=None):", "    try:"]
    sources = [field.source for field in fields]
    if "query" in sources:
        lines.append(_QUERY)
    made = []
    for index, (field, taker) in enumerate(zip(fields, takers, strict=True)):
        body, expression = _code(index, field, taker, holes, names)
        lines += [f"        {line}" for line in body]
        made.append(f"{field.parameter!r}: {expression}")
    lines += [
        f"        return {{{', '.join(made)}}}",
        "    except REFUSED as error:",
        "        raise refuse(call, body, error) from None",
    ]
    exec(compile("\n".join(lines), "<arguments>", "exec"), names)  # noqa: S102 - see the top
    return names["arguments"]  # type: ignore[no-any-return]


def _taker_of(field: Field) -> Taker | None:
    """Nothing is taken from the request itself, a raw body, and a form as a whole."""
    whole = field.shape.kind is Kind.OTHER and field.source != "file"
    return None if whole else Taker(field)


def _code(
    index: int,
    field: Field,
    taker: Taker | None,
    holes: Mapping[str, Hole],
    names: dict[str, Any],
) -> tuple[list[str], str]:
    """The lines that make the value, and the expression that is it."""
    if field.source == "request":
        return [], "call" if field.shape.core is HttpCall else "call.request"
    if field.source == "stream":
        parts = field.shape.core.__args__[0] is Part
        check = _type_check(index, field, names)
        return check, "parts_of(call)" if parts else "call.request.chunks()"
    if field.source == "raw":
        if field.required:
            return _type_check(index, field, names), "body"
        names[f"default{index}"] = default_of(field)
        check = [f"    {line}" for line in _type_check(index, field, names)]
        return ["if body:", *check] if check else [], f"body or default{index}()"
    if taker is None:
        return [], "body"  # the whole form
    if field.source == "json":
        return _json_code(index, field, taker, names)
    if field.source == "path" and field.key in holes and field.default_factory is None:
        kind = holes[field.key].converter.type
        if field.shape.core is kind:
            return [], f"call.params[{field.key!r}]"
    if field.source == "query" and field.shape.kind is Kind.SCALAR:
        return _scalar_code(index, field, taker, names)
    names[f"take{index}"] = taker.take
    return [], f"take{index}({_PARTS[field.source]})"


def _scalar_code(
    index: int, field: Field, taker: Taker, names: dict[str, Any]
) -> tuple[list[str], str]:
    """One value of the query, found without a call."""
    value, default, convert = f"v{index}", f"default{index}", f"convert{index}"
    assert taker.check is not None
    absent = f"{default}()"
    names[default] = taker.default
    if field.default is not MISSING and not isinstance(field.default, list | dict | set):
        names[default] = field.default
        absent = default
    names[convert] = taker.check.from_text
    converted = f"{convert}(text)"
    core = field.shape.core
    if isinstance(taker.check, MsgspecCheck) and core is str:
        converted = "text"
    elif isinstance(taker.check, MsgspecCheck) and core is bool:
        names["BOOLS"] = BOOLS
        converted = f"BOOLS[text] if text in BOOLS else {convert}(text)"
    elif isinstance(taker.check, MsgspecCheck) and text_of(core) is None:
        names[convert], names[f"type{index}"] = msgspec.convert, core
        converted = f"{convert}(text, type{index}, strict=False)"
    return [
        "for key, text in query:",
        f"    if key == {field.key!r}:",
        f"        {value} = {converted}",
        "        break",
        "else:",
        f"    {value} = {absent}",
    ], value


def _json_code(
    index: int, field: Field, taker: Taker, names: dict[str, Any]
) -> tuple[list[str], str]:
    value = f"v{index}"
    assert taker.check is not None
    names[f"decode{index}"] = taker.check.from_json
    names[f"default{index}"] = taker.default
    return [
        "if body:",
        *(f"    {line}" for line in _type_check(index, field, names)),
        f"    {value} = decode{index}(body)",
        "else:",
        f"    {value} = default{index}()",
    ], value


def _type_check(index: int, field: Field, names: dict[str, Any]) -> list[str]:
    accepted = accepted_by(field)
    if not accepted:
        return []
    names[f"accepted{index}"] = accepted
    return [f"require_type(call.exchange.fields, accepted{index})"]


def accepted_by(field: Field) -> frozenset[bytes]:
    """The media types of a body that `field` takes; empty for any."""
    own = [each.lower().encode("latin-1") for each in field.media_types]
    return frozenset([_JSON, *own] if field.source == "json" else own)


def require_type(fields: Sequence[tuple[bytes, bytes]], accepted: frozenset[bytes]) -> None:
    """Let nobody guess what a body is.

    Raises: HttpError 415 that lists `accepted`.
    """
    value = b""
    for name, each in fields:
        if name == b"content-type":
            value = each
            break
    if value in accepted:
        return
    kind = value.partition(b";")[0].strip().lower()
    if kind in accepted or (_JSON in accepted and kind.endswith(b"+json")):
        return
    wanted = ", ".join(sorted(each.decode("latin-1") for each in accepted))
    said = f"the body is {kind.decode('latin-1')}" if kind else "the body has no content-type"
    raise HttpError(
        415,
        f"{said}; send {wanted}",
        headers={"accept": wanted},
        reason="UNSUPPORTED_MEDIA_TYPE",
    )


def _parts_of(call: HttpCall) -> Any:
    request = call.request
    return read_parts(request.headers.get("content-type") or "", request.chunks())


def _refuser(
    fields: Sequence[Field], takers: Sequence[Taker | None]
) -> Callable[[HttpCall, Any, Exception], Exception]:
    """What looks again at a request that was refused, and finds everything."""

    def refuse(call: HttpCall, body: Any, error: Exception) -> Exception:
        found: list[Violation] = []
        malformed = False
        for field, taker in zip(fields, takers, strict=True):
            if taker is None:
                continue
            if field.source != "json":
                found += taker.faults(_part_of(call, field, body))
            elif not body:
                found += [missing(field.pointer)] if field.required else []
            else:
                require_type(call.exchange.fields, accepted_by(field))
                try:
                    found += taker.json_faults(body)
                except Malformed as fault:
                    malformed = True
                    found.append(Violation(field.pointer, str(fault), "malformed"))
        if found:
            return ValidationFailed(found[:MOST], malformed=malformed)
        if isinstance(error, msgspec.ValidationError):
            return ValidationFailed([of_message(str(error), "")])
        return error  # of the program: a factory of a default that failed

    return refuse


def _part_of(call: HttpCall, field: Field, body: Any) -> Any:
    match field.source:
        case "query":
            target = call.exchange.target
            return parse_query(target.partition(b"?")[2].decode("latin-1"))
        case "header":
            return call.exchange.fields
        case "cookie":
            return call.request.cookies
        case "path":
            return call.params
    return body
