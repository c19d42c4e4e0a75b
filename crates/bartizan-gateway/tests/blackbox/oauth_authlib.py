"""The unmodified `authlib` at a token endpoint: every grant that it knows, and what stands beside them.

    oauth_authlib.py keys FOLDER            writes robot.pem, and robot.jwks.json for the gateway
    oauth_authlib.py ISSUER FOLDER SECRET   prints one line a step
"""

import json
import sys
from pathlib import Path

import httpx
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import RSAKey


def keys(folder):
    key = RSAKey.generate_key(2048, {"kid": "robot-1", "alg": "RS256", "use": "sig"})
    (folder / "robot.pem").write_bytes(key.as_pem(private=True))
    (folder / "robot.jwks.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))


def told(step, answer):
    print(step, answer.get("token_type", ""), answer.get("scope", ""), "refresh_token" in answer)


def main(issuer, folder, secret):
    server = httpx.get(issuer + "/.well-known/openid-configuration").json()
    endpoint = server["token_endpoint"]
    for method in ("client_secret_basic", "client_secret_post"):
        client = OAuth2Client("app", secret, token_endpoint_auth_method=method)
        told(method, client.fetch_token(endpoint, grant_type="client_credentials"))

    robot = OAuth2Client("robot", (folder / "robot.pem").read_text(), token_endpoint_auth_method="private_key_jwt")
    robot.register_client_auth_method(PrivateKeyJWT(endpoint))
    told("private_key_jwt", robot.fetch_token(endpoint, grant_type="client_credentials"))

    user = OAuth2Client("app", secret, scope="data:read notify:send")
    first = user.fetch_token(endpoint, username="ann", password="correct horse", grant_type="password")
    told("password", first)
    second = user.refresh_token(endpoint, refresh_token=first["refresh_token"])
    told("refresh", second)

    about = user.introspect_token(server["introspection_endpoint"], token=second["access_token"]).json()
    print("introspection", about["active"], about["sub"], about["client_id"], about["scope"])
    user.revoke_token(server["revocation_endpoint"], token=second["access_token"], token_type_hint="access_token")
    about = user.introspect_token(server["introspection_endpoint"], token=second["access_token"]).json()
    print("revoked", about)
    try:
        user.refresh_token(endpoint, refresh_token=first["refresh_token"])
    except Exception as error:
        print("reuse", error.error)
    try:
        user.refresh_token(endpoint, refresh_token=second["refresh_token"])
    except Exception as error:
        print("family", error.error)


if sys.argv[1] == "keys":
    keys(Path(sys.argv[2]))
else:
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
