"""Makes cases.json: tokens that must be accepted, and tokens that must not.

A second implementation on purpose: headers and claims are written as text, signatures are made by
the Python package `cryptography`. Run it with Python 3.11 or later and `cryptography` installed;
the keys are new each time, so all of the file changes.
"""

import base64
import json
import pathlib
import zlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from jose import b64, pem, public, signature

NOW = 1_800_000_000
ISSUER = "https://id.example"
AUDIENCE = "api"

rsa1 = rsa.generate_private_key(65537, 2048)
rsa2 = rsa.generate_private_key(65537, 3072)
weak = rsa.generate_private_key(65537, 1024)
ec1 = ec.generate_private_key(ec.SECP256R1())
ec384 = ec.generate_private_key(ec.SECP384R1())
ec521 = ec.generate_private_key(ec.SECP521R1())
koblitz = ec.generate_private_key(ec.SECP256K1())
ed1 = ed25519.Ed25519PrivateKey.generate()
enc = ec.generate_private_key(ec.SECP256R1())
sealing = ec.generate_private_key(ec.SECP256R1())
evil = ec.generate_private_key(ec.SECP256R1())
evil_rsa = rsa.generate_private_key(65537, 2048)
first = ec.generate_private_key(ec.SECP256R1())
second = ec.generate_private_key(ec.SECP256R1())
SECRET = b"a secret of thirty-two bytes, ok"

JWKS = {
    "keys": [
        public(rsa1, kid="rsa1", alg="RS256", use="sig"),
        public(rsa2, kid="rsa2", use="sig"),
        public(weak, kid="weak", alg="RS256"),
        public(ec1, kid="ec1", alg="ES256", use="sig", key_ops=["verify"]),
        public(ec384, kid="ec384"),
        public(ec521, kid="ec521"),
        public(koblitz, kid="koblitz", alg="ES256K"),
        public(ed1, kid="ed1", alg="EdDSA"),
        public(enc, kid="enc", use="enc"),
        public(sealing, kid="sealing", key_ops=["deriveKey"]),
        public(first, kid="twin"),
        public(second, kid="twin"),
        {"kty": "oct", "k": b64(SECRET), "kid": "oct1", "alg": "HS256"},
        {"kty": "unheard-of", "kid": "new"},
    ]
}

CASES = []
HEADER = {"alg": "ES256", "kid": "ec1", "typ": "at+jwt"}
CLAIMS = {
    "iss": ISSUER, "aud": AUDIENCE, "sub": "agent1", "exp": NOW + 300, "iat": NOW - 5,
    "scope": "agent:read agent:write",
}


def text(value):
    return value if isinstance(value, (str, bytes)) else json.dumps(value)


def raw(value):
    value = text(value)
    return value if isinstance(value, bytes) else value.encode()


def token(header=None, claims=None, key=ec1, algorithm=None, **more):
    header = {**HEADER, **(header or {})} if not isinstance(header, (str, bytes)) else header
    if isinstance(header, dict):
        header = {name: value for name, value in header.items() if value is not ...}
    claims = {**CLAIMS, **(claims or {})} if not isinstance(claims, (str, bytes)) else claims
    if isinstance(claims, dict):
        claims = {name: value for name, value in claims.items() if value is not ...}
    algorithm = algorithm or (header["alg"] if isinstance(header, dict) else "ES256")
    signed = f"{b64(raw(header))}.{b64(raw(claims))}"
    return f"{signed}.{b64(signature(key, algorithm, signed.encode()))}"


def case(name, made, expect):
    CASES.append({"name": name, "token": made, "expect": expect})


def accepted(name, made):
    case(name, made, "accepted")


# What must be accepted: without these a gate that refuses everything would pass.
accepted("ES256", token())
accepted("RS256", token({"alg": "RS256", "kid": "rsa1"}, key=rsa1))
for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]:
    accepted(f"{algorithm} by a key that names no algorithm",
             token({"alg": algorithm, "kid": "rsa2"}, key=rsa2))
accepted("ES384", token({"alg": "ES384", "kid": "ec384"}, key=ec384))
accepted("ES512", token({"alg": "ES512", "kid": "ec521"}, key=ec521))
accepted("EdDSA", token({"alg": "EdDSA", "kid": "ed1"}, key=ed1))
for kind in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"]:
    accepted(f"typ {kind}", token({"typ": kind}))
