"""azure-core as a caller of the proxy: a pipeline whose policy knows what to do with a challenge."""

import time

from azure.core import PipelineClient
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.rest import HttpRequest

import world
from world import checked


class SignedInUser:
    """A credential around MSAL: signs its user in, again wherever claims are asked for."""

    def __init__(self, **client):
        self.client = world.public_client(**client)
        self.asked = []

    def get_token(self, *scopes, claims=None, **_more):
        assert scopes == (world.SCOPE_OF_A,), scopes
        self.asked.append(claims)
        result = world.sign_in(self.client, claims=claims)
        return AccessToken(result["access_token"], int(time.time()) + result["expires_in"])


def pipeline(credential, **policy):
    policies = [BearerTokenCredentialPolicy(credential, world.SCOPE_OF_A, **policy)]
    return PipelineClient(world.PROXY, policies=policies)


def get(client, path):
    return client.send_request(HttpRequest("GET", f"{world.PROXY}{path}"))


def a_call_without_a_challenge_takes_one_token_and_one_exchange():
    credential = SignedInUser()
    client = pipeline(credential)
    answers = [get(client, "/orders/1") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3, answers
    assert answers[0].json()["authorization"]["claims"]["aud"] == "api://orders-backend", answers[0].text()
    assert credential.asked == [None], credential.asked
    assert world.granted() == {"authorization_code": 1, "on_behalf_of": 1}, world.counters()
    assert world.hits() == {"/1": 3}, world.hits()
    checked("three calls, one sign-in, one exchange, three requests at the target")


def assert_gets_through(step_up_claims):
    credential = SignedInUser()
    client = pipeline(credential)
    answer = get(client, "/payroll/1")
    assert answer.status_code == 200, answer.text()
    echo = answer.json()["authorization"]["claims"]
    assert (echo["aud"], echo["acrs"]) == ("api://payroll", ["c1"]), echo
    assert credential.asked == [None, step_up_claims], credential.asked
    assert world.requested() == {"authorization_code": 2, "on_behalf_of": 2}, world.counters()
    assert world.granted() == {"authorization_code": 2, "on_behalf_of": 1}, world.counters()
    assert world.hits() == {"/1": 1}, world.hits()
    assert get(client, "/payroll/2").status_code == 200
    assert len(credential.asked) == 2 and world.requested()["on_behalf_of"] == 2, world.counters()
    assert world.hits() == {"/1": 1, "/2": 1}, world.hits()
    checked("one challenge, its claims word for word at the credential, one request at the target; then no more of it")


def a_challenge_of_the_identity_provider_is_met_by_a_new_sign_in():
    assert_gets_through(world.STEP_UP_CLAIMS)


def a_challenge_in_the_live_endpoints_shape_is_met_by_a_new_sign_in():
    world.policy(step_up_shape="basic_action")
    assert_gets_through(world.STEP_UP_CLAIMS)


def a_challenge_of_the_target_is_met_by_a_new_sign_in():
    credential = SignedInUser()
    answer = get(pipeline(credential), "/orders/step-up")
    assert answer.status_code == 200, answer.text()
    assert answer.json()["authorization"]["claims"]["acrs"] == ["c1"], answer.text()
    assert [claims is None for claims in credential.asked] == [True, False], credential.asked
    assert world.granted() == {"authorization_code": 2, "on_behalf_of": 2}, world.counters()
    assert world.hits() == {"/step-up": 2}, world.hits()
    checked("the target's own challenge arrives as it was made; the second token A gets an exchange of its own")


def a_challenge_that_stays_is_handed_to_the_caller_after_one_repetition():
    credential = SignedInUser()
    answer = get(pipeline(credential), "/orders/challenge")
    assert answer.status_code == 401, answer.text()
    assert len(credential.asked) == 2 and world.hits() == {"/challenge": 2}, world.hits()
    checked("two tokens, two requests, then the 401")


def a_challenge_without_claims_leaves_the_credential_alone():
    credential = SignedInUser()
    expired = world.mint(lifetime=-600)
    credential.get_token = lambda *_scopes, **_more: AccessToken(expired, int(time.time()) + 3600)
    answer = get(pipeline(credential), "/orders/1")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token"), answer.text()
    assert world.requested() == {} and world.hits() == {}, world.counters()
    checked("invalid_token is no claims challenge: no second request")


if __name__ == "__main__":
    world.run(__name__)
