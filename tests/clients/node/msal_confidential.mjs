// MSAL for Node.js as a confidential client of the emulator.

import assert from "node:assert/strict";
import { X509Certificate, createHash } from "node:crypto";

import { ConfidentialClientApplication, InteractionRequiredAuthError } from "@azure/msal-node";

import * as world from "./world.mjs";
import { checked, claimsOf } from "./world.mjs";

function application(credential, more = {}) {
  const knownAuthorities = [new URL(world.emulator).host];
  const auth = { clientId: world.clientId, authority: world.authority, knownAuthorities, ...credential, ...more };
  return new ConfidentialClientApplication({ auth });
}

/** The credential gets a signed-in user's token B, by exactly one request. Returns that request's form. */
async function assertOnBehalfOf(credential) {
  const tokenA = await world.tokenA();
  const client = application(credential);
  const request = { oboAssertion: tokenA, scopes: [world.scopeOfB] };
  const first = await client.acquireTokenOnBehalfOf(request);
  const second = await client.acquireTokenOnBehalfOf(request);
  const [claims, caller] = [claimsOf(first.accessToken), claimsOf(tokenA)];
  assert.deepEqual([claims.aud, claims.scp], ["api://orders-backend", "Orders.Read"]);
  assert.deepEqual([claims.oid, claims.tid, claims.azp], [caller.oid, world.tenantId, world.clientId]);
  assert.equal(first.account.username, "carol@contoso.example");
  assert.deepEqual([second.accessToken, second.fromCache], [first.accessToken, true]);
  assert.deepEqual(await world.granted(), { on_behalf_of: 1, password: 1 });
  checked("token B is the signed-in user's, asked for twice and fetched once");
  return (await world.forms()).at(-1);
}

function certificate(name, more = {}) {
  const { raw } = new X509Certificate(world.text(`${name}.pem`));
  const thumbprintSha256 = createHash("sha256").update(raw).digest("hex");
  return { clientCertificate: { thumbprintSha256, privateKey: world.text(`${name}.key`), ...more } };
}

async function assertStepUpIsTold(shape, error, suberror) {
  await world.policy({ step_up_shape: shape });
  const client = application({ clientSecret: world.clientSecret });
  const ask = async (oboAssertion) => client.acquireTokenOnBehalfOf({ oboAssertion, scopes: [world.stepUpScope] });
  const refusal = await ask(await world.tokenA()).then(assert.fail, (refusal) => refusal);
  assert.ok(refusal instanceof InteractionRequiredAuthError, String(refusal));
  assert.deepEqual([refusal.errorCode, refusal.subError, refusal.claims], [error, suberror, world.stepUpClaims]);
  const granted = await ask(await world.tokenA(refusal.claims));
  assert.equal(claimsOf(granted.accessToken).aud, "api://payroll");
  assert.deepEqual([(await world.requested()).on_behalf_of, (await world.granted()).on_behalf_of], [2, 1]);
  checked("error, suberror and claims; and what signs in with those claims is let through");
}

await world.run({
  async a_secret_gets_a_token_on_behalf_of_the_user() {
    const form = await assertOnBehalfOf({ clientSecret: world.clientSecret });
    assert.deepEqual([form.client_secret, form.client_assertion], [world.clientSecret, undefined]);
  },

  async a_certificate_gets_a_token_on_behalf_of_the_user() {
    await world.registerCertificate("rsa");
    const form = await assertOnBehalfOf(certificate("rsa"));
    const header = world.headerOf(form.client_assertion);
    assert.deepEqual([header.alg, "x5t#S256" in header, "x5c" in header], ["PS256", true, false]);
  },

  async a_certificate_that_is_sent_along_gets_a_token_on_behalf_of_the_user() {
    await world.registerCertificate("rsa");
    const form = await assertOnBehalfOf(certificate("rsa", { x5c: world.text("rsa-chain.pem") }));
    assert.equal(world.headerOf(form.client_assertion).x5c.length, 2);
  },

  async a_registration_gets_a_token_of_its_own_and_keeps_it() {
    const client = application({ clientSecret: world.clientSecret });
    const request = { scopes: ["api://orders-backend/.default"] };
    const first = await client.acquireTokenByClientCredential(request);
    const second = await client.acquireTokenByClientCredential(request);
    assert.equal(claimsOf(first.accessToken).idtyp, "app");
    assert.deepEqual([first.fromCache, second.fromCache], [false, true]);
    assert.deepEqual(await world.requested(), { client_credentials: 1 });
    checked("an application's token, the second time from the cache");
  },

  async a_step_up_is_told_as_documented_and_its_claims_satisfy_it() {
    await assertStepUpIsTold("interaction_required", "interaction_required", "");
  },

  async a_step_up_is_told_as_the_live_endpoint_does_and_its_claims_satisfy_it() {
    await assertStepUpIsTold("basic_action", "invalid_grant", "basic_action");
  },
});
