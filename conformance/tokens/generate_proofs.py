"""Makes proofs.json: proofs of possession (RFC 9449), tokens bound to keys and certificates (RFC
8705), and certificates that name somebody, each with what must become of it.

Run it with Python 3.11 or later and `cryptography` installed; all keys are new each time.
"""

import base64
import datetime
import hashlib
import json
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from jose import b64, pem, public, signature

NOW = 1_800_000_000
ORIGIN = "https://gate.example"
PATH = "/v1/chat%20room"
TOKEN = "the.access.token"


def digest(data):
    return b64(hashlib.sha256(data).digest())


def thumbprint(key):
    jwk = public(key)
    names = {"EC": ["crv", "kty", "x", "y"], "OKP": ["crv", "kty", "x"], "RSA": ["e", "kty", "n"]}
    members = {name: jwk[name] for name in names[jwk["kty"]]}
    return digest(json.dumps(members, separators=(",", ":")).encode())


ec1 = ec.generate_private_key(ec.SECP256R1())
ec2 = ec.generate_private_key(ec.SECP256R1())
ec384 = ec.generate_private_key(ec.SECP384R1())
rsa1 = rsa.generate_private_key(65537, 2048)
weak = rsa.generate_private_key(65537, 1024)
ed1 = ed25519.Ed25519PrivateKey.generate()

PROOFS = []
HTU = ORIGIN + "/v1/chat%20room"
CLAIMS = {"jti": "one-of-a-kind", "htm": "SUMMARIZE", "htu": HTU, "iat": NOW,
          "ath": digest(TOKEN.encode())}


def proof(header=None, claims=None, key=ec1, algorithm="ES256", signer=None):
    header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": public(key), **(header or {})}
    header = {name: value for name, value in header.items() if value is not ...}
    claims = {**CLAIMS, **(claims or {})} if not isinstance(claims, str) else claims
    if isinstance(claims, dict):
        claims = json.dumps({name: v for name, v in claims.items() if v is not ...})
    signed = f"{b64(json.dumps(header).encode())}.{b64(claims.encode())}"
    made = signature(signer or key, algorithm, signed.encode())
    return f"{signed}.{b64(made)}"


def shown(name, made, accepted=False, key=ec1):
    one = {"name": name, "proof": made, "accepted": accepted}
    if accepted:
        one["thumbprint"] = thumbprint(key)
    PROOFS.append(one)


def good(name, made, key=ec1):
    shown(name, made, True, key)


# What must be accepted.
good("ES256", proof())
good("ES384", proof(key=ec384, algorithm="ES384"), ec384)
good("EdDSA", proof(key=ed1, algorithm="EdDSA"), ed1)
good("RS256", proof(key=rsa1, algorithm="RS256"), rsa1)
good("PS256", proof(key=rsa1, algorithm="PS256"), rsa1)
good("typ in capitals", proof({"typ": "DPoP+JWT"}))
good("htu with a query and a fragment", proof(claims={"htu": HTU + "?x=1#y"}))
good("htu with the port of its scheme", proof(claims={"htu": HTU.replace(".example", ".example:443")}))
good("htu with host and scheme in capitals", proof(claims={"htu": HTU.replace(ORIGIN, ORIGIN.upper())}))
good("htu in another percent-encoding", proof(claims={"htu": ORIGIN + "/%761/chat%20room"}))
good("as old as may be", proof(claims={"iat": NOW - 60}))
good("a little ahead", proof(claims={"iat": NOW + 5}))
good("iat as a fraction", proof(claims={"iat": NOW - 0.5}))
good("a kid that is nobody's", proof({"kid": "x"}))
good("a key that says what it is for", proof({"jwk": public(ec1, use="sig", key_ops=["verify"])}))
good("unknown claims", proof(claims={"x": {"y": 1}, "nonce": "not ours"}))

# Not a proof.
for kind in [..., "JWT", "at+jwt", "dpop", "application/dpop+jwt2", "", None, 7]:
    shown(f"typ {kind!r}".replace("Ellipsis", "left out"), proof({"typ": kind}))
