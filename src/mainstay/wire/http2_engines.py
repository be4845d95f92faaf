"""Which HTTP/2 engine there is."""

from __future__ import annotations

from mainstay.wire.http2 import Http2Engine, Http2Settings

__all__ = ["http2_engine"]


def http2_engine(*, client: bool, settings: Http2Settings) -> Http2Engine:
    """The fast engine, or the reference where httpunk has no wheel.

    Raises: ImportError when neither is installed.
    """
    try:
        if client:
            from mainstay.wire.http2_httpunk_client import HttpunkClient  # noqa: PLC0415 - see above

            return HttpunkClient(settings=settings)
        from mainstay.wire.http2_httpunk import HttpunkEngine  # noqa: PLC0415 - same
    except ImportError:
        from mainstay.wire.http2_reference import ReferenceEngine  # noqa: PLC0415

        return ReferenceEngine(client=client, settings=settings)
    return HttpunkEngine(client=False, settings=settings)
