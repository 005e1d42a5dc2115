"""The token requests that the proxy sends, field by field, as the protocols define them."""

import base64
import re
import urllib.parse

import world
from world import CLIENT_ID, CLIENT_SECRET, checked

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SECRET = {"client_secret": CLIENT_SECRET}


def exchange(path, token, status=200):
    """The one token request that a call causes, as its headers and its form."""
    start = len(world.recorded())
    answer = world.call(path, token)
    assert answer.status_code == status, answer.text
    (request,) = world.recorded()[start:]
    return request, form_of(request)


def form_of(request):
    headers = dict(request["headers"])
    assert headers["content-type"] == "application/x-www-form-urlencoded", headers
    form = dict(request["form"])
    once = [name for name, _ in request["form"] if name not in ("audience", "resource")]
    assert len(once) == len(set(once)), request["form"]
    assert all(value == value.strip() and value for value in form.values()), form
    return form


def assert_to_entra(request, basic=False):
    """It went to the tenant's own endpoint, with what ties its log to ours, and no credential that nobody asked for."""
    headers = dict(request["headers"])
    assert request["path"] == f"/{world.TENANT_ID}/oauth2/v2.0/token", request["path"]
    assert GUID.fullmatch(headers["client-request-id"]), headers
    assert headers["return-client-request-id"] == "true", headers
    assert ("authorization" in headers) == basic, headers
    assert "cookie" not in headers and "x-forwarded-for" not in headers, headers


def on_behalf_of(token, scope="api://orders-backend/Orders.Read"):
    """What every on-behalf-of request has, by the tables of on-behalf-of-flow.md, but for the client's credential."""
    return {
        "grant_type": JWT_BEARER,
        "client_id": CLIENT_ID,
        "assertion": token,
        "scope": scope,
        "requested_token_use": "on_behalf_of",
    }


def a_shared_secret_goes_into_the_form():
    token = world.token_a()
    request, form = exchange("/orders/1", token)
    assert_to_entra(request)
    assert form == {**on_behalf_of(token), **SECRET}, form
    checked("every field of the first case of the article, and no other")


def a_shared_secret_goes_into_http_basic():
    world.register_secret(world.ODD_SECRET)
    token = world.token_a()
    request, form = exchange("/secret_basic/1", token)
    assert_to_entra(request, basic=True)
    scheme, _, encoded = dict(request["headers"])["authorization"].partition(" ")
    name, _, secret = base64.b64decode(encoded, validate=True).decode("ascii").partition(":")
    decoded = [urllib.parse.unquote_plus(part) for part in (name, secret)]
    assert (scheme, decoded) == ("Basic", [CLIENT_ID, world.ODD_SECRET]), (scheme, name, secret)
    scope = "api://orders-backend/Orders.Read api://orders-backend/Orders.Write offline_access"
    expected = on_behalf_of(token, scope)
    assert form == {**expected, "client_id": form.get("client_id", CLIENT_ID)} or form == {
        name: value for name, value in expected.items() if name != "client_id"
    }, form
    checked("both parts form-urlencoded in the header, nothing of the secret in the form, several scopes by blanks")


def a_certificate_takes_the_place_of_the_secret():
    world.register_certificate("rsa")
    token = world.token_a()
    request, form = exchange("/rsa/1", token)
    assert_to_entra(request)
    assert form.pop("client_assertion").count(".") == 2, form
    assert form == {**on_behalf_of(token), "client_assertion_type": ASSERTION_TYPE}, form
    checked("every field of the second case of the article, and no other")


def a_workloads_token_is_the_client_assertion():
    token, workload = world.token_a(), world.text("workload.jwt").strip()
    request, form = exchange("/workload/1", token)
    assert_to_entra(request)
    expected = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": workload}
    assert form == {**on_behalf_of(token), **expected}, form
    checked("the content of the file, as it stands there")


