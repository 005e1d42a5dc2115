//! Every challenge that the proxy can make, as it arrives over TLS, and what it has to say.

use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use super::world::{CLIENT_ID, TENANT_ID, World};

/// A challenge, and what a reader has to find in it.
#[derive(Debug, Serialize)]
pub struct Challenge {
    /// What it answers.
    pub name: String,
    /// The value of `WWW-Authenticate`.
    pub header: String,
    /// All its parameters but `claims`.
    pub parameters: Map<String, Value>,
    /// The JSON text that `claims` stands for.
    pub claims: Option<String>,
}

/// All of them; collected once, and read by every parser.
pub async fn collected() -> &'static [Challenge] {
    static COLLECTED: OnceCell<Vec<Challenge>> = OnceCell::const_new();
    COLLECTED.get_or_init(collect).await
}

async fn collect() -> Vec<Challenge> {
    let world = World::start().await;
    let (token, expired) = (world.token(&json!({})).await, world.token(&json!({"lifetime": -600})).await);
    let tenant = format!("{}/{TENANT_ID}/oauth2/v2.0/authorize", world.url("emulator"));
    let realm = format!("{}/realms/sample/protocol/openid-connect/auth", world.url("emulator"));
    let scopes = "Orders.Read api://orders/Orders.Write Orders.Delete";
    let two = format!("Bearer {token}, Bearer {token}");
    let mut all = vec![
        at(&world, "/orders/1", "", 401, &tenant, &[]).await,
        at(&world, "/realm/1", "", 401, &realm, &[]).await,
        at(&world, "/orders/1", &format!("Bearer {expired}"), 401, &tenant, &[("error", "invalid_token")]).await,
        at(&world, "/realm/1", &format!("Bearer {token}"), 401, &realm, &[("error", "invalid_token")]).await,
        at(&world, "/orders/1", &two, 400, &tenant, &[("error", "invalid_request")]).await,
    ];
    let bearer = format!("Bearer {token}");
    let lacking = [("error", "insufficient_scope"), ("scope", scopes)];
    all.push(at(&world, "/strict/1", &bearer, 403, &tenant, &lacking).await);
    all.push(at(&world, "/roles/1", &bearer, 403, &tenant, &[("error", "insufficient_scope")]).await);
    for claims in awkward_claims() {
        world.tell_emulator("policy", &json!({"step_up_claims": claims})).await;
        let more = [("error", "insufficient_claims")];
        // An answer to a refused exchange is remembered for a while: each of these has a token of its own.
        let token = world.token(&json!({})).await;
        let challenge = at(&world, "/payroll/1", &format!("Bearer {token}"), 401, &tenant, &more).await;
        all.push(Challenge { claims: Some(claims), ..challenge });
    }
    let metadata = format!("{}/.well-known/oauth-protected-resource/agents", world.url("proxy"));
    let named = ("resource_metadata", &*metadata);
    let scope = ("scope", "api://agents/Agents.Read https://api.contoso.com/agents/access_as_user");
    all.push(at(&world, "/agents/1", "", 401, &tenant, &[scope, named]).await);
    let invalid = [("error", "invalid_token"), scope, named];
    all.push(at(&world, "/agents/1", &format!("Bearer {expired}"), 401, &tenant, &invalid).await);
    world.tell_emulator("policy", &json!({})).await;
    let challenge = at(&world, "/agents/1", &bearer, 401, &tenant, &[("error", "insufficient_claims"), named]).await;
    all.push(Challenge { claims: Some(value("c1")), ..challenge });
    let body = json!({"error": "interaction_required", "error_description": "AADSTS50078: sign in again"});
    let answer = json!({"status": 400, "headers": [["content-type", "application/json"]], "body": body.to_string()});
    world.tell_emulator("faults", &json!({"times": 1, "effect": {"answer": answer}})).await;
    let more = [("error", "insufficient_user_authentication")];
    all.push(at(&world, "/orders/1", &bearer, 401, &tenant, &more).await);
    all
}

/// The challenge that a request meets.
async fn at(
    world: &World,
    path: &str,
    authorization: &str,
    status: u16,
    authorization_uri: &str,
    more: &[(&str, &str)],
) -> Challenge {
    let mut request = world.client.get(format!("{}{path}", world.url("proxy")));
    if !authorization.is_empty() {
        request = request.header(AUTHORIZATION, authorization);
    }
    let response = request.send().await.unwrap();
    let found: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::to_str).collect();
    assert_eq!((response.status().as_u16(), found.len()), (status, 1), "{path} {found:?}");
    let own = [("authorization_uri", authorization_uri), ("client_id", CLIENT_ID)];
    let parameters = own.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.into())).collect();
    let name = more.iter().find(|(name, _)| *name == "error").map_or("missing_token", |(_, error)| error);
    Challenge {
        name: format!("{name} at {path}"),
        header: found[0].as_ref().unwrap().to_string(),
        parameters,
        claims: None,
    }
}

/// Claims that demand this authentication context.
fn value(text: &str) -> String {
    json!({"access_token": {"acrs": {"essential": true, "value": text}}}).to_string()
}

/// Claims as the identity provider might word them: every shape of blanks, escapes and characters whose base64 would
/// have a `+`, a `/` or padding.
fn awkward_claims() -> Vec<String> {
    let mut all = vec![
        value("c1"),
        r#"{"access_token":{"polids":{"essential":true,"values":["9ab03e19-ed42-4168-b6b7-7001fb3e933a"]}}}"#
            .to_owned(),
        "{ \"access_token\" : {\n\t\"nbf\": {\"essential\": true, \"value\": \"1604106651\"} } }".to_owned(),
        r#"{"access_token":{"capolids":{"essential":true,"values":["a\"b","c\\d","e\/f","\u00e9,\u0041"]}}}"#
            .to_owned(),
        value("what?? ~~ >>> ?>~ \u{7f}"),
        value("Grüße, 東京 – 🗝️ ÿþ¿¾"),
        // Its base64 has neither `+` nor `/`, yet some readers take each byte of it for a character.
        value("Zürich"),
        value("a=b, error=\"x\", Bearer claims=\"y\""),
        value(&"long ".repeat(300)),
    ];
    // One of three lengths needs no padding, one a single `=`, one two of them; the character comes to lie everywhere.
    all.extend((0..6).map(|length| value(&format!("{}?~>ÿ", "x".repeat(length)))));
    all
}
