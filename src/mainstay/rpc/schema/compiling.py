"""From shapes to functions that move fields between the user's object and protobuf's message.

For each class there is a pair of functions, written out field by field and compiled once, at the
start: a loop over the fields takes twice as long, `ListFields` three times (decision 039). Names in the written code are checked to be identifiers, and every value that it
needs is passed in, so nothing of the user's is ever text in it.

A message that does not fit is read a second time, slowly, to name every field that is wrong. This
file is in the hot path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import msgspec
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from mainstay.errors import ValidationFailed, Violation
from mainstay.rpc.long_messages import Weighed, long_json, too_many
from mainstay.rpc.method import MessageType
from mainstay.rpc.protobuf import message_json, wrong_message
from mainstay.rpc.schema.models import MISSING, Flavour, flavour_of
from mainstay.rpc.schema.reading import Reader
from mainstay.rpc.schema.shapes import EnumShape, FieldShape, Item, MessageShape
from mainstay.rpc.schema.values import CONVERSIONS
from mainstay.rpc.schema.weighing import weigher

__all__ = ["Codecs"]

_INDENT: Final = "\n    "
_PLACE: Final = re.compile(r" - at `\$\[([0-9]+)\]`$")
"""Where msgspec says that a value in a list is."""


_LOOKED: Final = 256 * 1024
"""Bytes of messages that are read again to name what is wrong: those within one another are read once
for each that they are in, which a peer could make a hundred times. A message may always be read four
times."""


class _TooMuchError(Exception):
    """What is wrong with a message would take too long to find."""


class _Missing(ValueError):
    """A field that has to be there is not."""


def _missing() -> Any:
    raise _Missing("is missing")


class Codecs:
    """The functions for all classes of one definition.

    Args:
        reader: has read them.
        pool: describes them.
    """

    def __init__(self, reader: Reader, pool: DescriptorPool) -> None:
        self._reader = reader
        self._pool = pool
        self._names: dict[type, int] = {}
        self._space: dict[str, Any] = {"missing": _missing, "check": msgspec.convert}
        self._enums = {each.cls: each for each in reader.enums.values()}
        for shape in reader.messages.values():
            self._names[shape.cls] = len(self._names)
        for shape in reader.messages.values():
            self._compile(shape)

    def message_type(self, cls: type) -> MessageType:
        """How objects of one class go over the wire."""
        shape = self._reader.messages[cls]
        own = self._class(shape.full_name)
        number = self._names[cls]
        load, fill = self._space[f"load{number}"], self._space[f"fill{number}"]
        from_string, name = own.FromString, shape.full_name
        flavour = flavour_of(cls)
        kind = dict if flavour == "keys" else cls

        def parsed(data: bytes) -> Any:
            try:
                return from_string(data)
            except DecodeError:
                raise ValueError("its bytes are malformed") from None

        def loaded(message: Any) -> Any:
            try:
                return load(message)
            except (ValueError, KeyError, TypeError) as error:
                raise self._refusal(shape, message, error) from None

        def decode(data: bytes) -> Any:
            try:
                return load(from_string(data))
            except (DecodeError, ValueError, KeyError, TypeError):
                return loaded(parsed(data))  # which says what is wrong

        count = weigher(own.DESCRIPTOR)

        def weigh(data: bytes, limit: int) -> Weighed:
            message = parsed(data)
            left = count(message, limit)
            if left < 0:
                raise too_many(limit)
            return limit - left, partial(loaded, message)

        def make(value: Any) -> Any:
            if type(value) is not kind and not isinstance(value, kind):
                raise wrong_message(name, cls, value)
            try:
                return fill(value)
            except (TypeError, ValueError, AttributeError, KeyError) as error:
                raise self._complaint(shape, value, error) from None

        def encode(value: Any) -> bytes:
            data: bytes = make(value).SerializeToString()
            return data

        parse, write = message_json(own)

        def from_json(data: bytes, limit: int | None = None) -> Any:
            return loaded(parse(data, limit))

        def to_json(value: Any) -> bytes:
            return write(make(value))

        return MessageType(
            name=name,
            python_type=cls,
            decode=decode,
            encode=encode,
            from_json=from_json,
            to_json=to_json,
            descriptor=own.DESCRIPTOR,
            weigh=weigh,
            weigh_json=long_json(from_json),
        )

    def _class(self, full_name: str) -> Any:
        return GetMessageClass(self._pool.FindMessageTypeByName(full_name))

    # --- writing the functions ------------------------------------------------------------------

    def _compile(self, shape: MessageShape) -> None:
        number = self._names[shape.cls]
        space = self._space
        flavour = flavour_of(shape.cls)
        space[f"C{number}"] = shape.cls
        space[f"M{number}"] = self._class(shape.full_name)
        if flavour == "pydantic":
            validator = shape.cls.__pydantic_validator__  # type: ignore[attr-defined]
            space[f"C{number}"] = validator.validate_python
        reads = {
            each.name: self._checked(f"{number}_{index}", each, self._read(number, index, each))
            for index, each in enumerate(shape.fields)
        }
        writes = {
            each.name: self._write(number, index, each, _of("o", each, flavour))
            for index, each in enumerate(shape.fields)
        }
        code = [
            _load_code(number, shape, reads, flavour),
            _fill_code(number, shape, writes),
            f"def dump{number}(o):{_INDENT}return {{{_pairs(shape, writes)}}}",
        ]
        for index, each in enumerate(shape.fields):
            expression = reads[each.name]
            has = "has = m.HasField" if "has(" in expression else "pass"
            code.append(f"def read{number}_{index}(m):{_INDENT}{has}{_INDENT}return {expression}")
            expression = writes[each.name].removeprefix("**")
            code.append(f"def write{number}_{index}(o):{_INDENT}return {expression}")
        exec(compile("\n".join(code), f"<codec of {shape.full_name}>", "exec"), space)  # noqa: S102

    def _checked(self, suffix: str, field: FieldShape, expression: str) -> str:
        if field.checked is None:
            return expression
        annotation = field.checked
        self._space[f"A{suffix}"] = annotation if not field.nullable else annotation | None
        return f"check({expression}, A{suffix})"

    def _read(self, number: int, index: int, field: FieldShape) -> str:
        """An expression for the field of the message `m`."""
        suffix = f"{number}_{index}"
        if field.options:
            self._space[f"which{suffix}"] = self._chooser(field)
            return f"which{suffix}(m.WhichOneof({field.name!r}), m)"
        assert field.item is not None
        raw = f"m.{field.name}"
        convert = self._reading(suffix, field.item)
        if field.key is not None:
            if convert is None:
                return f"dict({raw})"
            return f"{{k: {convert.format('v')} for k, v in {raw}.items()}}"
        if field.repeated is not None:
            listed = f"{raw}[:]" if convert is None else f"[{convert.format('v')} for v in {raw}]"
            return listed if field.repeated is list else f"{field.repeated.__name__}({listed})"
        value = raw if convert is None else convert.format(raw)
        if not field.presence:
            return value
        return f"({value} if has({field.name!r}) else {self._absent(suffix, field)})"

    def _absent(self, suffix: str, field: FieldShape) -> str:
        member = field.member
        if member.factory is not None:
            self._space[f"F{suffix}"] = member.factory
            return f"F{suffix}()"
        if member.default is not MISSING:
            self._space[f"D{suffix}"] = member.default
            return f"D{suffix}"
        return "None" if field.nullable else "missing()"

    def _chooser(self, field: FieldShape) -> Callable[[str | None, Any], Any]:
        options = {each.name: self._loader(each.item) for each in field.options}
        member = field.member

        def choose(which: str | None, message: Any) -> Any:
            if which is not None:
                return options[which](getattr(message, which))
            if member.factory is not None:
                return member.factory()
            if member.default is not MISSING:
                return member.default
            return None if field.nullable else _missing()

        return choose

    def _loader(self, item: Item) -> Callable[[Any], Any]:
        if item.form == "foreign":
            return _foreign_reader(item.python)
        return _late(self._space, f"load{self._names[item.python]}")

    def _reading(self, suffix: str, item: Item) -> str | None:
        """What is done with one value, as a format; None for nothing."""
        space = self._space
        if item.form == "plain":
            return None
        if item.form == "model":
            return f"load{self._names[item.python]}({{}})"
        if item.form == "enum":
            space[f"E{suffix}"] = {
                number: member for _, number, member in self._enum(item) if member is not None
            }
            return f"E{suffix}[{{}}]"
        if item.form == "literal":
            space[f"E{suffix}"] = {each: each for each in item.python}
            return f"E{suffix}[{{}}]"
        if item.form == "converted":
            space[f"R{suffix}"] = CONVERSIONS[item.python].read
        else:
            space[f"R{suffix}"] = _foreign_reader(item.python)
        return f"R{suffix}({{}})"

    def _enum(self, item: Item) -> Iterable[tuple[str, int, Any]]:
        shape: EnumShape = self._enums[item.python]
        # The first of several names for one number is the one that Python has as its member.
        return sorted(shape.values, key=lambda each: each[2] is None)

    def _write(self, number: int, index: int, field: FieldShape, raw: str) -> str:
        """An expression of what protobuf's constructor takes, or ``**`` and one of a dict."""
        suffix = f"{number}_{index}"
        if field.options:
            self._space[f"pick{suffix}"] = self._picker(field)
            return f"**pick{suffix}({raw})"
        assert field.item is not None
        convert = self._writing(suffix, field.item)
        if convert is None:
            return raw
        if field.key is not None:
            value = convert.format("v")
            if field.item.form in ("model", "converted") and field.item.wire == "message":
                # Before protobuf 6, a map takes messages only, where all else takes dicts.
                self._space[f"V{suffix}"] = self._class(field.item.type_name)
                value = f"V{suffix}(**{value})"
            return f"{{k: {value} for k, v in {raw}.items()}}"
        if field.repeated is not None:
            return f"[{convert.format('v')} for v in {raw}]"
        if not field.nullable:
            return convert.format(raw)
        return f"(None if (v := {raw}) is None else {convert.format('v')})"

    def _writing(self, suffix: str, item: Item) -> str | None:
        space = self._space
        if item.form == "plain":
            return None
        if item.form == "model":
            return f"dump{self._names[item.python]}({{}})"
        if item.form == "enum":
            space[f"N{suffix}"] = {
                member: number for _, number, member in self._enum(item) if member is not None
            }
            return f"N{suffix}[{{}}]"
        if item.form == "literal":
            return f"E{suffix}[{{}}]"
        if item.form == "converted":
            space[f"W{suffix}"] = CONVERSIONS[item.python].write
        else:
            space[f"W{suffix}"] = self._foreign_writer(item.python)
        return f"W{suffix}({{}})"

    def _picker(self, field: FieldShape) -> Callable[[Any], dict[str, Any]]:
        space = self._space
        options = []
        for each in field.options:
            python = each.item.python
            if each.item.form == "foreign":
                options.append((each.name, python, self._foreign_writer(python)))
            else:
                name = f"dump{self._names[python]}"
                options.append((each.name, python, _late(space, name)))

        def pick(value: Any) -> dict[str, Any]:
            if value is None:
                return {}
            for name, python, write in options:
                if isinstance(value, python):
                    return {name: write(value)}
            said = " | ".join(python.__qualname__ for _, python, _ in options)
            raise TypeError(f"{type(value).__qualname__} is none of {said}")

        return pick

    def _foreign_writer(self, cls: Any) -> Callable[[Any], Any]:
        own = self._class(cls.DESCRIPTOR.full_name)

        def write(value: Any) -> Any:
            if not isinstance(value, cls):
                raise wrong_message(cls.DESCRIPTOR.full_name, cls, value)
            return own.FromString(value.SerializeToString())

        return write

    # --- what does not fit ----------------------------------------------------------------------

    def _refusal(self, shape: MessageShape, message: Any, error: Exception) -> Exception:
        """The error for a message that a peer has sent: every field that is wrong with it."""
        left = [max(_LOOKED, 4 * message.ByteSize())]
        try:
            violations = list(self._violations(shape, message, "", left))
        except _TooMuchError:
            said = "something in it is wrong or missing; it is too deep to say what"
            return ValidationFailed([Violation("", said)])
        if not violations:
            detail = _said(error) if isinstance(error, ValueError) else f"is no {shape.full_name}"
            violations = [Violation("", detail)]
        return ValidationFailed(violations)

    def _violations(
        self, shape: MessageShape, message: Any, path: str, left: list[int]
    ) -> Iterator[Violation]:
        left[0] -= message.ByteSize()
        if left[0] < 0:
            raise _TooMuchError
        number = self._names[shape.cls]
        before = True
        for index, field in enumerate(shape.fields):
            pointer = f"{path}/{field.name}"
            inner = [
                each
                for below, sub in _below(field, message, pointer)
                for each in self._violations(self._reader.messages[below[0]], sub, below[1], left)
            ]
            if inner:
                before = False
                yield from inner
                continue
            try:
                self._space[f"read{number}_{index}"](message)
            except _Missing:
                before = False
                yield Violation(pointer, "is missing", "missing")
            except (ValueError, KeyError, TypeError) as error:
                before = False
                yield Violation(pointer + _index(field, error), _detail(field, error))
        if before:
            try:
                self._space[f"load{number}"](message)
            except (ValueError, TypeError) as error:
                yield from _of_class(path, error)

    def _complaint(self, shape: MessageShape, value: Any, error: Exception) -> Exception:
        """The error for an object of ours that cannot be sent: the first field that is wrong."""
        number = self._names[shape.cls]
        for index, field in enumerate(shape.fields):
            try:
                made = self._space[f"write{number}_{index}"](value)
                given = made if field.options else {field.name: made}
                self._space[f"M{number}"](**given)
            except AttributeError as fault:
                return TypeError(f"{shape.full_name}.{field.name} cannot be sent: {fault}")
            except (KeyError, TypeError, ValueError) as fault:
                if isinstance(fault, KeyError) and _is_literal(field):
                    said = f"{fault} {_detail(field, fault)}"
                    return TypeError(f"{shape.full_name}.{field.name} cannot be sent: {said}")
                kind = ValueError if isinstance(fault, ValueError) else TypeError
                held = _held(value, field)
                return kind(
                    f"{shape.full_name}.{field.name} cannot be sent as {_wire_name(field)}, being "
                    f"{type(held).__qualname__}: {fault}"
                )
        return error


