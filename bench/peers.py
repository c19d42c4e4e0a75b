"""Who is compared, with which configuration, behind which answer, and with which token?"""

import base64
import dataclasses
import json
import os
import re
import socket
import subprocess
import textwrap
import time
from collections.abc import Callable

from running import Failed

PATH = "/v1/chat/completions"
REQUEST_BYTES = 260
ANSWER_BYTES = 427


@dataclasses.dataclass(frozen=True)
class Request:
    """What is sent, and how long the answer is."""

    body: bytes
    headers: dict
    answer: int = ANSWER_BYTES


@dataclasses.dataclass(frozen=True)
class Peer:
    """Somebody who stands in front of the upstream."""

    name: str
    does: str
    start: Callable | None
    """Writes its configuration and says how it is started. `None`: it is the upstream itself, and runs already."""
    guarded: bool = False
    """Whether it must refuse who shows no token."""
    audited: bool = False
    """Whether it must leave records of what it let through."""
    token: bool = True
    """Whether clients show a token. One that nobody can check is refused even where none is needed."""

    def url(self, site):
        return site.upstream_url if self.start is None else f"http://127.0.0.1:{site.port}{PATH}"


class Site:
    """What all peers share: a folder, a port, an upstream, an issuer and its token."""

    def __init__(self, folder, programs):
        self.folder, self.programs = folder, programs
        self.port, self.admin_port, upstream = free_ports(3)
        self.upstream = f"127.0.0.1:{upstream}"
        self.upstream_url = f"http://{self.upstream}{PATH}"
        self.issuer = f"http://{self.upstream}"
        self.body = chat(REQUEST_BYTES)
        self.token = self.sign()
        self.audit = folder / "logs" / "audit.jsonl"

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
        return path

    def script(self, token):
        return self.write("post.lua", lua(self.request(token)))

    def request(self, token):
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {self.token}"
        return Request(self.body, headers)

    def sign(self):
        """Makes a key pair, publishes it as a key set, and signs one token with it (RS256)."""
        private, public = self.folder / "issuer.pem", self.folder / "issuer.pub.pem"
        openssl("genrsa", "-out", str(private), "2048")
        openssl("rsa", "-in", str(private), "-pubout", "-out", str(public))
        modulus = openssl("rsa", "-in", str(private), "-noout", "-modulus").decode()
        modulus = bytes.fromhex(re.search("Modulus=([0-9A-F]+)", modulus)[1])
        key = {"kty": "RSA", "kid": "k1", "use": "sig", "alg": "RS256", "n": base64url(modulus), "e": "AQAB"}
        self.write("site/jwks.json", json.dumps({"keys": [key]}))
        self.write("site/.well-known/openid-configuration", json.dumps({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks.json"}))
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "bench", "sub": "ann", "iat": now, "exp": now + 86_400, "scope": "chat:write"}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT", "kid": "k1"}, claims))
        return f"{signed}.{base64url(openssl('dgst', '-sha256', '-sign', str(private), given=signed.encode()))}"

    def records_are_whole(self, requests):
        """The log must hold an end for every request that was counted."""
        ends = subprocess.run(["grep", "-c", "REQUEST_END", str(self.audit)], capture_output=True, text=True, check=False)
        if int(ends.stdout or 0) < requests:
            raise Failed(f"{requests} requests were answered, and {ends.stdout.strip()} of them recorded")


def upstream(site):
    """nginx with one fixed answer, and with the issuer's documents."""
    answer = json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ""}}], "usage": {"prompt_tokens": 52, "completion_tokens": 48, "total_tokens": 100}})
    answer = answer.replace('"content": ""', f'"content": "{filler(ANSWER_BYTES - len(answer))}"')
    return nginx(site, "upstream", f"""
        default_type application/json;
        server {{
          listen {site.upstream} backlog=1024;
          location {PATH} {{ return 200 '{answer}'; }}
          location / {{ root {site.folder / "site"}; }}
        }}""")


def plain_nginx(site):
    return nginx(site, "proxy", f"""
        upstream agent {{ server {site.upstream}; keepalive 64; keepalive_requests 1000000; }}
        server {{
          listen 127.0.0.1:{site.port} backlog=1024;
          location / {{ proxy_pass http://agent; proxy_http_version 1.1; proxy_set_header Connection ""; }}
        }}""")


