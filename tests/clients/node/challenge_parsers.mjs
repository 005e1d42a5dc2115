// Parsers of WWW-Authenticate, each held against what the proxy's challenges have to say.

import assert from "node:assert/strict";

import { authorizeRequestOnClaimChallenge } from "@azure/core-client";
import {
  bearerTokenAuthenticationPolicy,
  createEmptyPipeline,
  createHttpHeaders,
  createPipelineRequest,
} from "@azure/core-rest-pipeline";
import { parse as parseAuthHeader } from "auth-header";
import { BEARER, parseWWWAuthenticateHeader } from "http-auth-utils";
import { parseHTTPHeadersQuotedKeyValueSet } from "http-auth-utils/dist/utils.js";
import wwwAuthenticate from "www-authenticate";

const challenges = JSON.parse(process.env.OBO_CHALLENGES);

/** The parameters that a parser found are all there are, and have the right values. */
function assertSays(challenge, found) {
  const { claims, ...parameters } = found;
  assert.deepEqual(parameters, challenge.parameters, challenge.header);
  assert.equal(claims === undefined, challenge.claims === null, challenge.header);
  if (claims === undefined) return;
  for (const alphabet of ["base64", "base64url"]) {
    assert.deepEqual(JSON.parse(Buffer.from(claims, alphabet).toString("utf8")), JSON.parse(challenge.claims));
  }
  assert.match(claims, /^[A-Za-z0-9]+={0,2}$/);
}

function forEach(read) {
  for (const challenge of challenges) assertSays(challenge, read(challenge.header));
  console.log(`checked: ${challenges.length} challenges`);
}

/** What a policy hands to its credential after the challenge; undefined where it leaves the credential alone. */
async function claimsAtTheCredential(header, challengeCallbacks) {
  const asked = [];
  const credential = {
    getToken: async (_scopes, options) => {
      asked.push(options.claims);
      return { token: "a", expiresOnTimestamp: Date.now() + 3_600_000 };
    },
  };
  const pipeline = createEmptyPipeline();
  pipeline.addPolicy(bearerTokenAuthenticationPolicy({ credential, scopes: "s", challengeCallbacks }));
  let requests = 0;
  const sendRequest = async (request) => {
    requests += 1;
    const headers = createHttpHeaders({ "www-authenticate": header });
    return requests === 1 ? { request, status: 401, headers } : { request, status: 200, headers: createHttpHeaders() };
  };
  const response = await pipeline.sendRequest({ sendRequest }, createPipelineRequest({ url: "https://localhost/" }));
  assert.equal(asked[0], undefined);
  assert.deepEqual([response.status, requests], asked.length === 2 ? [200, 2] : [401, 1]);
  return asked[1];
}

async function assertClaims(challengeCallbacks) {
  for (const challenge of challenges) {
    const claims = await claimsAtTheCredential(challenge.header, challengeCallbacks);
    assert.deepEqual(claims === undefined ? null : JSON.parse(claims), JSON.parse(challenge.claims), challenge.header);
  }
  console.log(`checked: ${challenges.length} challenges`);
}

const claims = {
  auth_header_reads_every_challenge() {
    forEach((header) => {
      const { scheme, params, token } = parseAuthHeader(header);
      assert.deepEqual([scheme, token], ["Bearer", null]);
      return params;
    });
  },

  async azure_core_client_reads_the_claims() {
    // As long as the policy did not know of claims itself, this was its way to handle them; now it comes second.
    const read = async (header) => {
      const response = { headers: createHttpHeaders({ "www-authenticate": header }) };
      const request = { headers: createHttpHeaders() };
      let asked;
      const getAccessToken = async (_scopes, options) => {
        asked = options.claims;
        return { token: "a", expiresOnTimestamp: 0 };
      };
      const logger = { info() {}, warning() {} };
      const options = { scopes: ["s"], response, request, getAccessToken, logger };
      const handled = await authorizeRequestOnClaimChallenge(options);
      assert.equal(handled, asked !== undefined);
      return asked;
    };
    for (const challenge of challenges) {
      const found = await read(challenge.header);
      assert.deepEqual(found === undefined ? null : JSON.parse(found), JSON.parse(challenge.claims), challenge.header);
    }
    console.log(`checked: ${challenges.length} challenges`);
  },

  async azure_core_rest_pipeline_reads_the_claims() {
    await assertClaims(undefined);
    await assertClaims({ authorizeRequestOnChallenge: authorizeRequestOnClaimChallenge });
  },

  http_auth_utils_reads_every_challenge() {
    // Its own Bearer refuses every parameter but those of RFC 6750: Entra's authorization_uri and claims, for two.
    const names = ["authorization_uri", "client_id", "error", "scope", "claims", "resource_metadata"];
    const parseRest = (rest) => parseHTTPHeadersQuotedKeyValueSet(rest, names, []);
    const bearer = { ...BEARER, parseWWWAuthenticateRest: parseRest };
    forEach((header) => {
      const { type, data } = parseWWWAuthenticateHeader(header, [bearer]);
      assert.equal(type, "Bearer");
      return data;
    });
  },

  www_authenticate_reads_every_challenge() {
    forEach((header) => {
      const parsed = new wwwAuthenticate.parsers.WWW_Authenticate(header);
      assert.deepEqual([parsed.scheme, parsed.err], ["Bearer", undefined]);
      return parsed.parms;
    });
  },
};

await claims[process.argv[2]]();
