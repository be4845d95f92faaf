"""What a service is compared with: an event loop, a log line, a stop at the first signal."""

from __future__ import annotations

import asyncio
import logging
import signal

import uvloop


async def main() -> None:
    """Log, and wait for the signal."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, asked.set)
    logging.getLogger(__name__).info("ready")
    await asked.wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
