"""What stands behind the gateway: a service as FastAPI's tutorial has it written. It knows of no gateway."""

import asyncio
from typing import Literal

from fastapi import FastAPI, Request, Response, WebSocket
from pydantic import BaseModel, Field

app = FastAPI()
asked: list[str] = []


class Ask(BaseModel):
    document_id: str
    format: Literal["text", "bullets"] = "text"
    max_words: int = Field(120, ge=1)


@app.post("/document")
async def document(ask: Ask, request: Request):
    asked.append(ask.document_id)
    return {"summary": f"{ask.max_words} words", "verb": request.headers.get("x-agis-method")}


@app.get("/asked")
async def what_was_asked():
    return asked


@app.api_route("/echo", methods=["GET", "POST"])
async def echo(request: Request):
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers.raw]
    body = (await request.body()).decode()
    return {"method": request.method, "headers": headers, "body": body}


@app.post("/letter")
async def letter(request: Request):
    body = await request.json()
    return {"seen": body, "answer": "Write to carol@example.org or call +1 415 555 2671."}


class Upper(Response):
    """Answers each piece of the request as soon as it is there."""

    async def __call__(self, scope, receive, send):
        headers = [(b"content-type", b"text/plain"), (b"connection", b"x-hop"), (b"x-hop", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            body = message.get("body", b"").upper()
            await send({"type": "http.response.body", "body": body, "more_body": more})


@app.post("/upper")
async def upper():
    return Upper()


@app.get("/slow")
async def slow():
    await asyncio.sleep(3600)


@app.websocket("/socket")
async def socket(socket: WebSocket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())