plain = proof().split(".")
none = b64(json.dumps({"typ": "dpop+jwt", "alg": "none", "jwk": public(ec1)}).encode())
shown("alg none", f"{none}.{plain[1]}.")
shown("alg none with a signature", f"{none}.{plain[1]}.{plain[2]}")
for algorithm in ["HS256", "HS512"]:
    shown(f"{algorithm} by the PEM of the key", proof({"alg": algorithm}, algorithm=algorithm, signer=pem(ec1)))
shown("HS256 by a secret that it carries", proof(
    {"jwk": {"kty": "oct", "k": b64(b"s" * 32)}}, algorithm="HS256", signer=b"s" * 32))
shown("RS384, which is not listed", proof(key=rsa1, algorithm="RS384"))
shown("no signature", ".".join(plain[:2]) + ".")
shown("zero signature", ".".join(plain[:2]) + "." + b64(bytes(64)))
shown("cut off", ".".join(plain)[:-4])
shown("empty", "")
shown("two parts", ".".join(plain[:2]))
shown("crit", proof({"crit": ["x"], "x": 1}))
shown("b64", proof({"b64": False}))

# Not this key.
shown("signed by another key", proof(signer=ec2))
shown("no jwk", proof({"jwk": ...}))
for value in [None, "x", [], {}, {"kty": "EC"}, {"kty": "unheard-of"}]:
    shown(f"jwk {value!r}", proof({"jwk": value}))
private = ec1.private_numbers().private_value.to_bytes(32, "big")
shown("a private key", proof({"jwk": public(ec1, d=b64(private))}))
shown("a key for encryption", proof({"jwk": public(ec1, use="enc")}))
shown("a key for another algorithm", proof({"jwk": public(ec1, alg="ES384")}))
shown("a weak key", proof(key=weak, algorithm="RS256"))
shown("a point off the curve", proof({"jwk": {**public(ec1), "y": public(ec1)["x"]}}))
shown("jku instead of a key", proof({"jwk": ..., "jku": "http://127.0.0.1:9/jwks"}))
shown("kid instead of a key", proof({"jwk": ..., "kid": "ec1"}))

# Not this request.
for method in [..., None, "GET", "POST", "summarize", "SUMMARIZE ", ["SUMMARIZE"], 1]:
    shown(f"htm {method!r}".replace("Ellipsis", "left out"), proof(claims={"htm": method}))
for address in [..., None, 1, "", PATH, "gate.example" + PATH, HTU + "/", HTU.replace("https", "http"),
                HTU.replace(".example", ".example:8443"), HTU.replace("gate", "evil"), ORIGIN, ORIGIN + "/",
                HTU.replace("gate.example", "gate.example.evil.example"), [HTU],
                HTU.replace("gate.example", "gate.example@evil.example"), HTU.replace("chat", "Chat"),
                HTU.replace("gate.example", "evil.example#gate.example"), ORIGIN + "/v1%2Fchat%20room",
                ORIGIN + "/v1/./chat%20room", ORIGIN + "//v1/chat%20room", "file://gate.example" + PATH]:
    shown(f"htu {address!r}".replace("Ellipsis", "left out"), proof(claims={"htu": address}))

# Not this token.
for ath in [..., None, 1, "", digest(b"another token"), digest(TOKEN.encode()) + "=",
            hashlib.sha256(TOKEN.encode()).hexdigest(), TOKEN]:
    shown(f"ath {ath!r}".replace("Ellipsis", "left out"), proof(claims={"ath": ath}))

# Not now, and not twice.
for made in [..., None, str(NOW), NOW - 61, NOW + 6, 0, -1, 2**64, NOW * 1000, True, [NOW]]:
    shown(f"iat {made!r}".replace("Ellipsis", "left out"), proof(claims={"iat": made}))
for jti in [..., None, "", 7, "x" * 257, ["x"]]:
    label = "too long" if isinstance(jti, str) and len(jti) > 256 else repr(jti)
    shown(f"jti {label}".replace("Ellipsis", "left out"), proof(claims={"jti": jti}))