def _of(variable: str, field: FieldShape, flavour: Flavour) -> str:
    if flavour != "keys":
        return f"{variable}.{field.name}"
    if field.member.required:
        return f"{variable}[{field.name!r}]"
    empty = "()" if field.repeated is not None else "{}" if field.key is not None else "None"
    return f"{variable}.get({field.name!r}, {empty})"


def _load_code(number: int, shape: MessageShape, reads: dict[str, str], flavour: Flavour) -> str:
    lines = [f"def load{number}(m):"]
    if any("has(" in each for each in reads.values()):
        lines.append("has = m.HasField")
    if flavour == "attributes":
        given = ", ".join(f"{each.member.key}={reads[each.name]}" for each in shape.fields)
        lines.append(f"return C{number}({given})")
        return _INDENT.join(lines)
    always = [each for each in shape.fields if not _may_lack(each, flavour)]
    given = ", ".join(f"{each.member.key!r}: {reads[each.name]}" for each in always)
    lines.append(f"d = {{{given}}}")
    for each in shape.fields:
        if _may_lack(each, flavour):
            there = f"has({each.name!r})" if not each.options else f"m.WhichOneof({each.name!r})"
            if "has = m.HasField" not in lines:
                lines.insert(1, "has = m.HasField")
            lines.append(f"if {there}: d[{each.member.key!r}] = {reads[each.name]}")
    lines.append("return d" if flavour == "keys" else f"return C{number}(d)")
    return _INDENT.join(lines)


