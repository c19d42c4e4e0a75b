"""JOSE by hand, on the Python package `cryptography`: what both generators need."""

import base64
import hmac

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def public(key, **more):
    numbers = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        n = numbers.public_numbers()
        return {"kty": "RSA", "n": number(n.n), "e": number(n.e), **more}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        n, size = numbers.public_numbers(), (key.key_size + 7) // 8
        curve = {256: "P-256", 384: "P-384", 521: "P-521"}.get(key.key_size, "?")
        if isinstance(key.curve, ec.SECP256K1):
            curve = "secp256k1"
        return {"kty": "EC", "crv": curve, "x": number(n.x, size), "y": number(n.y, size), **more}
    raw = numbers.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw), **more}


def pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def signature(key, algorithm, signed):
    if algorithm.startswith("HS"):
        return hmac.new(key, signed, {"2": "sha256", "3": "sha384", "5": "sha512"}[algorithm[2]]).digest()
    if algorithm.startswith("RS"):
        return key.sign(signed, padding.PKCS1v15(), HASHES[algorithm[2:]])
    if algorithm.startswith("PS"):
        digest = HASHES[algorithm[2:]]
        return key.sign(signed, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    if algorithm.startswith("ES"):
        size = (key.key_size + 7) // 8
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(HASHES[algorithm[2:]])))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return key.sign(signed)
