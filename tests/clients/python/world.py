"""What surrounds a script: where the servers are, what reached them, and a user who signs in."""

import faulthandler
import inspect
import json
import os
import sys
import urllib.parse
import warnings
from pathlib import Path

import msal
import requests

_WORLD = json.loads(os.environ["OBO_WORLD"])
EMULATOR, TARGET, PROXY = _WORLD["emulator"], _WORLD["target"], _WORLD["proxy"]
CLIENT_ID, CLIENT_SECRET, TENANT_ID = _WORLD["client_id"], _WORLD["client_secret"], _WORLD["tenant_id"]
ODD_SECRET = _WORLD["odd_secret"]
PROGRAM = _WORLD["program"]
DIRECTORY = Path(_WORLD["directory"])
AUTHORITY = f"{EMULATOR}/{TENANT_ID}"
TOKEN_ENDPOINT = f"{AUTHORITY}/oauth2/v2.0/token"
INSTANCE_DISCOVERY = f"{EMULATOR}/common/discovery/instance"
# An application of the caller's own, which has no credential.
CALLER_ID = "99990000-dddd-4444-eeee-555566667777"
SCOPE_OF_A = f"api://{CLIENT_ID}/access_as_user"
SCOPE_OF_B = "api://orders-backend/Orders.Read"
STEP_UP_SCOPE = "api://payroll/Payroll.Read"
STEP_UP_CLAIMS = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'


def run(module_name):
    """Runs the function that the command line names."""
    # A script that hangs tells where.
    faulthandler.dump_traceback_later(90, exit=True)
    claim = getattr(sys.modules[module_name], sys.argv[1])
    assert inspect.getmodule(claim) is sys.modules[module_name]
    claim()


def checked(what):
    print("checked:", what)


def _control(method, path, **more):
    answer = requests.request(method, f"{EMULATOR}/emulator/{path}", timeout=30, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counters():
    return _control("GET", "counters")


def granted():
    """How many tokens the emulator gave, by grant."""
    return counters()["granted"]


def requested():
    """How many requests reached the emulator's token endpoint, by grant."""
    return counters()["requested"]


def recorded():
    """The last token requests."""
    return _control("GET", "requests")


def policy(**members):
    return _control("POST", "policy", json=members)


def fault(**members):
    return _control("POST", "faults", json=members)


def clear_faults():
    return _control("DELETE", "faults")


def reset():
    return _control("POST", "reset")


def register_certificate(name):
    return _control("POST", "credentials", json={"add_certificate": text(f"{name}.pem")})


def register_secret(secret):
    return _control("POST", "credentials", json={"add_secret": secret})


def mint(**members):
    """A token A of the emulator's, without a sign-in."""
    return _control("POST", "tokens", json=members)["access_token"]


def federated_token(**parameters):
    return _control("GET", "federated", params=parameters)["access_token"]


def hits():
    """How many requests reached the target, by path."""
    return requests.get(f"{TARGET}/emulator/hits", timeout=30).json()


def target_token_requests():
    """The last requests to the target's own token endpoint."""
    return requests.get(f"{TARGET}/emulator/token-requests", timeout=30).json()


def metadata_requests():
    """The last requests to the instance metadata endpoint."""
    return _control("GET", "requests/managed-identity")


def mint_in_realm(**members):
    """A token A of the emulator's other authorization server."""
    return _control("POST", "realms/sample/tokens", json=members)["access_token"]


def text(name):
    return (DIRECTORY / name).read_text()


def call(path, token=None, **more):
    """A request of a caller to the proxy."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers.update(more.pop("headers", {}))
    return requests.get(f"{PROXY}{path}", headers=headers, timeout=30, **more)


def public_client(**more):
    return msal.PublicClientApplication(
        CALLER_ID, authority=AUTHORITY, instance_discovery=INSTANCE_DISCOVERY, **more
    )


def sign_in(client, claims=None, account="carol@contoso.example"):
    """Signs a user in as a browser would, and returns what MSAL made of the answer."""
    redirect = "https://localhost/signed-in"
    with warnings.catch_warnings():
        # MSAL would rather have a form posted to a page that nobody has here.
        warnings.simplefilter("ignore")
        flow = client.initiate_auth_code_flow(
            [SCOPE_OF_A], redirect_uri=redirect, login_hint=account, claims_challenge=claims
        )
    answer = requests.get(flow["auth_uri"], allow_redirects=False, timeout=30)
    assert answer.status_code in (302, 303), answer.text
    parts = urllib.parse.urlsplit(answer.headers["location"])
    assert answer.headers["location"].startswith(redirect), answer.headers
    response = dict(urllib.parse.parse_qsl(parts.query or parts.fragment))
    result = client.acquire_token_by_auth_code_flow(flow, response)
    assert "access_token" in result, result
    return result


def token_a(**more):
    """A token A of a user who signed in."""
    return sign_in(public_client(), **more)["access_token"]


def claims_of(token):
    """The claims of a token, whose signature is the business of others."""
    import jwt

    return jwt.decode(token, options={"verify_signature": False})
