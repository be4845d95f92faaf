"""``mainstay call``."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from mainstay.cli.call_input import one_value, stream_of_values
from mainstay.cli.exits import Command, Exit, Failure
from mainstay.errors import Code, Error, InvalidRequest, NotFound
from mainstay.rpc.extra import package_of

if TYPE_CHECKING:
    from mainstay.net.tls_client import ClientTlsSettings
    from mainstay.rpc.client.channel import Channel
    from mainstay.rpc.client.failures import RpcFailed
    from mainstay.rpc.reflection_client import Reflected
    from mainstay.rpc.reflection_schema import Schema, SchemaMethod

__all__ = ["command"]

_PATIENCE: Final = 10.0
"""Seconds for each question about what there is, unless --timeout is given."""

_GLANCE: Final = 1.0
"""Seconds that the completion of a name may take."""


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Methods of the server that is named already, if it answers quickly."""
    target = ctx.params.get("target")
    if not target:
        return []

    async def names() -> list[str]:
        from mainstay.rpc.client.channel import Channel  # noqa: PLC0415 - as below
        from mainstay.rpc.reflection_client import Reflected  # noqa: PLC0415 - same

        found: list[str] = []
        async with asyncio.timeout(_GLANCE), Channel(target) as channel:
            server = Reflected(channel)
            for service in await server.list_services():
                if service.startswith(incomplete.partition("/")[0]):
                    await server.fetch(service)
                    found += server.schema.signatures(service)
        return found

    with suppress(Error, OSError, TimeoutError):
        every = asyncio.run(names())
        return [CompletionItem(each) for each in every if each.startswith(incomplete)]
    return []


@click.command(
    "call", cls=Command, exits=[Exit.REFUSED, Exit.UNREACHABLE, Exit.CONFIG, Exit.INTERRUPTED]
)
@click.argument("target", metavar="HOST:PORT")
@click.argument("method", required=False, metavar="[SERVICE/METHOD]", shell_complete=_complete)
@click.argument("data", required=False, metavar="[DATA]")
@click.option(
    "-H",
    "--metadata",
    "headers",
    metavar="'NAME: VALUE'",
    multiple=True,
    help="Send metadata; repeatable.",
)
@click.option("-v", "--verbose", is_flag=True, help="Write the reply's metadata to stderr.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds for the call.")
@click.option("--tls", is_flag=True, help="Speak TLS, and trust the system's authorities.")
@click.option("--insecure-tls", is_flag=True, help="Speak TLS, and trust everybody.")
@click.option("--cacert", metavar="FILE", type=click.Path(), help="Trust these; implies --tls.")
@click.option("--cert", metavar="FILE", type=click.Path(), help="Our certificate; implies --tls.")
@click.option("--key", metavar="FILE", type=click.Path(), help="Its key, if it stands apart.")
@click.option("--server-name", metavar="NAME", help="What the server's certificate is for.")
@click.option(
    "--list",
    "listed",
    metavar="[SERVICE]",
    is_flag=False,
    flag_value="",
    help="List the services, or the methods of one. Write it last.",
)
@click.option("--describe", metavar="NAME", help="Show a service, method or type as .proto.")
@click.option(
    "--proto",
    "protos",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Read the methods from .proto files instead of asking the server; repeatable.",
)
@click.option(
    "-I",
    "--include",
    metavar="FOLDER",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Where the files of --proto import from; repeatable.",
)
def command(
    target: str,
    method: str | None,
    data: str | None,
    headers: tuple[str, ...],
    verbose: bool,
    timeout: float | None,
    tls: bool,
    insecure_tls: bool,
    cacert: str | None,
    cert: str | None,
    key: str | None,
    server_name: str | None,
    listed: str | None,
    describe: str | None,
    protos: tuple[Path, ...],
    include: tuple[Path, ...],
) -> None:
    """Call a method of a gRPC server with JSON, or show what it has.

    DATA is JSON, @FILE, or - for standard input; without it the request is empty. A method that
    takes a stream takes several values, and without DATA a line of standard input each. Replies are
    written as they come, one a line.

    What methods there are, the server says itself (reflection), or the files of --proto do.
    """
    if sum((method is not None, listed is not None, describe is not None)) != 1:
        raise click.UsageError("name what to call as SERVICE/METHOD, or use --list or --describe")
    metadata = [_pair(each) for each in headers]
    secure: Any = _tls(insecure_tls, cacert, cert, key, server_name) or tls
    asyncio.run(
        _Caller(target, secure, metadata, timeout, protos, include, verbose).run(
            method, data, listed, describe
        )
    )


