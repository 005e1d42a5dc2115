// @azure/identity as a client of the emulator.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";

import { ManagedIdentityCredential, OnBehalfOfCredential, WorkloadIdentityCredential } from "@azure/identity";

import * as world from "./world.mjs";
import { checked, claimsOf, clientId, tenantId } from "./world.mjs";

async function assertOnBehalfOf(credential) {
  const userAssertionToken = await world.tokenA();
  const exchange = new OnBehalfOfCredential({ tenantId, clientId, userAssertionToken, ...credential, ...world.place });
  const first = await exchange.getToken(world.scopeOfB);
  const second = await exchange.getToken(world.scopeOfB);
  assert.deepEqual(
    [claimsOf(first.token).oid, claimsOf(first.token).scp],
    [claimsOf(userAssertionToken).oid, "Orders.Read"],
  );
  assert.equal(first.token, second.token);
  assert.equal((await world.requested()).on_behalf_of, 1);
  checked("a token B of the signed-in user, asked for twice and fetched once");
}

function certificateFile() {
  writeFileSync(world.path("both.pem"), world.text("rsa.pem") + world.text("rsa.key"));
  return world.path("both.pem");
}

await world.run({
  async a_secret_gets_a_token_on_behalf_of_the_user() {
    await assertOnBehalfOf({ clientSecret: world.clientSecret });
  },

  async a_certificate_gets_a_token_on_behalf_of_the_user() {
    await world.registerCertificate("rsa");
    await assertOnBehalfOf({ certificatePath: certificateFile() });
  },

  async a_workload_gets_a_token_of_the_registration_itself() {
    const tokenFilePath = world.path("workload.jwt");
    const credential = new WorkloadIdentityCredential({ tenantId, clientId, tokenFilePath, ...world.place });
    const { token } = await credential.getToken("api://orders-backend/.default");
    assert.deepEqual([claimsOf(token).idtyp, claimsOf(token).azp], ["app", clientId]);
    assert.deepEqual(await world.granted(), { client_credentials: 1 });
    checked("an application's token for a service account's token in a file");
  },

  async a_machine_gets_its_own_token_from_the_metadata_endpoint() {
    process.env.AZURE_POD_IDENTITY_AUTHORITY_HOST = world.emulator;
    const { token } = await new ManagedIdentityCredential().getToken("api://AzureADTokenExchange/.default");
    assert.deepEqual([claimsOf(token).aud, claimsOf(token).idtyp], ["api://AzureADTokenExchange", "app"]);
    assert.ok((await world.counters()).managed_identity >= 1);
    checked("the managed identity's token");
  },
});
