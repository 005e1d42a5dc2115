//! Identity providers other than one tenant of Entra: several tenants, issuers of many kinds, and `OpenID` providers.

mod issuers;
mod openid;
mod tenants;

use obo_proxy::caller::InvalidToken;
use obo_proxy::emulator::{Emulator, EmulatorOptions};
use serde_json::{Value, json};

use crate::support::log::access_line;
use crate::support::provider::{Key, Provider, in_an_hour, jwks};
use crate::support::{World, listener};

/// A route that shows whether a token is accepted by itself.
const ROUTES: &str = r"
  - {name: open, path: /open, target: '{target}', grant: none}
";

const CLIENT: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const ONE: &str = "11111111-2222-3333-4444-555555555555";
const TWO: &str = "22222222-2222-3333-4444-555555555555";

/// A proxy whose identity has these keys in place of `tenant_id` and `authority`; it may not be ready yet.
async fn world(identity: &[&str]) -> World {
    world_with(identity, ROUTES).await
}

/// The same with routes of its own.
async fn world_with(identity: &[&str], routes: &str) -> World {
    let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
    let authority = format!("    authority: {}\n", emulator.public_url());
    let keys = identity.iter().fold(String::new(), |keys, line| keys + "    " + line + "\n");
    World::around(emulator, "", routes, |configuration| {
        assert!(configuration.contains(&authority));
        configuration.replace(&format!("    tenant_id: {ONE}\n"), "").replace(&authority, &keys)
    })
    .await
}

/// Sends the token, which must be accepted.
async fn assert_accepted(world: &World, token: &str) {
    world.keep_secret(token);
    let reply = world.get("/open", token).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

/// Sends the token, which must be refused for this reason.
async fn assert_refused(world: &World, token: &str, verdict: &InvalidToken) {
    world.keep_secret(token);
    let reply = world.get("/open", token).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (401, "invalid_token"), "{}", reply.text);
    let line = access_line(reply.header("x-request-id")).await;
    assert_eq!(line["reason"], verdict.reason());
}

/// An Entra tenant at the provider: documents of both versions, and the keys of each.
struct Tenant<'a> {
    provider: &'a Provider,
    id: &'a str,
}

impl Tenant<'_> {
    fn path(&self, rest: &str) -> String {
        format!("/{}/{rest}", self.id)
    }

    fn v1(&self) -> String {
        format!("{}/sts/{}/", self.provider.url, self.id)
    }

    fn v2(&self) -> String {
        format!("{}/{}/v2.0", self.provider.url, self.id)
    }

    /// Publishes the documents, in which `{tenantid}` stands for the tenant as in those for many, and these keys; where
    /// there is none for v1 tokens, one that signs nothing here.
    fn publish(&self, v2: &[Value], v1: &[Value]) -> &Self {
        let url = &self.provider.url;
        let document = |issuer: &str, keys: &str| {
            let jwks_uri = format!("{url}{}", self.path(keys));
            json!({"issuer": format!("{url}/{issuer}"), "jwks_uri": jwks_uri, "token_endpoint": format!("{url}/t")})
        };
        let provider = self.provider;
        provider.publish(&self.path(V2), &document("{tenantid}/v2.0", V2_KEYS));
        provider.publish(&self.path(V1), &document("sts/{tenantid}/", V1_KEYS));
        provider.publish(&self.path(V2_KEYS), &jwks(v2));
        let unused = [Key::rsa(2).jwk("unused")];
        provider.publish(&self.path(V1_KEYS), &jwks(if v1.is_empty() { &unused } else { v1 }));
        self
    }

    /// How often each of the documents and key sets was asked for, the v2 ones first.
    fn hits(&self) -> [u64; 4] {
        [V2, V2_KEYS, V1, V1_KEYS].map(|rest| self.provider.hits(&self.path(rest)))
    }

    /// A user's token of this tenant with that issuer.
    fn token(&self, issuer: &str, key: &Key, key_id: &str) -> String {
        let claims = json!({
            "iss": issuer, "aud": CLIENT, "tid": self.id, "oid": "user", "scp": "access_as_user", "azp": "client",
            "exp": in_an_hour(),
        });
        key.sign(json!({"typ": "JWT", "kid": key_id}), &claims)
    }
}

const V2: &str = "v2.0/.well-known/openid-configuration";
const V1: &str = ".well-known/openid-configuration";
const V2_KEYS: &str = "discovery/v2.0/keys";
const V1_KEYS: &str = "discovery/keys";
