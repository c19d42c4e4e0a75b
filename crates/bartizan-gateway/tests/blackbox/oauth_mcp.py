"""The unmodified MCP SDK: its server behind the gateway, and its client, which finds the way in by itself.

    oauth_mcp.py serve                      prints the port of a server
    oauth_mcp.py call ISSUER URL SECRET     prints what the server's tool answers
"""

import asyncio
import socket
import sys

from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.server.mcpserver import MCPServer


def serve():
    server = MCPServer("hello")

    @server.tool()
    def add(a: int, b: int) -> int:
        "Add two integers"
        return a + b

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    print(port, flush=True)
    server.run(transport="streamable-http", host="127.0.0.1", port=port)


class Store:
    token = None

    async def get_tokens(self):
        return self.token

    async def set_tokens(self, token):
        self.token = token

    async def get_client_info(self):
        return None

    async def set_client_info(self, info):
        pass


async def call(issuer, url, secret):
    store = Store()
    auth = ClientCredentialsOAuthProvider(url, store, client_id="app", client_secret=secret, issuer=issuer)
    transport = streamable_http_client(url, http_client=create_mcp_http_client(auth=auth))
    async with Client(transport) as client:
        tools = await client.list_tools()
        print("tools", [tool.name for tool in tools.tools])
        answer = await client.call_tool("add", {"a": 2, "b": 3})
        print("call", answer.content[0].text)
    print("scope", store.token.scope)


if sys.argv[1] == "serve":
    serve()
else:
    asyncio.run(call(*sys.argv[2:]))