def nginx(site, name, servers):
    folder = site.folder / f"nginx-{name}"
    folder.mkdir(exist_ok=True)
    temporary = " ".join(f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
    config = site.write(f"nginx-{name}/nginx.conf", f"""
        daemon off;
        worker_processes auto;
        pid {folder / "nginx.pid"};
        error_log stderr warn;
        events {{ worker_connections 2048; }}
        http {{
          access_log off;
          keepalive_requests 1000000;
          {temporary}
        """ + textwrap.indent(textwrap.dedent(servers), "  ") + "\n}\n")
    # Workers of a root's nginx give up their rights, and may then not read a folder of root's.
    user = ["-g", "user root root;"] if os.geteuid() == 0 else []
    return ["nginx", "-e", "stderr", "-c", str(config), *user]


def haproxy(site):
    """Signature and expiry of every token are looked at, and requests are counted by its subject."""
    config = site.write("haproxy.cfg", f"""
        global
          maxconn 4096
        defaults
          mode http
          timeout connect 5s
          timeout client 60s
          timeout server 60s
        backend agent
          server agent {site.upstream}
        backend subjects
          stick-table type string len 64 size 100k expire 60s store http_req_rate(60s)
        frontend gate
          bind 127.0.0.1:{site.port}
          http-request set-var(txn.token) http_auth_bearer
          http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
          http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
          http-request set-var(txn.sub) var(txn.token),jwt_payload_query('$.sub')
          http-request set-var(txn.now) date()
          http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}
          http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(txn.alg,"{site.folder / "issuer.pub.pem"}") 1 }}
          http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
          http-request track-sc0 var(txn.sub) table subjects
          http-request deny deny_status 429 if {{ sc_http_req_rate(0,subjects) gt 100000000 }}
          default_backend agent
        """)
    return ["haproxy", "-db", "-f", str(config)]


def bare(site):
    return [str(site.programs / "examples" / "bare_proxy"), f"127.0.0.1:{site.port}", site.upstream]


def bartizan(policy, sections="", durability="batch"):
    """The gateway with one endpoint under `policy`, and every request on record: in batches, or on the disk first (`sync`)."""

    def start(site):
        site.audit.unlink(missing_ok=True)
        config = site.write("bartizan.yaml", f"""
            title: Bench
            server:
              listen: 127.0.0.1:{site.port}
              admin: {{ listen: "127.0.0.1:{site.admin_port}" }}
            store: {{ durable: "sqlite:{site.folder / "bartizan.db"}", shared: memory }}
            audit: {{ destination: "file://{site.audit}", durability: {durability} }}
            endpoints:
              - path: {PATH}
                verbs: [POST]
                {policy}
                upstream: {{ url: "http://{site.upstream}" }}
            """ + textwrap.indent(textwrap.dedent(sections).replace("ISSUER", site.issuer), " " * 12))
        return [str(site.programs / "bartizan"), "run", "--config", str(config)]

    return start


DUTIES = """
    auth:
      oidc:
        - { name: corp, issuer: "ISSUER", audience: bench, algorithms: [RS256] }
    limits:
      - { name: per-user, by: user, rpm: 100000000 }
    """

PEERS = [
    Peer("direct", "no proxy: the upstream alone", None),
    Peer("nginx", "nginx, plain proxy", plain_nginx),
    Peer("haproxy", "HAProxy, RS256 verified each time + stick-table limit", haproxy, guarded=True),
    Peer("bare", "hyper alone: our accept loop and client, no duty", bare),
    Peer("public", "bartizan, public endpoint, audit in batches", bartizan("public: true"), audited=True, token=False),
    Peer("bartizan", "bartizan, JWT RS256 + limit by user + audit in batches", bartizan("scopes: [chat:write]", DUTIES), guarded=True, audited=True),
    Peer("synced", "the same, each record on the disk before the answer", bartizan("scopes: [chat:write]", DUTIES, "sync"), guarded=True, audited=True),
]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def openssl(*words, given=None):
    done = subprocess.run(["openssl", *words], input=given, capture_output=True, check=False)
    if done.returncode != 0:
        raise Failed(f"`openssl {words[0]}` failed: {done.stderr.decode().strip()}")
    return done.stdout


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def chat(length):
    """A chat request of so many bytes."""
    request = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "system", "content": "Answer in one sentence."}, {"role": "user", "content": ""}]}
    room = length - len(json.dumps(request))
    request["messages"][1]["content"] = filler(room)
    return json.dumps(request).encode()


def filler(length):
    return ("The gate looks at every request and lets it pass or not. " * 8)[:length]


def lua(request):
    headers = "\n".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in request.headers.items())
    return f"""
wrk.method = "POST"
wrk.body = {json.dumps(request.body.decode())}
{headers}

function done(summary, latency)
  local bad = summary.errors
  io.write(string.format(
    '{{"requests":%d,"seconds":%f,"p50_us":%d,"p99_us":%d,"errors":%d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    bad.connect + bad.read + bad.write + bad.status + bad.timeout
  ))
end
"""
