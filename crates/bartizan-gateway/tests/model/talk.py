"""The SDKs of OpenAI and Anthropic, as anybody installs them, talk to a model through the gateway, and
print what came of it."""

import json
import sys
import urllib.request

import anthropic
import openai

url, key = sys.argv[1:3]
SAY = [{"role": "user", "content": "Repeat exactly: write to ann@example.org today."}]
WORDS = {"model": "smollm2-135m", "max_tokens": 24}
# Not every SDK has a word for it.
COLD = {"temperature": 0}
MORE = {**WORDS, **COLD}
told = {}

client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=300)
told["models"] = [model.id for model in client.models.list()]
answer = client.chat.completions.create(messages=SAY, **MORE)
told["chat"] = answer.choices[0].message.content
told["chat usage"] = answer.usage.completion_tokens
chunks = list(client.chat.completions.create(messages=SAY, stream=True, **MORE))
told["chat stream"] = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
told["chat stream usage"] = any(c.usage for c in chunks)
events = client.responses.create(model="smollm2-135m", input="Say hello.", max_output_tokens=16, stream=True)
told["responses"] = "".join(e.delta for e in events if e.type == "response.output_text.delta")

client = anthropic.Anthropic(base_url=f"{url}/claude", api_key=key, max_retries=0, timeout=300)
answer = client.messages.create(messages=SAY, **WORDS, extra_body=COLD)
told["messages"] = answer.content[0].text
with client.messages.stream(messages=SAY, **WORDS, extra_body=COLD) as stream:
    told["messages stream"] = "".join(stream.text_stream)
counted = client.messages.count_tokens(model="smollm2-135m", messages=SAY)
told["counted"] = counted.input_tokens
# A verb that the model's server does not know.
ask = urllib.request.Request(f"{url}/text", method="CONTINUE", headers={"x-api-key": key, "content-type": "application/json"})
ask.data = json.dumps({"model": "smollm2-135m", "prompt": "Once upon a time", "max_tokens": 8}).encode()
with urllib.request.urlopen(ask, timeout=300) as answer:
    told["verb"] = json.load(answer)["choices"][0]["text"]
print(json.dumps(told))
