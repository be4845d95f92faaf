"""A folder of files behind the routes: what no route matches may be a file."""

from __future__ import annotations

import os

from mainstay.core.call import Middleware
from mainstay.errors import NotFound, UsageError
from mainstay.http.call import HttpCall
from mainstay.http.middleware.base import HttpNext, http_only
from mainstay.http.response import Response
from mainstay.http.static import Static

__all__ = ["static_files"]


def static_files(
    directory: str | os.PathLike[str],
    *,
    prefix: str = "",
    index: str | None = "index.html",
    fallback: str | None = None,
    cache_control: str | None = None,
    dotfiles: bool = False,
    precompressed: bool = True,
) -> Middleware:
    """Answer GET and HEAD below `prefix` with the files of `directory`, where no route matches.

    For the middleware of the whole service: calls of routes pass at the cost of one look, and the
    disk is not touched for them. `Static` can also be a handler for a route of its own.

    Args:
        directory: exists when it is made.
        prefix: of the path, such as ``/assets``; empty for all.
        index: the file that stands for a folder; None for none.
        fallback: the shell of an application that routes by itself; see `Static`.
        cache_control: the field of that name.
        dotfiles: whether names that begin with a dot are served.
        precompressed: see `mainstay.http.files.File`.

    Raises: UsageError when the folder, the fallback or the prefix is none.
    """
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        raise UsageError(f"static_files: a prefix begins with a slash and ends without: {prefix!r}")
    static = Static(
        directory,
        index=index,
        fallback=fallback,
        cache_control=cache_control,
        dotfiles=dotfiles,
        precompressed=precompressed,
    )
    start = f"{prefix}/"

    async def layer(call: HttpCall, next: HttpNext) -> Response:
        if call.route is not None or call.exchange.method not in ("GET", "HEAD"):
            return await next(call)
        request = call.request
        if call.exchange.protocol or not request.path.startswith(start):
            return await next(call)
        try:
            return await static.serve(request, request.path[len(start) :])
        except NotFound:
            return await next(call)

    layer.__qualname__ = "static_files"
    return http_only(layer)
