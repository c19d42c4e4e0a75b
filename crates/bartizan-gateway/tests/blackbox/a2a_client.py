# The official A2A SDK as two callers of one agent. It is told nothing but where the card lies, and which key to show:
# a2a_client.py URL KEY-OF-ANN KEY-OF-BOB
import asyncio
import json
import sys
import uuid

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import a2a_pb2 as p

url, *keys = sys.argv[1:]
told = {}


def message(text, skill=None, **more):
    parts = [p.Part(text=text)]
    message = p.Message(message_id=str(uuid.uuid4()), role=p.ROLE_USER, parts=parts, **more)
    message.metadata.update({"skillId": skill} if skill else {})
    return p.SendMessageRequest(message=message)


async def failed(work):
    "The name of what the SDK raises, and nothing where it raises nothing."
    try:
        if hasattr(work, "__aiter__"):
            async for _ in work:
                pass
        else:
            await work
    except Exception as error:
        return type(error).__name__


def text(event):
    "The text of an event, by the kind of the event."
    kind = event.WhichOneof("payload")
    inner = getattr(event, kind)
    parts = {
        "message": lambda: inner.parts,
        "artifact_update": lambda: inner.artifact.parts,
        "task": lambda: [part for artifact in inner.artifacts for part in artifact.parts],
    }.get(kind, lambda: inner.status.message.parts)
    return kind, "".join(part.text for part in parts())


async def talk(name, card, ann, bob, config):
    "All that one binding can do."
    def put(key, value):
        told[f"{name} {key}"] = value

    mine, other = (ClientFactory(ClientConfig(httpx_client=http, **config)).create(card) for http in (ann, bob))
    put("echo", [text(event) async for event in mine.send_message(message("I am bob@example.org", "echo"))])
    events = [event async for event in mine.send_message(message("a task that stays open", "echo"))]
    first = events[0].task if events[0].HasField("task") else events[0].status_update
    task = getattr(first, "id", "") or first.task_id
    put("streamed", "".join(text(event)[1] for event in events if text(event)[0] != "status_update"))
    got = await mine.get_task(p.GetTaskRequest(id=task))
    put("same", got.id == task and got.context_id == first.context_id)
    put("artifact", "".join(part.text for part in got.artifacts[0].parts))
    if name != "old":
        listed = await mine.list_tasks(p.ListTasksRequest(context_id=got.context_id))
        put("listed", [one.id for one in listed.tasks] == [task])
        put("other lists", await failed(other.list_tasks(p.ListTasksRequest())))
    # Another caller: whatever it asks about the task, it is none.
    for key, work in {
        "get": other.get_task(p.GetTaskRequest(id=task)),
        "cancel": other.cancel_task(p.CancelTaskRequest(id=task)),
        "subscribe": other.subscribe(p.SubscribeToTaskRequest(id=task)),
        "continue": other.send_message(message("more task", "echo", task_id=task)),
        "refer": other.send_message(message("more", "echo", reference_task_ids=[task])),
        "notify": other.create_task_push_notification_config(
            p.TaskPushNotificationConfig(task_id=task, id="c", url="https://hooks.example.com/x")
        ),
    }.items():
        put(f"other {key}", await failed(work))
    put("unknown get", await failed(mine.get_task(p.GetTaskRequest(id=str(uuid.uuid4())))))
    put("context", await failed(other.send_message(message("hi", "echo", context_id=got.context_id))))

    # Notifications go where the operator says.
    config = p.TaskPushNotificationConfig(task_id=task, id="c", url="https://hooks.example.com/x")
    set_ = await mine.create_task_push_notification_config(config)
    put("notify", [set_.task_id == task, set_.url])
    got = await mine.get_task_push_notification_config(p.GetTaskPushNotificationConfigRequest(task_id=task, id="c"))
    put("notified", [got.task_id == task, got.url])
    config.url = "http://169.254.169.254/latest"
    put("notify inside", await failed(mine.create_task_push_notification_config(config)))

    # Rights.
    put("skill", await failed(mine.send_message(message("hi", "wipe"))))
    put("no skill", await failed(mine.send_message(message("hi"))))
    put("cancelled", p.TaskState.Name((await mine.cancel_task(p.CancelTaskRequest(id=task))).status.state))


async def main():
    clients = [httpx.AsyncClient(headers={"X-API-Key": key}, timeout=30) for key in keys]
    ann, bob = clients
    card = await A2ACardResolver(ann, url).get_agent_card()
    told["card"] = {
        "urls": [interface.url for interface in card.supported_interfaces],
        "skills": [skill.id for skill in card.skills],
        "schemes": sorted(card.security_schemes),
        "push": card.capabilities.push_notifications,
        "signatures": len(card.signatures),
    }
    older = await A2ACardResolver(ann, url, "/.well-known/agent.json").get_agent_card()
    told["older card"] = [interface.url for interface in older.supported_interfaces]
    rpc = ClientFactory(ClientConfig(httpx_client=ann)).create(card)
    extended = await rpc.get_extended_agent_card(p.GetExtendedAgentCardRequest())
    told["extended card"] = [[interface.url for interface in extended.supported_interfaces], len(extended.skills)]
    told["bad key"] = await failed(A2ACardResolver(httpx.AsyncClient(), url).get_agent_card())

    await talk("rpc", card, ann, bob, {"supported_protocol_bindings": ["JSONRPC"]})
    await talk("rest", card, ann, bob, {"supported_protocol_bindings": ["HTTP+JSON"]})
    old = p.AgentCard()
    old.CopyFrom(card)
    del old.supported_interfaces[:]
    old.supported_interfaces.extend([i for i in card.supported_interfaces if i.protocol_version == "0.3"])
    for http in clients:
        http.headers.pop("A2A-Version", None)
    await talk("old", old, ann, bob, {"supported_protocol_bindings": ["JSONRPC"]})
    print(json.dumps(told))


asyncio.run(main())
