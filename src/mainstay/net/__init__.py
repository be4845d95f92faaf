"""asyncio meets sockets, once, for every transport."""