def _may_lack(field: FieldShape, flavour: Flavour) -> bool:
    """Whether the key is left out for a field that was not sent."""
    if not field.presence:
        return False
    if flavour == "keys":
        return not field.member.required
    return field.member.has_default


def _fill_code(number: int, shape: MessageShape, writes: dict[str, str]) -> str:
    """Plain fields are set one by one, which is faster; the constructor skips what is None."""
    simple = [each for each in shape.fields if _is_simple(each)]
    rest = [each for each in shape.fields if not _is_simple(each)]
    given = ", ".join(
        writes[each.name] if each.options else f"{each.name}={writes[each.name]}" for each in rest
    )
    lines = [f"def fill{number}(o):", f"m = M{number}({given})"]
    lines += [f"m.{each.name} = {writes[each.name]}" for each in simple]
    return _INDENT.join([*lines, "return m"])


def _is_simple(field: FieldShape) -> bool:
    return (
        field.item is not None
        and field.item.wire != "message"
        and field.repeated is None
        and field.key is None
        and not field.nullable
    )


def _pairs(shape: MessageShape, writes: dict[str, str]) -> str:
    return ", ".join(
        writes[each.name] if each.options else f"{each.name!r}: {writes[each.name]}"
        for each in shape.fields
    )


def _late(space: dict[str, Any], name: str) -> Callable[[Any], Any]:
    """A function of `space` that may not be written yet."""

    def call(value: Any) -> Any:
        return space[name](value)

    return call


