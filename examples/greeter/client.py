"""Call the greeter: ``python -m examples.greeter.client 127.0.0.1:8000``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

from examples.greeter.service import HelloRequest, greeter
from mainstay.rpc import Channel, RpcFailed

NAMES = ("Ada", "Grace", "Barbara")


async def requests() -> AsyncIterator[HelloRequest]:
    """A request for each of the names."""
    for name in NAMES:
        yield HelloRequest(name)


async def main(target: str, patience: float = 2.5) -> None:
    """One call of each kind, and one that fails; the countdown has `patience` seconds."""
    async with Channel(target) as channel:
        client = greeter.client(channel)

        reply = await client.say_hello(HelloRequest("Ada"))
        print(reply.message)

        async with client.count_down(HelloRequest("Ada"), timeout=patience) as replies:
            try:
                async for each in replies:
                    print(each.message)
            except RpcFailed as failure:
                print("the countdown ended with", failure.code.name)

        print(await client.greet_all(requests()))

        async with client.chat() as stream:
            for name in NAMES:
                await stream.send(HelloRequest(name))
                print((await stream.receive()).message)
            await stream.done_sending()

        try:
            await client.say_hello(HelloRequest())
        except RpcFailed as failure:
            print(failure.code.name, failure.message)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8000"))
