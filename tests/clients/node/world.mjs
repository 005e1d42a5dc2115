// What surrounds a script: where the servers are, what reached them, and a user who signs in.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { UsernamePasswordCredential } from "@azure/identity";

const world = JSON.parse(process.env.OBO_WORLD);
export const { emulator, target, proxy, client_id: clientId, client_secret: clientSecret, tenant_id: tenantId } = world;
export const authority = `${emulator}/${tenantId}`;
// An application of the caller's own, which has no credential.
export const callerId = "99990000-dddd-4444-eeee-555566667777";
export const scopeOfA = `api://${clientId}/access_as_user`;
export const scopeOfB = "api://orders-backend/Orders.Read";
export const stepUpScope = "api://payroll/Payroll.Read";
export const stepUpClaims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';
export const place = { authorityHost: emulator, disableInstanceDiscovery: true };

/** Runs the claim that the command line names. */
export async function run(claims) {
  // A script that hangs ends all the same.
  setTimeout(() => {
    console.error("timed out");
    process.exit(1);
  }, 90_000).unref();
  await claims[process.argv[2]]();
}

export function checked(what) {
  console.log(`checked: ${what}`);
}

async function json(url, body) {
  const request = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const answer = await fetch(url, request);
  assert.equal(answer.status, 200, `${url}: ${await answer.clone().text()}`);
  return answer.json();
}

const control = (path, body) => json(`${emulator}/emulator/${path}`, body);

export const counters = () => control("counters");
/** How many tokens the emulator gave, by grant. */
export const granted = async () => (await counters()).granted;
/** How many requests reached the emulator's token endpoint, by grant. */
export const requested = async () => (await counters()).requested;
/** The last token requests, each as its form. */
export const forms = async () => (await control("requests")).map(({ form }) => Object.fromEntries(form));
export const policy = (members) => control("policy", members);
export const registerCertificate = (name) => control("credentials", { add_certificate: text(`${name}.pem`) });
/** A token A of the emulator's, without a sign-in. */
export const mint = async (wishes) => (await control("tokens", wishes)).access_token;
/** How many requests reached the target, by path. */
export const hits = () => json(`${target}/emulator/hits`);

export function text(name) {
  return readFileSync(join(world.directory, name), "utf8");
}

export function path(name) {
  return join(world.directory, name);
}

/** A credential that signs a user in, again wherever claims are asked for, and lists what it was asked. */
export function signedInUser() {
  const user = new UsernamePasswordCredential(tenantId, callerId, "carol@contoso.example", "any", place);
  const asked = [];
  const getToken = (scopes, options) => {
    assert.deepEqual([scopes].flat(), [scopeOfA]);
    asked.push(options.claims);
    return user.getToken(scopes, options);
  };
  return { asked, getToken };
}

/** A token A of a user who signed in. */
export async function tokenA(claims) {
  return (await signedInUser().getToken(scopeOfA, { claims })).token;
}

/** The claims of a token, whose signature is the business of others. */
export function claimsOf(token) {
  return part(token, 1);
}

export function headerOf(token) {
  return part(token, 0);
}

function part(token, index) {
  return JSON.parse(Buffer.from(token.split(".")[index], "base64url").toString("utf8"));
}
