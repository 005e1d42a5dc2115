//! `OpenID` providers other than Entra: where their documents are, and what their tokens look like.

use obo_proxy::caller::InvalidToken as Bad;
use serde_json::{Value, json};

use super::{CLIENT, ONE, assert_accepted, assert_refused, world};
use crate::support::log::lines_with;
use crate::support::provider::{Key, Provider, in_an_hour, jwks};
use crate::support::{World, eventually};

/// Routes with requirements, and one with an exchange.
const REQUIRING: &str = "
  - {name: scope, path: /scope, target: '{target}', grant: none, require: {scopes: [orders.read]}}
  - {name: role, path: /role, target: '{target}', grant: none, require: {roles: [manager]}}
  - {name: client, path: /client, target: '{target}', grant: none, require: {clients: [spa]}}
  - {name: orders, path: /orders, target: '{target}', scopes: [orders.read]}
";

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A provider with one issuer and one key.
struct Realm {
    provider: Provider,
    issuer: String,
}

impl Realm {
    /// Publishes the key set; the discovery document is left to the test.
    fn new(path: &str) -> Self {
        let provider = Provider::start();
        provider.publish("/keys", &jwks(&[Key::rsa(0).jwk_with("k", &json!({"alg": "RS256"}))]));
        Self { issuer: format!("{}{path}", provider.url), provider }
    }

    fn document(&self, issuer: &str) -> Value {
        let url = &self.provider.url;
        json!({
            "issuer": issuer, "jwks_uri": format!("{url}/keys"), "token_endpoint": format!("{url}/token"),
            "authorization_endpoint": format!("{url}/authorize"),
        })
    }

