"""Chromium as a client of WebSockets: over HTTP/1.1, and over HTTP/2 with TLS (RFC 8441)."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from mainstay import Service, Settings
from mainstay.http.request import Request
from mainstay.http.response import Response
from mainstay.http.settings import HttpSettings
from mainstay.http.websocket import WebSocket
from mainstay.http.websocket_options import WebSocketOptions
from mainstay.net.tls import TlsSettings
from tests.net.certificates import Authority

PAGE = """<!doctype html><title>talk</title><script>
const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const open = (path, protocols = []) => new Promise(resolve => {
  const socket = new WebSocket(`${scheme}//${location.host}${path}`, protocols);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => resolve(socket);
  socket.onclose = event => resolve({refused: event.code});
});
const next = socket => new Promise(resolve => {
  socket.onmessage = event => resolve(event.data);
  socket.onclose = event => resolve([event.code, event.reason, event.wasClean]);
});
(async () => {
  const said = {};
  try {
    const socket = await open("/echo", ["old", "chat"]);
    said.protocol = socket.protocol;
    said.extensions = socket.extensions.split(";")[0];
    socket.send("h\\u00e4llo");
    said.text = await next(socket);
    socket.send("x".repeat(500000));
    said.long = (await next(socket)).length;
    const noise = new Uint8Array(100000).map((_, i) => i * 7);
    socket.send(noise);
    const back = new Uint8Array(await next(socket));
    said.binary = back.length === noise.length && back.every((each, i) => each === noise[i]);
    socket.close(4001, "enough");
    said.closed = await next(socket);
    const turned = await open("/turn-away");
    said.turned = await next(turned);
    const typed = await open("/typed");
    typed.send(JSON.stringify({n: "seven"}));
    said.typed = (await next(typed))[0];
    said.refused = (await open("/refuse")).refused;
    said.version = await (await open("/version").then(next));
  } catch (error) {
    said.error = String(error);
  }
  await fetch("/report", {method: "POST", body: JSON.stringify(said),
                          headers: {"content-type": "application/json"}});
})();
</script>"""


def site(report: asyncio.Future[dict[str, Any]]) -> Service:
    """A page that talks to the sockets beside it, and reports."""
    service = Service("chromium")

    @service.get("/")
    async def page() -> Response:
        return Response(PAGE, content_type="text/html")

    @service.post("/report")
    async def take(said: dict[str, Any]) -> None:
        if not report.done():
            report.set_result(said)

    @service.websocket("/echo", socket=WebSocketOptions(subprotocols=["chat"]))
    async def echo(socket: WebSocket[str | bytes, str | bytes]) -> None:
        async for message in socket:
            await socket.send(message)

    @service.websocket("/turn-away")
    async def turn_away(socket: WebSocket[str, str]) -> None:
        await socket.close(3000, "we are closed")

    @service.websocket("/typed")
    async def typed(socket: WebSocket[dict[str, int], str]) -> None:
        await socket.receive()

    @service.websocket("/refuse", socket=WebSocketOptions(origins=["https://elsewhere.example"]))
    async def refuse(socket: WebSocket[str, str]) -> None:
        await socket.open()

    @service.websocket("/version")
    async def version(socket: WebSocket[str, str], request: Request) -> None:
        await socket.send(request.exchange.version)

    return service


@pytest.mark.real_loop(timeout=240)
@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_chromium_talks(version: str, tmp_path: Path) -> None:
    """Every kind of message, subprotocols, compression, goodbyes both ways, and refusals."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed")
    tls = None
    if version == "2":
        pair = Authority(tmp_path).issue("127.0.0.1")
        tls = TlsSettings(certificate=pair.certificate, key=pair.key)
    report: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    http = HttpSettings(listen=("tcp://127.0.0.1:0",), tls=tls)
    async with site(report).running(settings=Settings(http=http)) as running:
        address = running.addresses[0].replace("tcp:", "http:" if tls is None else "https:")
        browser = await asyncio.create_subprocess_exec(
            chromium,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-proxy-server",
            "--ignore-certificate-errors",
            "--remote-debugging-port=0",
            f"--user-data-dir={tmp_path / 'profile'}",
            address,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            said = await asyncio.wait_for(report, 180)
        finally:
            browser.terminate()
            await browser.wait()
    assert said == {
        "protocol": "chat",
        "extensions": "permessage-deflate",
        "text": "hällo",
        "long": 500_000,
        "binary": True,
        "closed": [4001, "enough", True],
        "turned": [3000, "we are closed", True],
        "typed": 1007,
        "refused": 1006,
        "version": version,
    }
