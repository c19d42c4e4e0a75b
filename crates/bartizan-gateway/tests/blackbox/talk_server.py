"""What stands behind the gateway: a server as the pages of `websockets` have it written. It knows of no gateway."""

import asyncio
import json
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def told(socket):
    try:
        await talk(socket)
    except ConnectionClosed:
        pass
    print(json.dumps([socket.close_code, socket.close_reason]), flush=True)


async def talk(socket):
    path = socket.request.path.rsplit("/", 1)[-1]
    if path == "headers":
        await socket.send(json.dumps({k.lower(): v for k, v in socket.request.headers.raw_items()}))
    async for message in socket:
        match message:
            case "close":
                await socket.close(4001, "enough")
            case "ping":
                await (await socket.ping(b"here?"))
                await socket.send("ponged")
            case "flood":
                await socket.send("x" * 5000)
            case "binary":
                await socket.send(b"\x00\x01")
            case "fragments":
                await socket.send(["carol@exa", "mple", ".org"])
            case "vanish":
                socket.transport.abort()
            case _ if path == "backwards":
                await socket.send(message[::-1])
            case _:
                await socket.send(message)


async def main():
    # What it would like to compress it may, if anybody asks for it.
    chosen = lambda _, offered: "chat" if "chat" in offered else None
    async with serve(told, "127.0.0.1", 0, compression="deflate", select_subprotocol=chosen) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if sys.argv[1:] == ["0"]:
    asyncio.run(main())
