"""The client assertions that the proxy signs, verified by PyJWT and cryptography."""

import base64
import hashlib
import time

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import world
from world import CLIENT_ID, TOKEN_ENDPOINT, checked


def certificates(name):
    return x509.load_pem_x509_certificates(world.text(name).encode())


def assertions(route, count=3):
    """The client assertions of this many exchanges, each for a user of its own."""
    start = len(world.recorded())
    for number in range(count):
        answer = world.call(f"{route}/1", world.mint(oid=f"00000000-0000-4000-8000-{number:012}"))
        assert answer.status_code == 200, answer.text
    forms = [dict(request["form"]) for request in world.recorded()[start:]]
    assert len(forms) == count, forms
    return [form["client_assertion"] for form in forms]


def assert_signed(assertion, name, algorithm, chain):
    """The signature is that of the certificate, which the header names as it should. Returns the claims."""
    leaf, *_ = own = certificates(f"{name}-chain.pem")
    claims = jwt.decode(
        assertion,
        leaf.public_key(),
        algorithms=[algorithm],
        audience=TOKEN_ENDPOINT,
        issuer=CLIENT_ID,
        options={"require": ["aud", "iss", "sub", "jti", "nbf", "iat", "exp"], "strict_aud": True},
    )
    header = jwt.get_unverified_header(assertion)
    der = [certificate.public_bytes(Encoding.DER) for certificate in own]
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der[0]).digest()).rstrip(b"=").decode()
    expected = {"alg": algorithm, "typ": "JWT", "x5t#S256": thumbprint}
    if chain:
        expected["x5c"] = [base64.b64encode(one).decode() for one in der]
    assert header == expected, header
    return claims


def assert_claims(claims):
    assert claims.keys() == {"aud", "iss", "sub", "jti", "nbf", "iat", "exp"}, claims
    assert (claims["aud"], claims["iss"], claims["sub"]) == (TOKEN_ENDPOINT, CLIENT_ID, CLIENT_ID), claims
    assert all(type(claims[name]) is int for name in ("nbf", "iat", "exp")), claims
    assert 300 <= claims["exp"] - claims["nbf"] <= 600, claims
    assert claims["nbf"] <= claims["iat"] <= time.time() + 1 < claims["exp"], claims


def assert_route(route, name, algorithm, chain):
    world.register_certificate(name)
    all_claims = [assert_signed(one, name, algorithm, chain) for one in assertions(route)]
    for claims in all_claims:
        assert_claims(claims)
    assert len({claims["jti"] for claims in all_claims}) == len(all_claims), all_claims
    checked(f"{len(all_claims)} assertions: {algorithm}, header, thumbprint, chain, claims, a jti of its own each")


def an_rsa_key_signs_with_ps256():
    assert_route("/rsa", "rsa", "PS256", chain=False)


def an_rsa_key_signs_with_ps256_and_sends_its_chain():
    assert_route("/rsa_chain", "rsa", "PS256", chain=True)


def a_p_256_key_signs_with_es256():
    assert_route("/ec", "ec", "ES256", chain=False)


def a_p_256_key_signs_with_es256_and_sends_its_chain():
    assert_route("/ec_chain", "ec", "ES256", chain=True)


def another_key_does_not_verify_it():
    world.register_certificate("rsa")
    (assertion,) = assertions("/rsa", count=1)
    other = jwt.algorithms.RSAAlgorithm.from_jwk(
        world.requests.get(f"{world.AUTHORITY}/discovery/v2.0/keys", timeout=30).json()["keys"][0]
    )
    try:
        jwt.decode(assertion, other, algorithms=["PS256"], audience=TOKEN_ENDPOINT)
    except jwt.InvalidSignatureError:
        checked("the verification above can fail")
    else:
        raise AssertionError("the key of the identity provider verified our signature")


if __name__ == "__main__":
    world.run(__name__)