# What two readers read differently.
shown("htm twice", proof(claims=json.dumps(CLAIMS)[:-1] + ', "htm": "GET"}'))
shown("ath twice, once escaped", proof(claims=json.dumps(CLAIMS)[:-1] + ', "\\u0061th": "x"}'))
shown("claims that are an array", proof(claims=json.dumps([CLAIMS])))
shown("claims with something behind them", proof(claims=json.dumps(CLAIMS) + "{}"))
shown("nested too deep", proof(claims=json.dumps(CLAIMS)[:-1] + ', "x": ' + "[" * 99 + "]" * 99 + "}"))
shown("too long", proof(claims={"x": "x" * 16_000}))

# Certificates.
CERTIFICATES = []


def certificate(names, ends=NOW + 86_400, critical=False, more=(), bits=None):
    at = lambda secs: datetime.datetime.fromtimestamp(secs, datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "spiffe://example.org/the-cn")])
    key = bits or ec1
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(at(min(NOW, ends) - 86_400)).not_valid_after(at(ends)))
    for extension in more:
        made = made.add_extension(extension, critical=False)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=critical)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return made.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


def named(name, der, naming, subject):
    CERTIFICATES.append({"name": name, "der": base64.b64encode(der).decode(), "naming": naming,
                         "thumbprint": digest(der), "subject": subject})


def uri(text):
    return x509.UniformResourceIdentifier._init_without_validation(text)


def dns(text):
    return x509.DNSName._init_without_validation(text)


SPIFFE = "spiffe://example.org/agents/one"
usage = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH])
limits = x509.BasicConstraints(ca=False, path_length=None)
named("a SPIFFE ID", certificate([uri(SPIFFE)]), "spiffe", SPIFFE)
named("a SPIFFE ID as a URI", certificate([uri(SPIFFE)]), "san_uri", SPIFFE)
named("a critical extension", certificate([uri(SPIFFE)], critical=True), "spiffe", SPIFFE)
named("among other extensions", certificate([uri(SPIFFE)], more=[limits, usage]), "spiffe", SPIFFE)
named("beside a DNS name", certificate([dns("one.example"), uri(SPIFFE)]), "spiffe", SPIFFE)
named("a DNS name beside a URI", certificate([uri(SPIFFE), dns("One.Example")]), "san_dns", "one.example")
named("beside other names", certificate([x509.RFC822Name("a@example.org"), uri("urn:agent:1"),
      x509.DirectoryName(x509.Name([]))]), "san_uri", "urn:agent:1")