    /// Publishes the document of this issuer under `path`, and waits for a proxy that has read it.
    async fn published_at(self, path: &str) -> (Self, World) {
        self.provider.publish(path, &self.document(&self.issuer));
        let world = world(&[&format!("issuer: {}", self.issuer)]).await;
        world.proxy.wait_until_ready().await;
        (self, world)
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "user", "azp": "spa", "scope": "openid orders.read",
            "exp": in_an_hour(),
        })
    }

    fn token(&self) -> String {
        self.token_with(&json!({}))
    }

    /// A user's token with these claims in place of the usual ones; null for none.
    fn token_with(&self, change: &Value) -> String {
        self.typed(&json!({"typ": "JWT"}), change)
    }

    fn typed(&self, header: &Value, change: &Value) -> String {
        let mut claims = self.claims();
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let mut header = header.clone();
        header["kid"] = "k".into();
        Key::rsa(0).sign(header, &claims)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_issuer_are_accepted_by_what_its_document_says() {
    let (realm, world) = Realm::new("/realms/demo").published_at("/realms/demo/.well-known/openid-configuration").await;
    assert_accepted(&world, &realm.token()).await;
    assert_eq!(realm.provider.total_hits(), 2);
    let reply = world.send(http::Method::GET, "/open", &[], "").await;
    let expected = format!(r#"authorization_uri="{}/authorize""#, realm.provider.url);
    assert!(reply.challenge().contains(&expected), "{}", reply.challenge());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_is_compared_to_the_letter() {
    let (realm, world) = Realm::new("/realms/demo").published_at("/realms/demo/.well-known/openid-configuration").await;
    for issuer in [format!("{}/", realm.issuer), realm.issuer.to_uppercase(), format!("{}2", realm.issuer)] {
        assert_refused(&world, &realm.token_with(&json!({ "iss": issuer })), &Bad::Issuer("".into())).await;
    }
    assert_eq!(realm.provider.total_hits(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_may_end_with_a_slash() {
    let (realm, world) = Realm::new("/").published_at(DISCOVERY).await;
    assert_accepted(&world, &realm.token()).await;
    let without = realm.issuer.trim_end_matches('/');
    assert_refused(&world, &realm.token_with(&json!({ "iss": without })), &Bad::Issuer("".into())).await;
    assert_eq!((realm.provider.hits(DISCOVERY), realm.provider.total_hits()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_rfc_8414_is_found_where_there_is_no_other() {
    for path in
        ["/.well-known/oauth-authorization-server/tenant/as", "/tenant/as/.well-known/oauth-authorization-server"]
    {
        let (realm, world) = Realm::new("/tenant/as").published_at(path).await;
        assert_accepted(&world, &realm.token()).await;
        assert_eq!(realm.provider.hits("/tenant/as/.well-known/openid-configuration"), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_fails_is_not_looked_for_elsewhere() {
    let realm = Realm::new("");
    realm.provider.answer(DISCOVERY, 500, "");
    realm.provider.publish("/.well-known/oauth-authorization-server", &realm.document(&realm.issuer));
    let world = world(&[&format!("issuer: {}", realm.issuer)]).await;
    eventually("the document is asked for again", async || realm.provider.hits(DISCOVERY) >= 2).await;
    assert_eq!(world.proxy.admin("/readyz").await.0, 503);
    assert_eq!(realm.provider.total_hits(), realm.provider.hits(DISCOVERY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_another_issuer_is_never_trusted_and_the_log_says_so() {
    let realm = Realm::new("/realms/mine");
    let path = format!("/realms/mine{DISCOVERY}");
    realm.provider.publish(&path, &realm.document(&format!("{}/", realm.issuer)));
    let world = world(&[&format!("issuer: {}", realm.issuer)]).await;
    eventually("the document is asked for again", async || realm.provider.hits(&path) >= 2).await;
    assert_eq!(world.proxy.admin("/readyz").await.0, 503);
    assert_eq!(world.get("/open", &realm.token()).await.status, 503);
    let reason = format!("discovery: the document names the issuer \"{0}/\"; accepted: {0}", realm.issuer);
    assert!(lines_with(&realm.issuer).iter().any(|line| line["reason"] == reason));
    assert_eq!((realm.provider.hits("/keys"), world.target.total_hits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_elsewhere_may_name_another_issuer_but_tokens_may_not() {
    let realm = Realm::new("/internal");
    realm.provider.publish("/doc", &realm.document(&realm.issuer));
    let discovery = format!("discovery: {}/doc", realm.provider.url);
    let world = world(&["issuer: http://localhost:9/custom/", &discovery]).await;
    world.proxy.wait_until_ready().await;
    assert_accepted(&world, &realm.token_with(&json!({"iss": "http://localhost:9/custom/"}))).await;
    assert_refused(&world, &realm.token(), &Bad::Issuer("".into())).await;
    assert_eq!(realm.provider.total_hits(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_tokens_are_accepted_in_all_their_shapes() {
    let (realm, world) = Realm::new("").published_at(DISCOVERY).await;
    for (name, header, change) in [
        ("RFC 9068", json!({"typ": "at+jwt"}), json!({"client_id": "spa", "azp": null})),
        ("RFC 9068 in full", json!({"typ": "application/at+jwt"}), json!({"client_id": "spa", "scope": null})),
        ("Keycloak", json!({"typ": "JWT"}), json!({"typ": "Bearer", "aud": ["account", CLIENT], "nonce": "n"})),
        ("Okta", json!({}), json!({"cid": "spa", "azp": null, "scope": null, "scp": ["orders.read"], "uid": "u"})),
        ("Auth0", json!({"typ": "JWT"}), json!({"sub": "auth0|1", "gty": "password"})),
        ("one with claims of Entra", json!({"typ": "JWT"}), json!({"tid": ONE, "oid": 1, "ver": 7})),
    ] {
        let reply = world.get("/open", &realm.typed(&header, &change)).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text);
    }
    assert_eq!(realm.provider.total_hits(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_access_token_for_us_is_refused() {
    let (realm, world) = Realm::new("").published_at(DISCOVERY).await;
    let jwt = json!({"typ": "JWT"});
    for (header, change, verdict) in [
        (&jwt, json!({"typ": "ID"}), Bad::NotAccessToken),
        (&jwt, json!({"typ": "Refresh"}), Bad::NotAccessToken),
        (&jwt, json!({"typ": "Logout"}), Bad::NotAccessToken),
        (&jwt, json!({"nonce": "n"}), Bad::NotAccessToken),
        (&jwt, json!({"at_hash": "h"}), Bad::NotAccessToken),
        (&jwt, json!({"scope": null}), Bad::NotAccessToken),
        (&json!({"typ": "id_token"}), json!({}), Bad::NotAccessToken),
        (&json!({"typ": "logout+jwt"}), json!({}), Bad::NotAccessToken),
        (&jwt, json!({"cnf": {"jkt": "x"}}), Bad::SenderConstrained),
        (&jwt, json!({"aud": null}), Bad::NoAudience),
        (&jwt, json!({"aud": "account"}), Bad::Audience("".into())),
        (&jwt, json!({"aud": format!("api://{CLIENT}")}), Bad::Audience("".into())),
        (&jwt, json!({"aud": "https://graph.microsoft.com"}), Bad::Audience("".into())),
        (&jwt, json!({"sub": null}), Bad::Claim("sub")),
        (&jwt, json!({"exp": 1}), Bad::Expired),
    ] {
        assert_refused(&world, &realm.typed(header, &change), &verdict).await;
    }
    let foreign = Key::rsa(1).sign(json!({"typ": "JWT", "kid": "k"}), &realm.claims());
    assert_refused(&world, &foreign, &Bad::Signature).await;
    assert_eq!((realm.provider.total_hits(), world.target.total_hits()), (2, 0));
}

/// A proxy with the routes that have requirements.
async fn requiring(realm: &Realm) -> World {
    realm.provider.publish(DISCOVERY, &realm.document(&realm.issuer));
    let world = super::world_with(&[&format!("issuer: {}", realm.issuer)], REQUIRING).await;
    world.proxy.wait_until_ready().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn requirements_hold_for_claims_of_every_spelling() {
    let realm = Realm::new("");
    let world = requiring(&realm).await;
    for (path, change, status) in [
        ("/scope", json!({}), 200),
        ("/scope", json!({"scope": null, "scp": ["openid", "orders.read"]}), 200),
        ("/scope", json!({"scope": "orders.reader"}), 403),
        ("/role", json!({"roles": ["manager"]}), 200),
        ("/role", json!({"realm_access": {"roles": ["manager"]}}), 200),
        ("/role", json!({"resource_access": {"account": {"roles": ["manager"]}}}), 403),
        ("/client", json!({}), 200),
        ("/client", json!({"azp": null, "cid": "spa"}), 200),
        ("/client", json!({"client_id": "other"}), 403),
    ] {
        let reply = world.get(path, &realm.token_with(&change)).await;
        assert_eq!(reply.status, status, "{path} {change}: {}", reply.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_applications_are_exchanged_for_nobody() {
    let realm = Realm::new("");
    let world = requiring(&realm).await;
    for change in [
        json!({"sub": "spa"}),
        json!({"sub": "spa@clients"}),
        json!({"gty": "client-credentials"}),
        json!({"client_id": "spa", "clientHost": "10.0.0.1"}),
        json!({"idtyp": "app"}),
    ] {
        let reply = world.get("/orders", &realm.token_with(&change)).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (403, "app_only_token"), "{change}");
    }
    assert_eq!((realm.provider.hits("/token"), world.target.total_hits()), (0, 0));
}