def _foreign_reader(cls: Any) -> Callable[[Any], Any]:
    from_string = cls.FromString
    return lambda message: from_string(message.SerializeToString())


def _below(field: FieldShape, message: Any, pointer: str) -> Iterator[tuple[tuple[type, str], Any]]:
    """The messages of the user's classes in a field: their class and path, and they themselves."""
    if field.options:
        which = message.WhichOneof(field.name)
        for option in field.options:
            if option.name == which and option.item.form == "model":
                yield (option.item.python, f"{pointer}"), getattr(message, which)
        return
    if field.item is None or field.item.form != "model":
        return
    value = getattr(message, field.name)
    python = field.item.python
    if field.key is not None:
        for key, each in value.items():
            yield (python, f"{pointer}/{key}"), each
    elif field.repeated is not None:
        for index, each in enumerate(value):
            yield (python, f"{pointer}/{index}"), each
    elif message.HasField(field.name):
        yield (python, pointer), value


def _detail(field: FieldShape, error: Exception) -> str:
    item = field.item
    if item is not None and _is_literal(field):
        return f"is none of {', '.join(map(repr, item.python))}"
    if item is not None and item.form == "enum":
        return f"is no {item.python.__name__}"
    if item is not None and item.form == "converted":
        return f"is not {CONVERSIONS[item.python].what}"
    return _said(error) if isinstance(error, ValueError) else "cannot be read"