def a_machines_token_is_the_client_assertion():
    token = world.token_a()
    request, form = exchange("/machine/1", token)
    assert_to_entra(request)
    machine = world.claims_of(form.pop("client_assertion"))
    assert (machine["aud"], machine["idtyp"]) == ("api://AzureADTokenExchange", "app"), machine
    assert form == {**on_behalf_of(token), "client_assertion_type": ASSERTION_TYPE}, form
    (metadata,) = world.metadata_requests()
    assert dict(metadata["form"]) == {"api-version": "2018-02-01", "resource": "api://AzureADTokenExchange"}, metadata
    assert dict(metadata["headers"])["metadata"] == "true", metadata
    checked("the token of the metadata endpoint, which was asked once and as documented")


def a_caller_that_handles_challenges_is_declared_with_the_claims_of_the_route():
    import json

    token = world.token_a()
    _, form = exchange("/claims/1", token)
    claims = {"acrs": {"essential": True, "value": "c2"}}
    assert json.loads(form.pop("claims")) == {"access_token": claims}, form
    assert form == {**on_behalf_of(token), **SECRET}, form
    capable = world.sign_in(world.public_client(client_capabilities=["cp1"]))["access_token"]
    _, form = exchange("/claims/2", capable)
    assert json.loads(form["claims"]) == {"access_token": {**claims, "xms_cc": {"values": ["cp1"]}}}, form
    _, form = exchange("/orders/2", capable)
    assert json.loads(form["claims"]) == {"access_token": {"xms_cc": {"values": ["cp1"]}}}, form
    checked("claims of the route, of the caller's capabilities, and of both; none where there is neither")


def application_token(role="Orders.Read.All"):
    return world.mint(
        idtyp="app", roles=[role], remove=["scp", "name", "preferred_username"], azp=world.CALLER_ID
    )


def an_application_gets_the_registrations_own_token():
    request, form = exchange("/application/1", application_token())
    assert_to_entra(request)
    expected = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "scope": "api://orders-backend/.default"}
    assert form == {**expected, **SECRET}, form
    world.register_certificate("rsa")
    _, form = exchange("/application_rsa/1", application_token())
    assert form.pop("client_assertion").count(".") == 2, form
    assert form == {**expected, "client_assertion_type": ASSERTION_TYPE}, form
    checked("client credentials, with a secret and with a certificate; nothing of the caller")


def another_provider_gets_a_token_exchange():
    token = world.mint_in_realm()
    request, _ = exchange("/realm/1", token)
    assert request["path"] == "/realms/sample/protocol/openid-connect/token", request["path"]
    expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("subject_token", token),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", "billing"),
        ("audience", "orders-backend"),
        ("resource", "https://orders.example/api"),
        ("scope", "orders.read"),
        ("organization", "contoso"),
    ]
    found = sorted(map(tuple, request["form"]))
    assert found == sorted(expected), found
    checked("every parameter of RFC 8693 section 2.1 that was configured, audiences as one parameter each")


def a_saml_assertion_is_asked_for_by_its_type():
    world.register_certificate("rsa")
    token = world.token_a()
    for path, version, credential in (("/saml/1", "saml2", SECRET), ("/saml1/1", "saml1", {})):
        request, form = exchange(path, token)
        assert_to_entra(request)
        for name in ("client_assertion", "client_assertion_type"):
            assert (form.pop(name, None) is None) == bool(credential), form
        expected = on_behalf_of(token, "spn:sample-target/.default")
        requested = {"requested_token_type": f"urn:ietf:params:oauth:token-type:{version}"}
        assert form == {**expected, **requested, **credential}, form
    checked("the fields of the article's section on SAML, for both versions and both credentials")


def a_saml_assertion_is_presented_at_the_targets_own_token_endpoint():
    token = world.token_a()
    _, form = exchange("/saml_bearer/1", token)
    assert form["requested_token_type"] == "urn:ietf:params:oauth:token-type:saml2", form
    (request,) = world.target_token_requests()
    form = form_of(request)
    encoded = form.pop("assertion")
    assert re.fullmatch(r"[A-Za-z0-9_-]+=*", encoded), encoded
    assertion = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("utf-8")
    assert "Assertion" in assertion and "urn:oasis:names:tc:SAML:2.0:assertion" in assertion, assertion
    assert form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "client_id": "gateway",
        "client_secret": world.ODD_SECRET,
        "scope": "orders.read orders.write",
    }, form
    checked("every field of RFC 7522 section 2.1, the assertion as the identity provider encoded it")


if __name__ == "__main__":
    world.run(__name__)
