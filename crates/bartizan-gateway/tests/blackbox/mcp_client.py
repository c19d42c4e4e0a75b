# The official MCP SDK finds out by itself where it gets a token: from the challenge to the metadata of the
# resource, to the provider, to registration, to a login, to a call. mcp_client.py URL
import asyncio
import re
import sys
from urllib.parse import parse_qs, urljoin, urlparse

import httpx
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata

url = sys.argv[1]
callback = "http://127.0.0.1:9/callback"
got = {}


class Storage:
    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def log_in(address):
    "Plays the browser, at the provider's pages for developers."
    query = parse_qs(urlparse(address).query)
    print("asked", *(query[name][0] for name in ("resource", "scope", "code_challenge_method")))
    async with httpx.AsyncClient() as browser:
        page = await browser.get(address)
        for _ in range(20):
            if location := page.headers.get("location"):
                there = urljoin(str(page.url), location)
                if there.startswith(callback):
                    got.update({name: value[0] for name, value in parse_qs(urlparse(there).query).items()})
                    return
                page = await browser.get(there)
            elif form := re.search(r'<form[^>]*action="([^"]+)"', page.text):
                fields = dict(re.findall(r'type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
                if 'name="login"' in page.text:
                    fields |= {"login": "alice", "password": "x"}
                page = await browser.post(urljoin(str(page.url), form[1]), data=fields)
            else:
                sys.exit(page.text[:300])


async def answered():
    try:
        from mcp.client.auth import AuthorizationCodeResult

        return AuthorizationCodeResult(code=got["code"], state=got.get("state"), iss=got.get("iss"))
    except ImportError:
        return got["code"], got.get("state")


async def call(provider):
    try:
        from mcp import Client
        from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

        http = create_mcp_http_client(auth=provider)
        async with Client(streamable_http_client(url, http_client=http)) as client:
            return await client.list_tools(), await client.call_tool("add", {"a": 2, "b": 3})
    except ImportError:
        from mcp import ClientSession
        from mcp.client.streamable_http import streamablehttp_client

        async with streamablehttp_client(url, auth=provider) as (read, write, _):
            async with ClientSession(read, write) as client:
                await client.initialize()
                return await client.list_tools(), await client.call_tool("add", {"a": 2, "b": 3})


async def main():
    storage = Storage()
    about = OAuthClientMetadata(
        client_name="test",
        redirect_uris=[callback],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
    )
    provider = OAuthClientProvider(url, about, storage, log_in, answered)
    tools, result = await call(provider)
    print("tools", *(tool.name for tool in tools.tools))
    print("sum", result.content[0].text)
    print("token", storage.tokens.access_token)


asyncio.run(main())
