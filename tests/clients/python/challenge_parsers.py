"""Parsers of WWW-Authenticate, each held against what the proxy's challenges have to say."""

import base64
import json
import os
import sys

CHALLENGES = json.loads(os.environ["OBO_CHALLENGES"])


def assert_says(challenge, found):
    """The parameters that a parser found are all there are, and have the right values."""
    found = dict(found)
    claims = found.pop("claims", None)
    assert found == challenge["parameters"], (challenge, found)
    assert (claims is None) == (challenge["claims"] is None), (challenge, claims)
    if claims is not None:
        assert_decodes(challenge, claims)


def assert_decodes(challenge, claims):
    expected = json.loads(challenge["claims"])
    for decode in (lambda text: base64.b64decode(text, validate=True), base64.urlsafe_b64decode):
        assert json.loads(decode(claims)) == expected, (challenge, claims)
    assert not set("+/-_") & set(claims), claims


def for_each(read):
    for challenge in CHALLENGES:
        assert_says(challenge, read(challenge["header"]))
    print("checked:", len(CHALLENGES), "challenges")


def after_bearer(header):
    scheme, _, rest = header.partition(" ")
    assert scheme == "Bearer", header
    return rest


def azure_core_reads_every_challenge():
    from azure.core.pipeline.policies._utils import get_challenge_parameter

    for challenge in CHALLENGES:
        headers = {"WWW-Authenticate": challenge["header"]}
        names = {*challenge["parameters"], "error", "scope", "claims", "realm", "resource_metadata"}
        found = {name: get_challenge_parameter(headers, "Bearer", name) for name in names}
        assert_says(challenge, {name: value for name, value in found.items() if value is not None})
    print("checked:", len(CHALLENGES), "challenges")


def azure_core_hands_the_claims_to_its_credential():
    from azure.core import PipelineClient
    from azure.core.credentials import AccessToken
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy
    from azure.core.pipeline.transport import HttpTransport
    from azure.core.rest import HttpRequest

    class Credential:
        def __init__(self):
            self.asked = []

        def get_token(self, *_scopes, claims=None, **_more):
            self.asked.append(claims)
            return AccessToken("a", 4_000_000_000)

    class Answer:
        def __init__(self, status_code, headers):
            self.status_code, self.headers = status_code, headers

    class Transport(HttpTransport):
        """Challenges once, and then lets everything through."""

        def __init__(self, header):
            self.answers = [Answer(401, {"WWW-Authenticate": header}), Answer(200, {})]

        def send(self, _request, **_more):
            return self.answers.pop(0)

        def open(self):
            pass

        def close(self):
            pass

        def __exit__(self, *_details):
            pass

    for challenge in CHALLENGES:
        credential = Credential()
        client = PipelineClient(
            "https://localhost",
            policies=[BearerTokenCredentialPolicy(credential, "s")],
            transport=Transport(challenge["header"]),
        )
        answer = client.send_request(HttpRequest("GET", "https://localhost/"))
        expected = challenge["claims"] and json.loads(challenge["claims"])
        found = [claims and json.loads(claims) for claims in credential.asked]
        assert found == ([None, expected] if expected else [None]), (challenge, found)
        assert answer.status_code == (200 if expected else 401), (challenge, answer)
    print("checked:", len(CHALLENGES), "challenges")


def requests_reads_every_challenge():
    from requests.utils import parse_dict_header

    for_each(lambda header: parse_dict_header(after_bearer(header)))


def the_standard_library_reads_every_challenge():
    from urllib.request import parse_http_list, parse_keqv_list

    def read(header):
        parts = parse_http_list(after_bearer(header))
        found = parse_keqv_list(parts)
        assert len(found) == len(parts), header
        return found

    for_each(read)


def werkzeug_reads_every_challenge():
    from werkzeug.datastructures import WWWAuthenticate

    def read(header):
        parsed = WWWAuthenticate.from_header(header)
        assert (parsed.type, parsed.token) == ("bearer", None), header
        return parsed.parameters

    for_each(read)


def www_authenticate_reads_every_challenge():
    import www_authenticate

    def read(header):
        parsed = www_authenticate.parse(header)
        assert list(parsed) == ["bearer"], parsed
        return parsed["Bearer"]

    for_each(read)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
