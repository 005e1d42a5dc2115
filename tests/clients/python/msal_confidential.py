"""MSAL for Python as a confidential client of the emulator."""

import jwt
import msal

import world
from world import CLIENT_ID, SCOPE_OF_B, STEP_UP_CLAIMS, STEP_UP_SCOPE, checked


def application(credential, **more):
    return msal.ConfidentialClientApplication(
        CLIENT_ID,
        client_credential=credential,
        authority=world.AUTHORITY,
        instance_discovery=world.INSTANCE_DISCOVERY,
        **more,
    )


def assert_on_behalf_of(credential):
    """The credential gets a signed-in user's token B, by exactly one request. Returns that request's form."""
    token_a = world.token_a()
    result = application(credential).acquire_token_on_behalf_of(token_a, [SCOPE_OF_B])
    assert result.get("token_type") == "Bearer", result
    claims, caller = world.claims_of(result["access_token"]), world.claims_of(token_a)
    assert (claims["aud"], claims["scp"]) == ("api://orders-backend", "Orders.Read"), claims
    assert (claims["oid"], claims["tid"], claims["azp"]) == (caller["oid"], world.TENANT_ID, CLIENT_ID), claims
    assert (caller["azp"], caller["preferred_username"]) == (world.CALLER_ID, "carol@contoso.example"), caller
    assert world.granted() == {"authorization_code": 1, "on_behalf_of": 1}, world.counters()
    assert world.counters()["instance_discovery"] >= 2, world.counters()
    checked("token B is the signed-in user's, for the target, given to the registration, by one request")
    return dict(world.recorded()[-1]["form"])


def assertion_header(form):
    return jwt.get_unverified_header(form["client_assertion"])


def a_secret_gets_a_token_on_behalf_of_the_user():
    form = assert_on_behalf_of(world.CLIENT_SECRET)
    assert form["client_secret"] == world.CLIENT_SECRET and "client_assertion" not in form, form


def a_certificate_named_by_its_old_thumbprint_gets_a_token():
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    world.register_certificate("rsa")
    certificate = x509.load_pem_x509_certificate(world.text("rsa.pem").encode())
    thumbprint = certificate.fingerprint(hashes.SHA1()).hex()
    form = assert_on_behalf_of({"private_key": world.text("rsa.key"), "thumbprint": thumbprint})
    header = assertion_header(form)
    assert (header["alg"], "x5t" in header, "x5c" in header) == ("RS256", True, False), header


def a_certificate_that_is_sent_along_gets_a_token():
    world.register_certificate("rsa")
    form = assert_on_behalf_of({"private_key": world.text("rsa.key"), "public_certificate": world.text("rsa.pem")})
    header = assertion_header(form)
    assert (header["alg"], "x5t#S256" in header, len(header["x5c"])) == ("PS256", True, 1), header


def a_certificate_in_a_pfx_file_gets_a_token():
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import NoEncryption, load_pem_private_key, pkcs12

    world.register_certificate("rsa")
    key = load_pem_private_key(world.text("rsa.key").encode(), None)
    certificate = x509.load_pem_x509_certificate(world.text("rsa.pem").encode())
    pfx = world.DIRECTORY / "rsa.pfx"
    pfx.write_bytes(pkcs12.serialize_key_and_certificates(b"rsa", key, certificate, None, NoEncryption()))
    header = assertion_header(assert_on_behalf_of({"private_key_pfx_path": str(pfx)}))
    assert (header["alg"], "x5t#S256" in header, "x5c" in header) == ("PS256", True, False), header


def a_certificate_that_is_not_registered_is_refused():
    client = application({"private_key": world.text("rsa.key"), "public_certificate": world.text("rsa.pem")})
    result = client.acquire_token_on_behalf_of(world.token_a(), [SCOPE_OF_B])
    assert (result["error"], result["error_codes"]) == ("invalid_client", [700027]), result
    assert "on_behalf_of" not in world.granted(), world.counters()
    checked("invalid_client, AADSTS700027, and no token")


def a_workloads_token_gets_a_token():
    form = assert_on_behalf_of({"client_assertion": world.federated_token})
    assert world.claims_of(form["client_assertion"])["iss"] == f"{world.EMULATOR}/workload", form


def a_registration_gets_a_token_of_its_own_and_keeps_it():
    client = application(world.CLIENT_SECRET)
    first = client.acquire_token_for_client(["api://orders-backend/.default"])
    second = client.acquire_token_for_client(["api://orders-backend/.default"])
    claims = world.claims_of(first["access_token"])
    assert (claims["idtyp"], claims["roles"], "scp" in claims) == ("app", ["Orders.Read.All"], False), claims
    assert (first["token_source"], second["token_source"]) == ("identity_provider", "cache")
    assert world.requested() == {"client_credentials": 1}, world.counters()
    checked("an application's token with roles, the second time from the cache")


def assert_step_up_is_told(shape, error, suberror):
    token_a = world.token_a()
    world.policy(step_up_shape=shape)
    client = application(world.CLIENT_SECRET)
    result = client.acquire_token_on_behalf_of(token_a, [STEP_UP_SCOPE])
    assert "access_token" not in result, result
    assert (result["error"], result.get("suberror")) == (error, suberror), result
    assert result["claims"] == STEP_UP_CLAIMS, result
    assert result["error_description"].startswith(f"AADSTS{result['error_codes'][0]}: "), result
    assert {"correlation_id", "trace_id", "timestamp"} <= result.keys(), result
    stepped_up = world.token_a(claims=result["claims"])
    assert world.claims_of(stepped_up)["acrs"] == ["c1"], world.claims_of(stepped_up)
    granted = client.acquire_token_on_behalf_of(stepped_up, [STEP_UP_SCOPE])
    assert world.claims_of(granted["access_token"])["aud"] == "api://payroll", granted
    assert world.requested()["on_behalf_of"] == 2 and world.granted()["on_behalf_of"] == 1, world.counters()
    checked("error, suberror and claims; and what signs in with those claims is let through")


def a_step_up_is_told_as_documented_and_its_claims_satisfy_it():
    assert_step_up_is_told("interaction_required", "interaction_required", None)


def a_step_up_is_told_as_the_live_endpoint_does_and_its_claims_satisfy_it():
    assert_step_up_is_told("basic_action", "invalid_grant", "basic_action")


def capabilities_of_the_registration_reach_token_b():
    client = application(world.CLIENT_SECRET, client_capabilities=["cp1"])
    result = client.acquire_token_on_behalf_of(world.token_a(), [SCOPE_OF_B])
    assert world.claims_of(result["access_token"])["xms_cc"] == ["cp1"], result
    checked("cp1 is declared by the claims parameter and stands in xms_cc of token B")


if __name__ == "__main__":
    world.run(__name__)
