# An agent of the official A2A SDK: JSON-RPC and HTTP+JSON, versions 1.0 and 0.3, streams, push notifications.
# It knows no callers: whoever knows the identifier of a task has it. a2a_server.py PORT
import sys

import uvicorn
from a2a.helpers import get_message_text, new_task_from_user_message, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryPushNotificationConfigStore, InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

port = int(sys.argv[1])
base = f"http://127.0.0.1:{port}"
seen = []


class Hello(AgentExecutor):
    async def execute(self, context, queue):
        text = get_message_text(context.message) or ""
        if "task" not in text:
            await queue.enqueue_event(new_text_message("heard: " + text))
            return
        task = context.current_task or new_task_from_user_message(context.message)
        await queue.enqueue_event(task)
        work = TaskUpdater(queue, task.id, task.context_id)
        await work.start_work()
        # A value that is whole in none of its pieces.
        pieces = ["Ask ", "ann", "@exam", "ple.org", " about it."]
        for at, piece in enumerate(pieces):
            last = at == len(pieces) - 1
            await work.add_artifact([new_text_part(piece)], "answer", append=at > 0, last_chunk=last)
        if "open" in text:
            await work.requires_input(new_text_message("And then?"))
        else:
            await work.complete()

    async def cancel(self, context, queue):
        await TaskUpdater(queue, context.task_id, context.context_id).cancel()


def interface(url, binding, version):
    return AgentInterface(url=url, protocol_binding=binding, protocol_version=version)


card = AgentCard(
    name="hello",
    description="echo",
    version="1.0.0",
    capabilities=AgentCapabilities(streaming=True, push_notifications=True, extended_agent_card=True),
    default_input_modes=["text/plain"],
    default_output_modes=["text/plain"],
    skills=[AgentSkill(id=id, name=id, description=id, tags=["t"]) for id in ("echo", "wipe")],
    supported_interfaces=[
        interface(f"{base}/", "JSONRPC", "1.0"),
        interface(base, "HTTP+JSON", "1.0"),
        interface(f"{base}/rpc", "JSONRPC", "0.3"),
    ],
)
handler = DefaultRequestHandler(
    Hello(), InMemoryTaskStore(), card, push_config_store=InMemoryPushNotificationConfigStore(), extended_agent_card=card
)
app = Starlette(
    routes=[
        Route("/seen", lambda _: JSONResponse(seen)),
        *create_agent_card_routes(card),
        *create_agent_card_routes(card, card_url="/.well-known/agent.json"),
        *create_jsonrpc_routes(handler, "/", enable_v0_3_compat=True),
        *create_jsonrpc_routes(handler, "/rpc", enable_v0_3_compat=True),
        *create_rest_routes(handler, enable_v0_3_compat=True),
    ]
)


async def noting(scope, receive, send):
    "The app, which remembers what it was asked."
    if scope["type"] != "http" or scope["path"] == "/seen":
        return await app(scope, receive, send)
    body, parts = b"", []
    while True:
        part = await receive()
        parts.append(part)
        body += part.get("body", b"")
        if not part.get("more_body"):
            break
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    seen.append({"verb": scope["method"], "path": scope["path"], "headers": headers, "body": body.decode()})

    async def again():
        return parts.pop(0) if parts else await receive()

    await app(scope, again, send)


uvicorn.run(noting, host="127.0.0.1", port=port, log_level="warning")