def _pair(header: str) -> tuple[str, str | bytes]:
    name, found, value = header.partition(":")
    name, value = name.strip().lower(), value.strip()
    if not found or not name:
        raise click.UsageError(f"-H takes 'name: value', not {header!r}")
    if not name.endswith("-bin"):
        return name, value
    try:
        return name, base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        message = f"the value of {name} is no base64, which all that ends with -bin has"
        raise click.UsageError(message) from None


def _tls(
    insecure: bool, ca: str | None, certificate: str | None, key: str | None, name: str | None
) -> ClientTlsSettings | None:
    if not (insecure or ca or certificate or key or name):
        return None
    from mainstay.net.tls_client import ClientTlsSettings  # noqa: PLC0415 - not for every command

    return ClientTlsSettings(
        ca=ca, certificate=certificate, key=key, server_name=name, verify=not insecure
    )


class _Caller:
    """One run of the command."""

    def __init__(
        self,
        target: str,
        tls: Any,
        metadata: Sequence[tuple[str, str | bytes]],
        timeout: float | None,
        protos: Sequence[Path],
        include: Sequence[Path],
        verbose: bool,
    ) -> None:
        self._target = target
        self._tls = tls
        self._metadata = metadata
        self._timeout = timeout
        self._protos = protos
        self._include = include
        self._verbose = verbose
        self._server: Reflected | None = None
        self._schema: Schema | None = None
        self._begun = False  # whether what came before the replies has been shown

    async def run(
        self, method: str | None, data: str | None, listed: str | None, describe: str | None
    ) -> None:
        try:
            from mainstay.rpc.client.channel import Channel  # noqa: PLC0415 - needs protobuf
            from mainstay.rpc.client.failures import RpcFailed  # noqa: PLC0415 - same
            from mainstay.rpc.reflection_client import Reflected  # noqa: PLC0415 - same
        except ModuleNotFoundError as error:
            package = package_of(error)
            if package is None:
                raise
            message = f"{package} is not installed; pip install 'mainstay[grpc]'"
            raise Failure(message, Exit.FAILED) from None
        async with Channel(self._target, tls=self._tls) as channel:
            try:
                if self._protos:
                    self._schema = self._of_files()
                else:
                    self._server = Reflected(channel, self._metadata, self._timeout or _PATIENCE)
                    self._schema = self._server.schema
                if listed is not None:
                    await self._list(listed)
                elif describe is not None:
                    await self._describe(describe)
                else:
                    assert method is not None
                    await self._call(channel, method, data)
            except RpcFailed as error:
                raise await self._failed(channel, error) from None
            except (NotFound, InvalidRequest) as error:
                raise Failure(error.message, Exit.USAGE) from None

    def _of_files(self) -> Schema:
        from mainstay.rpc.proto.load import load_proto  # noqa: PLC0415 - as above
        from mainstay.rpc.reflection_schema import Schema  # noqa: PLC0415 - same

        return Schema.of_files(load_proto(self._protos, include=self._include))

    # --- what there is --------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        assert self._schema is not None
        return self._schema

    async def _names(self) -> list[str]:
        if self._server is None:
            return self.schema.services
        try:
            return await self._server.list_services()
        except Error as error:
            if error.code is not Code.UNIMPLEMENTED:
                raise
            message = (
                f"{self._target} does not say what methods it has (it has no reflection); give "
                "its files: --proto FILE"
            )
            raise Failure(message, Exit.USAGE) from None

    async def _fetch(self, symbol: str, service: str = "") -> None:
        """Let the schema know `symbol`, if the server does."""
        if self._server is None:
            return
        names = await self._names()
        if service and service not in names:
            return  # the schema says what there is instead
        try:
            await self._server.fetch(symbol)
        except NotFound:
            if symbol in names:
                message = (
                    f"{self._target} has {symbol}, but does not describe it; give its files: "
                    "--proto FILE"
                )
                raise Failure(message, Exit.USAGE) from None
            raise

    async def _list(self, service: str) -> None:
        if not service:
            for name in await self._names():
                click.echo(name)
            return
        await self._fetch(service, service)
        found = self.schema.signatures(service)
        width = max(map(len, found), default=0)
        for path, signature in found.items():
            click.echo(f"{path:<{width}}  {signature}")

    async def _describe(self, name: str) -> None:
        symbol = name.removeprefix("/").replace("/", ".").removeprefix(".")
        await self._fetch(symbol)
        click.echo(self.schema.text_of(symbol), nl=False)

    # --- calling --------------------------------------------------------------------------------

    async def _call(self, channel: Channel, path: str, data: str | None) -> None:
        from mainstay.rpc.method import Kind  # noqa: PLC0415 - as above
        from mainstay.rpc.reflection_schema import split_method  # noqa: PLC0415 - same

        service, _ = split_method(path)
        await self._fetch(service, service)
        method = self.schema.method(path)
        call = channel.method_at(method.path, method.kind, method.encode, method.decode)
        options: dict[str, Any] = {"timeout": self._timeout, "metadata": self._metadata}
        requests = _Requests(method, data)
        given: Any = requests if method.kind.requests_stream else requests.only()
        try:
            if method.kind is Kind.UNARY:
                found = await call.with_metadata(given, **options)
                self._tell(found.initial_metadata)
                await self._show(method, found.message)
                self._tell(found.trailing_metadata)
            else:
                async with call(given, **options) as stream:
                    await self._converse(method, stream)
        except Exception:
            if requests.fault is not None:
                raise requests.fault from None
            raise
        if requests.fault is not None:
            raise requests.fault

    async def _converse(self, method: SchemaMethod, stream: Any) -> None:
        if self._verbose:
            self._tell(await stream.initial_metadata())
            self._begun = True
        if method.kind.replies_stream:
            async for reply in stream:
                await self._show(method, reply)
        else:
            await self._show(method, await stream.reply())
        self._tell(stream.trailing_metadata)

    def _tell(self, pairs: Sequence[tuple[str, str | bytes]]) -> None:
        """Metadata, where it is wanted; bytes are written as they travel, in base64."""
        for name, value in pairs if self._verbose else ():
            text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
            click.echo(_readable(f"{name}: {text}"), err=True)

    async def _show(self, method: SchemaMethod, reply: Any) -> None:
        if self._server is not None:
            for name in method.unknown(reply):
                with suppress(NotFound):
                    await self._server.fetch(name)
        click.echo(method.reply(reply))

    async def _failed(self, channel: Channel, error: RpcFailed) -> Failure:
        """What is said of a call that failed, and how the program ends."""
        first = () if self._begun else error.initial_metadata
        self._tell((*first, *error.trailing_metadata))
        numbers = channel.statistics()
        if error.code is Code.UNAVAILABLE and numbers.failures and not numbers.connections:
            return Failure(_readable(error.message), Exit.UNREACHABLE)
        lines = [f"{error.code.name}: {error.message}" if error.message else error.code.name]
        status = error.to_message()
        for each in () if status is None else status.details:
            said = self.schema.detail(each)
            if said is None and self._server is not None:
                with suppress(Error):
                    await self._server.fetch(each.TypeName())
                said = self.schema.detail(each)
            lines.append(said or f"{each.TypeName()} ({len(each.value)} bytes, of unknown type)")
        return Failure("\n  ".join(map(_readable, lines)), Exit.REFUSED)


class _Requests:
    """The requests of a call as messages; what is wrong with one is kept, because a stream that
    ends for it says something else."""

    def __init__(self, method: SchemaMethod, data: str | None) -> None:
        self.fault: Exception | None = None
        self._method = method
        self._data = data

    def only(self) -> Any:
        return self._method.request(one_value(self._data))

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            async for value in stream_of_values(self._data):
                yield self._method.request(value)
        except Exception as fault:
            self.fault = fault
            raise


def _readable(text: str) -> str:
    """What a server said, without what would move the cursor of a terminal."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