accepted("no typ", token({"typ": ...}))
accepted("no kid, and a key that fits", token({"kid": ...}))
accepted("aud as an array", token(claims={"aud": ["other", AUDIENCE]}))
accepted("exp as a fraction", token(claims={"exp": NOW + 0.5}))
accepted("exp with an exponent", token(claims=text(CLAIMS).replace(str(NOW + 300), "18000003e2")))
accepted("nbf now", token(claims={"nbf": NOW}))
accepted("nbf inside of the leeway", token(claims={"nbf": NOW + 60}))
accepted("exp inside of the leeway", token(claims={"exp": NOW - 59}))
accepted("no iat", token(claims={"iat": ...}))
accepted("an unknown header that is not critical", token({"x": {"y": [1]}}))
accepted("unknown claims", token(claims={"x": {"y": [None, 1.5, "z"]}}))
accepted("white space in the JSON", token(" " + json.dumps(HEADER, indent=2) + "\n",
                                          "\t" + json.dumps(CLAIMS, indent=1)))
accepted("escaped member names", token(claims=text(CLAIMS).replace('"sub"', '"\\u0073ub"')))
accepted("kid of one of two keys that share it", token({"kid": "twin"}, key=second))
accepted("jku, x5u, x5c and jwk are not looked at", token({
    "jku": "http://127.0.0.1:9/jwks", "x5u": "http://127.0.0.1:9/", "x5c": ["AAAA"],
    "jwk": public(evil)}))
accepted("no scope", token(claims={"scope": ...}))
accepted("scope as an array", token(claims={"scope": ["agent:read", "agent:write"]}))
accepted("token_use access", token(claims={"token_use": "access"}))
accepted("nested as deep as may be", token(claims={"x": json.loads("[" * 31 + "]" * 31)}))

# No signature, or one that a secret made that everybody knows.
good = token()
header, claims, sign = good.split(".")
for spelling in ["none", "None", "NONE", "nOnE", "", "none ", " none", "non\u0435"]:
    made = b64(json.dumps({"alg": spelling, "typ": "at+jwt"}).encode())
    case(f"alg {spelling!r} without a signature", f"{made}.{claims}.", "refused")
    case(f"alg {spelling!r} with a signature", f"{made}.{claims}.{sign}", "Untrusted")
for value in [None, 1, True, ["ES256"], {"a": "ES256"}]:
    case(f"alg {value!r}", token({"alg": value}, algorithm="ES256"), "Malformed")
case("no alg", token({"alg": ...}, algorithm="ES256"), "Malformed")
case("alg in lower case", token({"alg": "es256"}, algorithm="ES256"), "Untrusted")
case("alg with a space", token({"alg": "ES256 "}, algorithm="ES256"), "Untrusted")
case("alg with a zero byte", token({"alg": "ES256\0"}, algorithm="ES256"), "Untrusted")
for algorithm in ["HS256", "HS384", "HS512"]:
    for kid, key in [("rsa1", rsa1), ("ec1", ec1), ("ed1", ed1)]:
        for form, secret in [("PEM", pem(key)), ("PEM without its end", pem(key).rstrip())]:
            case(f"{algorithm} by the {form} of {kid}",
                 token({"alg": algorithm, "kid": kid}, key=secret), "Untrusted")
    case(f"{algorithm} by the public modulus",
         token({"alg": algorithm, "kid": "rsa1"},
               key=rsa1.public_key().public_numbers().n.to_bytes(256, "big")), "Untrusted")
    case(f"{algorithm} by an empty secret", token({"alg": algorithm}, key=b""), "Untrusted")
case("HS256 by a secret of the key set", token({"alg": "HS256", "kid": "oct1"}, key=SECRET),
     "Untrusted")
case("ES256 that names the secret of the key set", token({"kid": "oct1"}), "Unknown")

