"""What the SDKs of OpenAI and Anthropic make of a gateway: it prints what they return and raise."""

import json
import sys

import anthropic
import openai

url, good, narrow = sys.argv[1:4]
MODEL = "smollm2-135m"
SAY = [{"role": "user", "content": "Write to Ann, bob@example.com asks you."}]
told = {}


def openai_with(key):
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


def anthropic_with(key):
    return anthropic.Anthropic(base_url=f"{url}/claude", api_key=key, max_retries=0)


def raised(name, call):
    try:
        call()
        told[name] = None
    except (openai.APIError, anthropic.APIError) as error:
        told[name] = type(error).__name__


def chat(client, **more):
    return client.chat.completions.create(**{"model": MODEL, "messages": SAY, "max_tokens": 40, **more})


def say(client, **more):
    return client.messages.create(**{"model": MODEL, "messages": SAY, "max_tokens": 40, **more})


for name, make, call in [("openai", openai_with, chat), ("anthropic", anthropic_with, say)]:
    raised(f"{name} bad key", lambda: call(make("btz-wrong")))
    raised(f"{name} no scope", lambda: call(make(narrow)))
    raised(f"{name} model", lambda: call(make(good), model="secret-model"))
    raised(f"{name} bad request", lambda: call(make(good), max_tokens=-1))
    tool = {"name": "delete", "description": "x", "parameters": {"type": "object"}}
    if name == "openai":
        tools = [{"type": "function", "function": tool}]
    else:
        tools = [{"name": "delete", "description": "x", "input_schema": {"type": "object"}}]
    raised(f"{name} tool", lambda: call(make(good), tools=tools))
    call(make(good), model=f"poor-{name}")
    raised(f"{name} rate", lambda: call(make(good), model=f"poor-{name}"))

client = openai_with(good)
told["models"] = [model.id for model in client.models.list()]
answer = chat(client)
told["openai whole"] = answer.choices[0].message.content
told["openai usage"] = [answer.usage.prompt_tokens, answer.usage.completion_tokens]
raw = client.chat.completions.with_raw_response.create(model="fast", messages=SAY, max_tokens=40)
told["openai limits"] = raw.headers.get("x-ratelimit-limit-requests")
chunks = list(chat(client, stream=True))
told["openai stream"] = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
told["openai stream usage unasked"] = any(c.usage for c in chunks)
chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
told["openai stream usage asked"] = [c.usage.completion_tokens for c in chunks if c.usage]
events = list(client.responses.create(model=MODEL, input="x", max_output_tokens=40, stream=True))
told["responses stream"] = "".join(e.delta for e in events if e.type == "response.output_text.delta")
told["responses done"] = [e.text for e in events if e.type == "response.output_text.done"]
told["flaky"] = chat(client, model="flaky").choices[0].finish_reason

client = anthropic_with(good)
answer = say(client)
told["anthropic whole"] = answer.content[0].text
with client.messages.stream(model=MODEL, messages=SAY, max_tokens=40) as stream:
    told["anthropic stream"] = "".join(stream.text_stream)
    told["anthropic usage"] = stream.get_final_message().usage.output_tokens

blocked = openai.OpenAI(base_url=f"{url}/blocked/v1", api_key=good, max_retries=0)
raised("openai blocked", lambda: list(chat(blocked, stream=True)))
barred = anthropic.Anthropic(base_url=f"{url}/barred", api_key=good, max_retries=0)
raised("anthropic blocked", lambda: list(say(barred, stream=True)))
print(json.dumps(told))
