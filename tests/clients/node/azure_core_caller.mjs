// @azure/core-rest-pipeline with @azure/identity as a caller of the proxy.

import assert from "node:assert/strict";

import { authorizeRequestOnClaimChallenge } from "@azure/core-client";
import {
  bearerTokenAuthenticationPolicy,
  createDefaultHttpClient,
  createEmptyPipeline,
  createPipelineRequest,
} from "@azure/core-rest-pipeline";

import * as world from "./world.mjs";
import { checked } from "./world.mjs";

/** A function that sends a GET through a pipeline with that credential. */
function caller(credential, challengeCallbacks) {
  const pipeline = createEmptyPipeline();
  pipeline.addPolicy(bearerTokenAuthenticationPolicy({ credential, scopes: world.scopeOfA, challengeCallbacks }));
  const client = createDefaultHttpClient();
  return async (path) => {
    const answer = await pipeline.sendRequest(client, createPipelineRequest({ url: `${world.proxy}${path}` }));
    return { status: answer.status, body: JSON.parse(answer.bodyAsText) };
  };
}

/** The library redeems its refresh token with the claims, as it does wherever the user need not be asked. */
async function assertGetsThrough(challengeCallbacks) {
  const credential = world.signedInUser();
  const get = caller(credential, challengeCallbacks);
  const answer = await get("/payroll/1");
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const { aud, acrs } = answer.body.authorization.claims;
  assert.deepEqual([aud, acrs], ["api://payroll", ["c1"]]);
  assert.deepEqual(credential.asked, [undefined, world.stepUpClaims]);
  assert.deepEqual(await world.requested(), { on_behalf_of: 2, password: 1, refresh_token: 1 });
  assert.deepEqual(await world.granted(), { on_behalf_of: 1, password: 1, refresh_token: 1 });
  assert.deepEqual(await world.hits(), { "/1": 1 });
  assert.equal((await get("/payroll/2")).status, 200);
  assert.deepEqual([credential.asked.length, (await world.requested()).on_behalf_of], [2, 2]);
  checked("one challenge, its claims word for word at the credential, one request at the target; then no more of it");
}

await world.run({
  async a_call_without_a_challenge_takes_one_token_and_one_exchange() {
    const credential = world.signedInUser();
    const get = caller(credential);
    for (const path of ["/orders/1", "/orders/2", "/orders/3"]) assert.equal((await get(path)).status, 200);
    assert.deepEqual(credential.asked, [undefined]);
    assert.deepEqual(await world.granted(), { on_behalf_of: 1, password: 1 });
    assert.deepEqual(await world.hits(), { "/1": 1, "/2": 1, "/3": 1 });
    checked("three calls, one sign-in, one exchange, three requests at the target");
  },

  async a_challenge_of_the_identity_provider_is_met_by_a_new_token() {
    await assertGetsThrough();
  },

  async a_challenge_is_met_as_well_where_the_callback_of_core_client_is_set() {
    await assertGetsThrough({ authorizeRequestOnChallenge: authorizeRequestOnClaimChallenge });
  },

  async a_challenge_of_the_target_is_met_by_a_new_token() {
    const credential = world.signedInUser();
    const answer = await caller(credential)("/orders/step-up");
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.deepEqual(answer.body.authorization.claims.acrs, ["c1"]);
    assert.equal(credential.asked.length, 2);
    assert.deepEqual(await world.granted(), { on_behalf_of: 2, password: 1, refresh_token: 1 });
    assert.deepEqual(await world.hits(), { "/step-up": 2 });
    checked("the target's own challenge arrives as it was made; the second token A gets an exchange of its own");
  },

  async a_challenge_without_claims_leaves_the_credential_alone() {
    const expired = await world.mint({ lifetime: -600 });
    const asked = [];
    const getToken = async (_scopes, options) => {
      asked.push(options.claims);
      return { token: expired, expiresOnTimestamp: Date.now() + 3_600_000 };
    };
    const answer = await caller({ getToken })("/orders/1");
    assert.deepEqual([answer.status, answer.body.code], [401, "invalid_token"]);
    assert.deepEqual([asked, await world.requested(), await world.hits()], [[undefined], {}, {}]);
    checked("invalid_token is no claims challenge: no second request");
  },
});