# Signatures that are none.
for name, made in [
    ("zero", bytes(64)), ("zero s", bytes([0] * 31 + [1]) + bytes(32)),
    ("zero r", bytes(32) + bytes([0] * 31 + [1])), ("ones", b"\xff" * 64),
    ("the order", bytes.fromhex(
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551") * 2),
    ("too short", base64.urlsafe_b64decode(sign + "==")[:63]),
    ("too long", base64.urlsafe_b64decode(sign + "==") + b"\0"), ("one byte", b"\0"),
]:
    case(f"ES256: {name}", f"{header}.{claims}.{b64(made)}", "Forged")
der = ec1.sign(f"{header}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
case("ES256: in DER", f"{header}.{claims}.{b64(der)}", "Forged")
for size in (0, 1, 255, 256, 257):
    made = token({"alg": "RS256", "kid": "rsa1"}, key=rsa1).rsplit(".", 1)[0]
    case(f"RS256: {size} zero bytes", f"{made}.{b64(bytes(size))}", "refused")
case("EdDSA: zero", token({"alg": "EdDSA", "kid": "ed1"}, key=ed1).rsplit(".", 1)[0] + "." +
     b64(bytes(64)), "Forged")
case("empty signature", f"{header}.{claims}.", "Malformed")
case("the signature of other claims",
     f"{header}.{b64(json.dumps({**CLAIMS, 'sub': 'admin'}).encode())}.{sign}", "Forged")
case("the signature of another header",
     f"{b64(json.dumps({**HEADER, 'x': 1}).encode())}.{claims}.{sign}", "Forged")
case("a stranger's key", token(key=evil), "Forged")
case("a stranger's key under no kid", token({"kid": ...}, key=evil), "Forged")
flipped = bytearray(base64.urlsafe_b64decode(sign + "=="))
flipped[40] ^= 1
case("one bit of the signature", f"{header}.{claims}.{b64(bytes(flipped))}", "Forged")

# Keys used for what they are not for.
for algorithm, kid, key in [
    ("RS384", "rsa1", rsa1), ("RS512", "rsa1", rsa1), ("PS256", "rsa1", rsa1),
    ("ES256", "rsa1", ec1), ("RS256", "ec1", rsa1), ("ES384", "ec1", ec384),
    ("EdDSA", "ec1", ed1), ("ES256", "ed1", ec1), ("ES256", "ec384", ec1),
    ("ES512", "ec384", ec521), ("RS256", "ed1", rsa1),
]:
    case(f"{algorithm} under {kid}", token({"alg": algorithm, "kid": kid}, key=key), "Untrusted")
case("RS256 under a key that did not sign it", token({"alg": "RS256", "kid": "rsa2"}, key=rsa1),
     "Forged")
case("PS256 presented as RS256",
     token({"alg": "RS256", "kid": "rsa2"}, key=rsa2, algorithm="PS256"), "Forged")
case("SHA-384 presented as SHA-256",
     token({"alg": "RS256", "kid": "rsa2"}, key=rsa2, algorithm="RS384"), "Forged")
case("a key of 1024 bits", token({"alg": "RS256", "kid": "weak"}, key=weak), "Unknown")
case("a key for encryption", token({"kid": "enc"}, key=enc), "Unknown")
case("a key for another operation", token({"kid": "sealing"}, key=sealing), "Unknown")
case("secp256k1", token({"kid": "koblitz"}, key=koblitz, algorithm="ES256"), "Unknown")
case("ES256K", token({"alg": "ES256K", "kid": "koblitz"}, key=koblitz, algorithm="ES256"),
     "Untrusted")
case("a key of an unknown type", token({"kid": "new"}), "Unknown")

# Key ids and addresses in the header.
for kid in ["unknown", "", "EC1", "ec1 ", "ec1\0", "../../../../dev/null", "/dev/null",
            "ec1' OR '1'='1", "'; DROP TABLE signing_keys; --", "|/bin/true",
            "http://127.0.0.1/key", "${jndi:ldap://127.0.0.1/a}"]:
    case(f"kid {kid!r}", token({"kid": kid}), "Unknown")
case("a long kid", token({"kid": "k" * 300}), "Malformed")
for kid in [None, 1, ["ec1"], {"kid": "ec1"}]:
    case(f"kid {kid!r}", token({"kid": kid}), "Malformed")
case("an embedded key", token({"kid": ..., "jwk": public(evil)}, key=evil), "Forged")
case("an embedded key under its own kid",
     token({"kid": "evil", "jwk": public(evil, kid="evil")}, key=evil), "Unknown")
case("an embedded RSA key",
     token({"alg": "RS256", "kid": "rsa1", "jwk": public(evil_rsa)}, key=evil_rsa), "Forged")
for name in ["jku", "x5u"]:
    case(f"{name} of a stranger",
         token({"kid": "x", name: "http://127.0.0.1:9666/jwks"}, key=evil), "Unknown")
case("x5c of a stranger", token({"x5c": [b64(pem(evil))]}, key=evil), "Forged")

# Extensions that would have to be understood.
for name, value in [
    ("an unknown one", ["x"]), ("one of ours", ["exp"]), ("none", []), ("a text", "exp"),
    ("null", None), ("b64", ["b64"]), ("twice", ["x", "x"]), ("alg", ["alg"]),
]:
    case(f"crit: {name}", token({"crit": value, "x": 1}), "Untrusted")
case("b64 false", token({"b64": False}), "Untrusted")
case("b64 false and critical", token({"b64": False, "crit": ["b64"]}), "Untrusted")
case("b64 true", token({"b64": True}), "Untrusted")
case("unencoded payload", f"{b64(json.dumps({**HEADER, 'b64': False}).encode())}."
     f"{json.dumps(CLAIMS)}.{sign}", "refused")
case("zip", token({"zip": "DEF"}), "Untrusted")
case("zip with compressed claims", token({"zip": "DEF"}, zlib.compress(raw(CLAIMS))), "Untrusted")

# What two readers read differently.
case("scope twice", token(claims=text(CLAIMS)[:-1] + ', "scope": "agent:admin"}'), "Malformed")
case("sub twice", token(claims='{"sub": "admin", ' + text(CLAIMS)[1:]), "Malformed")
case("exp twice", token(claims=text(CLAIMS)[:-1] + f', "exp": {NOW + 10**6}}}'), "Malformed")
case("sub twice, once escaped", token(claims=text(CLAIMS)[:-1] + ', "s\\u0075b": "admin"}'),
     "Malformed")
case("a member twice, deeper", token(claims=text(CLAIMS)[:-1] + ', "x": [{"a": 1, "a": 1}]}'),
     "Malformed")
case("alg twice", token(text(HEADER)[:-1] + ', "alg": "none"}'), "Malformed")
case("kid twice", token('{"kid": "x", ' + text(HEADER)[1:]), "Malformed")
case("typ twice, once escaped", token(text(HEADER)[:-1] + ', "\\u0074yp": "JWT"}'), "Malformed")
for name, encode in [("a byte order mark", lambda t: b"\xef\xbb\xbf" + t.encode()),
                     ("UTF-16", lambda t: t.encode("utf-16")),
                     ("UTF-16 LE", lambda t: t.encode("utf-16-le")),
                     ("UTF-32", lambda t: t.encode("utf-32")),
                     ("Latin-1", lambda t: t.replace("agent1", "agenté").encode("latin-1")),
                     ("something behind it", lambda t: t.encode() + b"{}"),
                     ("a zero byte behind it", lambda t: t.encode() + b"\0"),
                     ("a comma too many", lambda t: t[:-1].encode() + b",}"),
                     ("a comment", lambda t: b"/* */" + t.encode()),
                     ("single quotes", lambda t: t.replace('"', "'").encode()),
                     ("half a surrogate", lambda t: t[:-1].encode() + b', "x": "\\ud800"}')]:
    case(f"claims: {name}", token(claims=encode(text(CLAIMS))), "Malformed")
    if name != "Latin-1":
        case(f"header: {name}", token(encode(text(HEADER))), "Malformed")
for value in ["[]", '"x"', "1", "null", "", "{", "[" * 10_000]:
    case(f"claims {value[:5]!r} of {len(value)} bytes", token(claims=value), "Malformed")
    case(f"header {value[:5]!r} of {len(value)} bytes", token(value), "Malformed")
case("NaN", token(claims=text(CLAIMS).replace(str(NOW + 300), "NaN")), "Malformed")
case("Infinity", token(claims=text(CLAIMS).replace(str(NOW + 300), "Infinity")), "Malformed")
case("a number with a leading zero", token(claims=text(CLAIMS).replace(str(NOW + 300), "01")),
     "Malformed")
case("nested one level too deep", token(claims={"x": json.loads("[" * 32 + "]" * 32)}),
     "Malformed")
case("objects nested too deep", token(claims=text(CLAIMS)[:-1] + ', "x": ' + '{"a":' * 200 + "1" +
                                      "}" * 200 + "}"), "Malformed")
case("a header nested too deep", token(text(HEADER)[:-1] + ', "x": ' + "[" * 200 + "]" * 200 + "}"),
     "Malformed")

# The form.
padded = good.replace(".", "=.", 1)
for name, made in [
    ("one part", header), ("two parts", f"{header}.{claims}"), ("four parts", good + "."),
    ("five parts", f"{header}.{claims}.{sign}.{sign}.{sign}"), ("empty", ""), ("dots", ".."),
    ("no header", f".{claims}.{sign}"), ("no claims", f"{header}..{sign}"), ("padded", padded),
    ("padded signature", good + "=="), ("plus and slash", good[:-4] + "+/+/"),
    ("white space inside", good.replace(".", ". ", 1)), ("line break at the end", good + "\n"),
    ("a character too many", good + "A"), ("a character that is none", "?" + good),
    ("percent-encoded", good.replace(".", "%2E")), ("in quotes", f'"{good}"'),
    ("a JSON serialization", json.dumps({"protected": header, "payload": claims,
                                         "signature": sign})),
    ("another alphabet in the header", good.replace(header, header + "\u0430")),
    ("a JWE", f"{b64(b'{}')}.{b64(b'k')}.{b64(b'iv')}.{b64(b'c')}.{b64(b't')}"),
]:
    case(f"form: {name}", made, "refused")
last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
spare = good[:-1] + last[last.index(good[-1]) | 1]
case("bits behind the end of the signature", spare if spare != good else good[:-1] + "B", "refused")
case("too long", token(claims={"x": "x" * 16_000}), "Malformed")

# Time.
for name in ["exp", "nbf", "iat"]:
    for value in ["string", True, None, [NOW], {"a": NOW}, -1, -0.5, 1e300, 2**64, 2**63,
                  10**30, NOW * 1000]:
        shown = str(NOW) if value == "string" else value
        case(f"{name} {shown!r}", token(claims={name: shown}), "Malformed")
case("no exp", token(claims={"exp": ...}), "Malformed")
case("exp too large for a float", token(claims=text(CLAIMS).replace(str(NOW + 300), "1e400")),
     "Malformed")
for name, value in [("0", 0), ("a minute ago", NOW - 60), ("a day ago", NOW - 86_400)]:
    case(f"exp {name}", token(claims={"exp": value, "iat": 0}), "Expired")
for name in ["nbf", "iat"]:
    case(f"{name} beyond the leeway", token(claims={name: NOW + 61}), "NotYetValid")
    case(f"{name} tomorrow", token(claims={name: NOW + 86_400}), "NotYetValid")

# From whom, and for whom.
for value in [ISSUER + "/", ISSUER.upper(), ISSUER + ".evil.example", "https://id.exampl",
              "http://id.example", ISSUER + "\0", " " + ISSUER, "", ISSUER + "?x", ISSUER + "#"]:
    case(f"iss {value!r}", token(claims={"iss": value}), "Untrusted")
for value in [[ISSUER], None, 1, {"iss": ISSUER}, ...]:
    case(f"iss {value!r}".replace("Ellipsis", "left out"), token(claims={"iss": value}),
         "Untrusted")
for value in ["other", "", "api ", "API", "api2", "ap", [], ["other"], ["api "], ..., "api other"]:
    case(f"aud {value!r}".replace("Ellipsis", "left out"), token(claims={"aud": value}),
         "Untrusted")
for value in [None, 1, True, {"aud": AUDIENCE}, [AUDIENCE, 1], [[AUDIENCE]], [None]]:
    case(f"aud {value!r}", token(claims={"aud": value}), "Malformed")
for value in ["", None, 1, ["agent1"], {"sub": "agent1"}, ..., "x" * 257, "agent1\n", "a\0b"]:
    shown = "long" if isinstance(value, str) and len(value) > 256 else repr(value)
    case(f"sub {shown}".replace("Ellipsis", "left out"), token(claims={"sub": value}), "Malformed")
for value in [1, True, {"a": 1}, ["a", 1], [["a"]], ["a"] * 257]:
    case(f"scope {value!r}"[:40], token(claims={"scope": value}), "Malformed")
case("roles that are none", token(claims={"roles": 7}), "Malformed")

# For another use.
for kind in ["dpop+jwt", "logout+jwt", "secevent+jwt", "JOSE", "JWE", "jwt2", "", "at+jwt ",
             "application/", "application/application/jwt", "text/jwt", "id_token"]:
    case(f"typ {kind!r}", token({"typ": kind}), "Untrusted")
for kind in [None, 1, ["JWT"]]:
    case(f"typ {kind!r}", token({"typ": kind}), "Malformed")
for name, value in [
    ("at_hash", "x"), ("c_hash", "x"), ("s_hash", "x"), ("events", {}), ("token_use", "id"),
    ("token_use", "refresh"), ("token_use", 1), ("typ", "ID"), ("typ", "Refresh"),
    ("typ", "Offline"), ("typ", "Logout"), ("cnf", {"jkt": "x"}), ("cnf", {"x5t#S256": "x"}),
    ("cnf", {}), ("cnf", None),
]:
    case(f"with {name} {value!r}", token(claims={name: value}), "Untrusted")

names = [one["name"] for one in CASES]
assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]
path = pathlib.Path(__file__).with_name("cases.json")
lines = ",\n".join(json.dumps(one) for one in CASES)
path.write_text(
    f'{{"now": {NOW}, "issuer": "{ISSUER}", "audience": "{AUDIENCE}",\n"jwks": {json.dumps(JWKS)},\n'
    f'"cases": [\n{lines}\n]}}\n'
)
controls = sum(one["expect"] == "accepted" for one in CASES)
print(f"{len(CASES)} cases, {controls} of them to be accepted; {path.stat().st_size} bytes")