def _index(field: FieldShape, error: Exception) -> str:
    """Which value of a list it is, as far as msgspec says: of a map it does not."""
    found = _PLACE.search(str(error)) if field.repeated in (list, tuple) else None
    return f"/{found[1]}" if found else ""


def _said(error: Exception) -> str:
    # A path of msgspec's is into the one value that it has checked.
    return str(error).partition(" - at `$")[0]


def _of_class(path: str, error: Exception) -> Iterator[Violation]:
    """What the class itself has against its values: pydantic's list, or a sentence."""
    errors = getattr(error, "errors", None)
    if callable(errors):
        for each in errors(include_url=False, include_context=False, include_input=False):
            where = "".join(f"/{part}" for part in each["loc"])
            yield Violation(path + where, each["msg"], each["type"])
    elif isinstance(error, ValueError):
        yield Violation(path, _said(error))


def _is_literal(field: FieldShape) -> bool:
    return field.item is not None and field.item.form == "literal"


def _held(value: Any, field: FieldShape) -> Any:
    if isinstance(value, dict):
        return value.get(field.name)
    return getattr(value, field.name, None)


def _wire_name(field: FieldShape) -> str:
    if field.item is None:
        return "a oneof"
    name = field.item.type_name or field.item.wire
    if field.key is not None:
        return f"map<{field.key.wire}, {name}>"
    return f"repeated {name}" if field.repeated is not None else name
