# The official MCP SDK for Python with a key of its own: mcp_plain_client.py URL KEY
import asyncio
import sys

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

url, key = sys.argv[1:]


async def tried(client, name, arguments):
    try:
        result = await client.call_tool(name, arguments)
        return f"{result.is_error} {result.content[0].text}"
    except Exception as error:
        return f"{type(error).__name__} {error}"


async def main():
    http = create_mcp_http_client(headers={"Authorization": f"Bearer {key}"})
    async with Client(streamable_http_client(url, http_client=http)) as client:
        print("version", client.protocol_version)
        tools = sorted(tool.name for tool in (await client.list_tools()).tools)
        print("tools", *tools)
        if "add" in tools:
            print("sum", (await client.call_tool("add", {"a": 2, "b": 3})).content[0].text)
        print("hidden", (await tried(client, "secret", {})).replace("secret", "X"))
        print("nowhere", (await tried(client, "nowhere", {})).replace("nowhere", "X"))
        await client.call_tool("poison", {})


asyncio.run(main())