named("an RSA key", certificate([uri(SPIFFE)], bits=rsa1), "spiffe", SPIFFE)
named("an Ed25519 key", certificate([uri(SPIFFE)], bits=ed1), "spiffe", SPIFFE)
named("after the year 2050", certificate([uri(SPIFFE)], ends=2_600_000_000), "spiffe", SPIFFE)
named("no names, and a common name that looks like one", certificate([]), "spiffe", None)
named("no URI", certificate([dns("one.example")]), "san_uri", None)
named("no DNS name", certificate([uri(SPIFFE)]), "san_dns", None)
named("two URIs", certificate([uri(SPIFFE), uri("urn:x")]), "san_uri", None)
named("the same URI twice", certificate([uri(SPIFFE), uri(SPIFFE)]), "spiffe", None)
named("two DNS names", certificate([dns("a.example"), dns("b.example")]), "san_dns", None)
named("any DNS name", certificate([dns("*.example")]), "san_dns", None)
named("a URI that is no SPIFFE ID", certificate([uri("https://example.org/agents/one")]), "spiffe", None)
named("a path that leads up", certificate([uri("spiffe://example.org/a/../b")]), "spiffe", None)
named("another spelling", certificate([uri("spiffe://EXAMPLE.org/a")]), "spiffe", None)
named("a zero byte", certificate([dns("one.example\0.evil.example")]), "san_dns", None)
named("a line break", certificate([uri("urn:a\nurn:b")]), "san_uri", None)
named("a space", certificate([uri("urn:a b")]), "san_uri", None)
named("an empty URI", certificate([uri("")]), "san_uri", None)
named("a long URI", certificate([uri("urn:" + "a" * 300)]), "san_uri", None)
named("many names", certificate([uri(SPIFFE)] + [dns(f"h{i}.example") for i in range(64)]), "spiffe", None)
named("expired", certificate([uri(SPIFFE)], ends=NOW - 1), "spiffe", None)
named("expires now", certificate([uri(SPIFFE)], ends=NOW), "spiffe", None)
der = certificate([uri(SPIFFE)])
named("cut off", der[:-40], "spiffe", None)
named("half of it", der[:len(der) // 2], "spiffe", None)
named("nothing", b"", "spiffe", None)
named("no DER", b"-----BEGIN CERTIFICATE-----", "spiffe", None)
named("a length that lies", bytes([der[0], 0x84, 0xff, 0xff, 0xff, 0xff]) + der[4:], "spiffe", None)

# Tokens that are bound, and what was proved.
BINDINGS = []
ISSUER, AUDIENCE = "https://id.example", "api"
JWKS = {"keys": [public(ec2, kid="ec2", alg="ES256")]}


def bound(name, cnf, certificate_shown, key_shown, accepted):
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "agent1", "exp": NOW + 300}
    if cnf is not ...:
        claims["cnf"] = cnf
    header = {"alg": "ES256", "kid": "ec2", "typ": "at+jwt"}
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    made = f"{signed}.{b64(signature(ec2, 'ES256', signed.encode()))}"
    BINDINGS.append({"name": name, "token": made, "certificate": certificate_shown,
                     "key": key_shown, "accepted": accepted})


x, y, k, l = digest(der), digest(b"another"), thumbprint(ec1), thumbprint(ec2)
bound("to nothing", ..., None, None, True)
bound("to nothing, with a certificate", ..., x, None, True)
bound("to nothing, with a proof", ..., None, k, False)
bound("to a certificate", {"x5t#S256": x}, x, None, True)
bound("to a certificate, without it", {"x5t#S256": x}, None, None, False)
bound("to a certificate, with another", {"x5t#S256": x}, y, None, False)
bound("to a certificate, with a proof", {"x5t#S256": x}, None, k, False)
bound("to a certificate, with it and an idle proof", {"x5t#S256": x}, x, k, False)
bound("to a key", {"jkt": k}, None, k, True)
bound("to a key, and a certificate is there", {"jkt": k}, x, k, True)
bound("to a key, as a bearer token", {"jkt": k}, None, None, False)
bound("to a key, with another", {"jkt": k}, None, l, False)
bound("to a key, with a certificate", {"jkt": k}, x, None, False)
bound("to both", {"jkt": k, "x5t#S256": x}, x, k, True)
bound("to both, with the key alone", {"jkt": k, "x5t#S256": x}, None, k, False)
bound("to both, with the certificate alone", {"jkt": k, "x5t#S256": x}, x, None, False)
for cnf in [None, {}, [], "x", 1, {"jkt": None}, {"jkt": ""}, {"jkt": k + "="}, {"jkt": [k]},
            {"jkt": k[:-1]}, {"x5t#S256": 1}, {"x5t": x}, {"jwk": public(ec1)}, {"kid": "ec1"},
            {"jkt": k, "kid": "ec1"}, {"JKT": k}, {"jku": "http://127.0.0.1:9/"}]:
    bound(f"cnf {json.dumps(cnf)}"[:60], cnf, x, k, False)

for cases in [PROOFS, CERTIFICATES, BINDINGS]:
    names = [one["name"] for one in cases]
    assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]
path = pathlib.Path(__file__).with_name("proofs.json")
rows = lambda cases: ",\n".join(json.dumps(one) for one in cases)
path.write_text(
    f'{{"now": {NOW}, "origin": "{ORIGIN}", "method": "SUMMARIZE", "path": "{PATH}", "token": "{TOKEN}",\n'
    f'"issuer": "{ISSUER}", "audience": "{AUDIENCE}", "jwks": {json.dumps(JWKS)},\n'
    f'"proofs": [\n{rows(PROOFS)}\n],\n"certificates": [\n{rows(CERTIFICATES)}\n],\n'
    f'"bindings": [\n{rows(BINDINGS)}\n]}}\n'
)
good_ones = sum(one["accepted"] for one in PROOFS + BINDINGS) + sum(bool(c["subject"]) for c in CERTIFICATES)
print(f"{len(PROOFS + CERTIFICATES + BINDINGS)} cases, {good_ones} of them to be accepted; {path.stat().st_size} bytes")
