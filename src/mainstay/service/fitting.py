"""Whether a value can be of the type that its annotation says: refused is only what is sure.

A forgotten ``return`` is a None that nobody notices before the first call, so None is refused
wherever the annotation has no room for it; a value of another class, only where the annotation is a
class that says by itself what its instances are. Protocols and abstract classes may be met by
anything.
"""

from __future__ import annotations

import inspect
from types import UnionType
from typing import Annotated, Any, Final, NewType, Union, get_args, get_origin, is_typeddict

__all__ = ["fits"]

_TAKEN_FOR: Final[dict[type, tuple[type, ...]]] = {
    float: (int,),
    complex: (int, float),
    bytes: (bytearray, memoryview),
}
"""What type checkers take for a class that it is no subclass of."""


def fits(value: Any, annotation: Any) -> bool:
    """Whether `value` can be what `annotation` says; True for whatever is not sure."""
    if type(value) is annotation or annotation in (Any, object):
        return True
    if isinstance(annotation, NewType):
        return fits(value, annotation.__supertype__)
    origin = get_origin(annotation)
    if origin is Annotated:
        return fits(value, annotation.__origin__)
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in get_args(annotation))
    if not isinstance(annotation, type):
        # Of a generic class, only None is surely none. A variable, an alias, a Literal: unsure.
        return value is not None or not isinstance(origin, type)
    if value is None or _says_little(annotation):
        return value is not None
    return isinstance(value, (annotation, *_TAKEN_FOR.get(annotation, ())))


def _says_little(kind: type) -> bool:
    return getattr(kind, "_is_protocol", False) or is_typeddict(kind) or inspect.isabstract(kind)
