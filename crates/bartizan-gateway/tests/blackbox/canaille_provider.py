"""canaille, a whole identity provider, with two programs that it knows; says where it listens.

Its habits are its own: access tokens of programs are random texts, `aud` holds client ids, nobody is the subject of a
token that a program got for itself, and the gateway may ask about tokens that are meant for it alone.
"""

import logging
import os
import socket
import sys
import tempfile

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

SCOPES = ["data:read", "data:write"]

logging.getLogger("werkzeug").setLevel(logging.ERROR)
folder = tempfile.mkdtemp(dir=sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
app = create_app(
    config={
        "SECRET_KEY": os.urandom(16).hex(),
        "SERVER_NAME": f"127.0.0.1:{port}",
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"DATABASE": "sql", "SMTP": None},
        "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{folder}/canaille.db"},
        "CANAILLE_OIDC": {
            "ACTIVE_JWKS": [RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)],
        },
    }
)


def client(name, **rest):
    made = models.Client(
        client_id=name,
        client_name=name,
        client_secret=f"{name}-secret",
        client_uri=f"http://{name}.test",
        redirect_uris=[f"http://{name}.test/back"],
        grant_types=["client_credentials"],
        response_types=["code"],
        token_endpoint_auth_method="client_secret_basic",
        scope=SCOPES,
        **rest,
    )
    Backend.instance.save(made)
    return made


with app.app_context():
    with Backend.instance.session():
        gateway = client("gateway")
        client("svc", audience=[gateway])
        client("elsewhere")

server = make_server("127.0.0.1", port, app, threaded=False, fd=listener.fileno())
print(f"listening on http://127.0.0.1:{port}", flush=True)
server.serve_forever()
