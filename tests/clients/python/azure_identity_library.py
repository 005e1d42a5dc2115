"""azure-identity as a client of the emulator."""

import os

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    ClientSecretCredential,
    ManagedIdentityCredential,
    OnBehalfOfCredential,
    WorkloadIdentityCredential,
)

import world
from world import CLIENT_ID, SCOPE_OF_B, TENANT_ID, checked

PLACE = {"authority": world.EMULATOR, "disable_instance_discovery": True}
APPLICATION_SCOPE = "api://orders-backend/.default"


def assert_on_behalf_of(**credential):
    token_a = world.token_a()
    exchange = OnBehalfOfCredential(TENANT_ID, CLIENT_ID, user_assertion=token_a, **credential, **PLACE)
    first, second = exchange.get_token(SCOPE_OF_B), exchange.get_token(SCOPE_OF_B)
    claims = world.claims_of(first.token)
    assert claims["oid"] == world.claims_of(token_a)["oid"] and claims["scp"] == "Orders.Read", claims
    assert first.token == second.token and world.requested()["on_behalf_of"] == 1, world.counters()
    checked("a token B of the signed-in user, asked for twice and fetched once")


def a_secret_gets_a_token_on_behalf_of_the_user():
    assert_on_behalf_of(client_secret=world.CLIENT_SECRET)


def certificate_of(name):
    return (world.text(f"{name}.pem") + world.text(f"{name}.key")).encode()


def a_certificate_gets_a_token_on_behalf_of_the_user():
    world.register_certificate("rsa")
    assert_on_behalf_of(client_certificate=certificate_of("rsa"))


def a_certificate_that_is_sent_along_gets_a_token_on_behalf_of_the_user():
    world.register_certificate("rsa")
    assert_on_behalf_of(client_certificate=certificate_of("rsa"), send_certificate_chain=True)


def a_refused_exchange_raises_with_the_number_of_the_refusal():
    exchange = OnBehalfOfCredential(
        TENANT_ID, CLIENT_ID, user_assertion=world.token_a(), client_secret="wrong", **PLACE
    )
    try:
        exchange.get_token(SCOPE_OF_B)
    except ClientAuthenticationError as error:
        assert "AADSTS7000215" in error.message, error.message
    else:
        raise AssertionError("a wrong secret was accepted")
    assert "on_behalf_of" not in world.granted(), world.counters()
    checked("AADSTS7000215, and no token")


def a_secret_gets_a_token_of_the_registration_itself():
    token = ClientSecretCredential(TENANT_ID, CLIENT_ID, world.CLIENT_SECRET, **PLACE).get_token(APPLICATION_SCOPE)
    assert world.claims_of(token.token)["idtyp"] == "app"
    assert world.granted() == {"client_credentials": 1}, world.counters()
    checked("an application's token")


def a_workload_gets_a_token_of_the_registration_itself():
    (world.DIRECTORY / "workload.jwt").write_text(world.federated_token())
    credential = WorkloadIdentityCredential(
        tenant_id=TENANT_ID, client_id=CLIENT_ID, token_file_path=str(world.DIRECTORY / "workload.jwt"), **PLACE
    )
    claims = world.claims_of(credential.get_token(APPLICATION_SCOPE).token)
    assert (claims["idtyp"], claims["azp"]) == ("app", CLIENT_ID), claims
    assert world.granted() == {"client_credentials": 1}, world.counters()
    checked("an application's token for a service account's token in a file")


def a_machine_gets_its_own_token_from_the_metadata_endpoint():
    os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = world.EMULATOR
    token = ManagedIdentityCredential().get_token("api://AzureADTokenExchange/.default")
    claims = world.claims_of(token.token)
    assert (claims["aud"], claims["idtyp"]) == ("api://AzureADTokenExchange", "app"), claims
    assert world.counters()["managed_identity"] == 1, world.counters()
    checked("the managed identity's token, by one request")


if __name__ == "__main__":
    world.run(__name__)
