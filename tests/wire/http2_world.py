"""Both engines, and a peer that speaks frames."""

from collections.abc import Iterable
from typing import Any, Final

from hpack import Decoder, Encoder

from mainstay.wire.http2 import PREFACE, Data, Event, Fields, Http2Engine, Http2Settings
from mainstay.wire.http2_frames import frame
from mainstay.wire.http2_httpunk import HttpunkEngine
from mainstay.wire.http2_httpunk_client import HttpunkClient
from mainstay.wire.http2_reference import ReferenceEngine


def fast_engine(*, client: bool, settings: Http2Settings) -> Http2Engine:
    """That of either end."""
    if client:
        return HttpunkClient(settings=settings)
    return HttpunkEngine(client=False, settings=settings)


ENGINES: Final[dict[str, Any]] = {"httpunk": fast_engine, "reference": ReferenceEngine}

DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8

GET: Final = ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"))
POST: Final = ((b":method", b"POST"), *GET[1:])


class FramePeer:
    """Writes frames, and reads those of the engine."""

    def __init__(self) -> None:
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._seen = b""

    def head(self, stream: int, fields: Fields, *, ended: bool = True) -> bytes:
        """HEADERS with these fields, pseudo-fields included."""
        flags = END_HEADERS | (END_STREAM if ended else 0)
        return frame(HEADERS, flags, stream, self._encoder.encode(fields))

    def read(self, out: bytes) -> list[tuple[int, int, int, Any]]:
        """Kind, flags, stream and payload of the whole frames in `out`; the fields of HEADERS."""
        self._seen += out
        self._seen = self._seen.removeprefix(PREFACE)
        frames = []
        while len(self._seen) >= 9:
            size = int.from_bytes(self._seen[:3], "big")
            if len(self._seen) < 9 + size:
                break
            payload: Any = self._seen[9 : 9 + size]
            kind, flags = self._seen[3], self._seen[4]
            stream = int.from_bytes(self._seen[5:9], "big")
            if kind == HEADERS:
                payload = [tuple(map(bytes, each)) for each in self._decode(payload)]
            frames.append((kind, flags, stream, payload))
            self._seen = self._seen[9 + size :]
        return frames

    def _decode(self, block: bytes) -> Iterable[tuple[bytes, bytes]]:
        return self._decoder.decode(block, raw=True)


def hello(*settings: tuple[int, int]) -> bytes:
    """What a client says first, with these settings."""
    payload = b"".join(k.to_bytes(2, "big") + v.to_bytes(4, "big") for k, v in settings)
    return PREFACE + frame(SETTINGS, 0, 0, payload)


def server(kind: str, **settings: Any) -> Http2Engine:
    """An engine that has been greeted, and has said its settings."""
    engine: Http2Engine = ENGINES[kind](client=False, settings=Http2Settings(**settings))
    engine.begin()
    engine.receive(hello())
    engine.take()
    return engine


def window(stream: int, size: int) -> bytes:
    """WINDOW_UPDATE."""
    return frame(WINDOW, 0, stream, size.to_bytes(4, "big"))


def reset(stream: int, code: int = 8) -> bytes:
    """RST_STREAM."""
    return frame(RST, 0, stream, code.to_bytes(4, "big"))


def told(events: list[Event]) -> list[tuple[Any, ...]]:
    """Events as plain values, with the data of one stream joined, so that they compare."""
    plain: list[tuple[Any, ...]] = []
    for event in events:
        names = getattr(event, "__slots__", ())
        values = {name: getattr(event, name) for name in names}
        last = plain[-1] if plain else ()
        if isinstance(event, Data) and last[:2] == ("Data", event.stream):
            plain[-1] = ("Data", event.stream, last[2] + event.data, event.ended)
        elif isinstance(event, Data):
            plain.append(("Data", event.stream, event.data, event.ended))
        else:
            plain.append((type(event).__name__, *sorted(values.items())))
    return plain
