//! Every verdict on token A, from outside: what is refused costs no exchange, reaches no target, and is explained in
//! the log; what is accepted goes on.

mod headers;
mod keys;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use obo_proxy::caller::InvalidToken as Bad;
use obo_proxy::emulator::{Signer, TokenRequest, TokenVersion};
use serde_json::{Value, json};

use crate::support::World;
use crate::support::log::access_line;
use crate::support::refusal::Refusal;

/// One route with an exchange, and one that shows whether a token is accepted by itself.
const ROUTES: &str = r"
  - {name: orders, path: /orders, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: open, path: /open, target: '{target}', grant: none}
";

async fn world() -> World {
    World::with_routes(ROUTES).await
}

/// A bad token: what it is called when it is accepted, the token, and the verdict that the log shows.
type Case = (&'static str, String, Bad);

/// Sends every token; each must be refused as `invalid_token`, with its verdict in the log, and reach nobody. A good
/// token is served afterwards.
async fn assert_all_refused(world: &World, cases: Vec<Case>) {
    let mut faults = Vec::new();
    for (name, token, verdict) in cases {
        world.keep_secret(&token);
        let before = (world.token_requests(), world.target.total_hits());
        let reply = world.get("/orders", &token).await;
        let after = (world.token_requests(), world.target.total_hits());
        if reply.code() != "invalid_token" || before != after {
            faults.push(format!("{name}: {} {}, {before:?} before and {after:?} after", reply.status, reply.text));
            continue;
        }
        Refusal::invalid_token(world).check(world, &reply);
        let line = access_line(reply.header("x-request-id")).await;
        if line["reason"] != verdict.reason() {
            faults.push(format!("{name}: {} instead of {}", line["reason"], verdict.reason()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
    assert_eq!(world.get("/orders", &world.token()).await.status, 200);
}

/// Each token is accepted.
async fn assert_all_accepted(world: &World, cases: Vec<(&'static str, TokenRequest)>) {
    let accepted = cases.len() as u64;
    for (name, request) in cases {
        let reply = world.get("/open", &world.mint(&request)).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text);
    }
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, accepted));
}

/// A token with these claims put over the usual ones.
fn claiming(claims: Value) -> TokenRequest {
    let Value::Object(claims) = claims else { panic!("{claims}") };
    TokenRequest { claims, ..TokenRequest::default() }
}

/// A token without this claim.
fn without(claim: &str) -> TokenRequest {
    TokenRequest { remove: vec![claim.to_owned()], ..TokenRequest::default() }
}

/// A token with these header members put over the usual ones.
fn with_header(header: Value) -> TokenRequest {
    let Value::Object(header) = header else { panic!("{header}") };
    TokenRequest { header, ..TokenRequest::default() }
}

/// The parts of a token.
fn parts(token: &str) -> [String; 3] {
    let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

/// The JSON text of a part.
fn decoded(part: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_is_no_signed_token() {
    let world = world().await;
    let [header, payload, signature] = parts(&world.token());
    let array = URL_SAFE_NO_PAD.encode("[]");
    let cases = vec![
        ("garbage", "opaque-reference-token-0123456789".to_owned(), Bad::NotJwt),
        ("two parts", format!("{header}.{payload}"), Bad::NotJwt),
        ("four parts", format!("{header}.{payload}.{signature}.{signature}"), Bad::NotJwt),
        ("five parts, a JWE", format!("{header}.{payload}.{payload}.{payload}.{signature}"), Bad::Encrypted),
        ("three empty parts", "..".to_owned(), Bad::MalformedHeader),
        ("no header", format!(".{payload}.{signature}"), Bad::MalformedHeader),
        ("no payload", format!("{header}..{signature}"), Bad::MalformedClaims),
        ("no signature", format!("{header}.{payload}."), Bad::Signature),
        ("a padded signature", format!("{header}.{payload}.{signature}=="), Bad::Signature),
        ("a header in the other base64", format!("{}+/.{payload}.{signature}", &header[..8]), Bad::MalformedHeader),
        ("a header that is no object", format!("{array}.{payload}.{signature}"), Bad::MalformedHeader),
        ("a payload that is no object", format!("{header}.{array}.{signature}"), Bad::MalformedClaims),
        ("a payload that breaks off", format!("{header}.{}.{signature}", &payload[..40]), Bad::MalformedClaims),
        ("characters that no token has", format!("{header}.{payload}.\"{signature}\""), Bad::NotToken68),
    ];
    assert_all_refused(&world, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_the_published_key_did_not_sign() {
    let world = world().await;
    let good = TokenRequest::default();
    let [header, payload, signature] = parts(&world.token());
    let other_user = decoded(&payload).replace("aaaaaaaa-0000", "eeeeeeee-0000");
    assert_ne!(other_user, decoded(&payload));
    let other_payload = URL_SAFE_NO_PAD.encode(other_user);
    let other_signature = signature.replacen(|c: char| c.is_ascii_lowercase(), "Z", 1);
    let other_token = parts(&world.token_of("somebody-else"));
    let sign = |request: &TokenRequest, signer| world.emulator.mint_with(request, signer);
    let named = |alg: &str| with_header(json!({"alg": alg}));
    let own_key = json!({"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "jku": "https://evil.example/keys"});
    let cases = vec![
        ("alg none", sign(&good, Signer::Unsigned), Bad::Algorithm),
        ("alg None", sign(&named("None"), Signer::Unsigned), Bad::Algorithm),
        ("alg none with a signature", world.emulator.mint(&named("none")), Bad::Algorithm),
        ("HS256 with the public key", sign(&good, Signer::PublicKeyAsSecret), Bad::Algorithm),
        ("HS256 that says RS256", sign(&named("RS256"), Signer::PublicKeyAsSecret), Bad::Signature),
        ("RS256 that says RS512", world.emulator.mint(&named("RS512")), Bad::Algorithm),
        ("RS256 that says PS256", world.emulator.mint(&named("PS256")), Bad::Algorithm),
        ("RS256 that says ES256", world.emulator.mint(&named("ES256")), Bad::Algorithm),
        ("an algorithm in small letters", world.emulator.mint(&named("rs256")), Bad::Algorithm),
        ("no algorithm", world.emulator.mint(&with_header(json!({"alg": null}))), Bad::MalformedHeader),
        ("a foreign key under our key's name", sign(&good, Signer::Foreign), Bad::Signature),
        ("a foreign key that comes along", sign(&with_header(own_key), Signer::Foreign), Bad::Signature),
        ("another payload", format!("{header}.{other_payload}.{signature}"), Bad::Signature),
        ("another signature", format!("{header}.{payload}.{other_signature}"), Bad::Signature),
        ("the signature of another token", format!("{header}.{payload}.{}", other_token[2]), Bad::Signature),
        ("an unknown key", world.emulator.mint(&with_header(json!({"kid": "unknown"}))), Bad::UnknownKey),
        ("no key", world.emulator.mint(&with_header(json!({"kid": null}))), Bad::NoKeyId),
        (
            "a key that is no text",
            world.emulator.mint(&with_header(json!({"kid": [world.emulator.kid()]}))),
            Bad::NoKeyId,
        ),
        ("crit", world.emulator.mint(&with_header(json!({"crit": ["exp"]}))), Bad::CriticalHeader),
        ("crit without names", world.emulator.mint(&with_header(json!({"crit": []}))), Bad::CriticalHeader),
    ];
    assert_all_refused(&world, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_was_issued_for_somebody_else() {
    let world = world().await;
    let emulator = &world.emulator;
    let (url, tenant) = (emulator.url(), &emulator.options().tenant_id);
    let other_tenant = "99999999-2222-3333-4444-555555555555";
    let cases = [
        ("another audience", claiming(json!({"aud": "api://payroll"})), Bad::Audience("".into())),
        (
            "an audience in capitals",
            claiming(json!({"aud": "API://00001111-AAAA-2222-BBBB-3333CCCC4444"})),
            Bad::Audience("".into()),
        ),
        (
            "an audience with a slash",
            claiming(json!({"aud": "api://00001111-aaaa-2222-bbbb-3333cccc4444/"})),
            Bad::Audience("".into()),
        ),
        ("several other audiences", claiming(json!({"aud": ["a", "b"]})), Bad::Audience("".into())),
        ("no audience in the list", claiming(json!({"aud": []})), Bad::Audience("".into())),
        ("Microsoft Graph", claiming(json!({"aud": "https://graph.microsoft.com"})), Bad::GraphAudience),
        (
            "Microsoft Graph by its ID",
            claiming(json!({"aud": "00000003-0000-0000-c000-000000000000"})),
            Bad::GraphAudience,
        ),
        (
            "another issuer",
            claiming(json!({"iss": format!("https://evil.example/{tenant}/v2.0")})),
            Bad::Issuer("".into()),
        ),
        ("the issuer with a slash", claiming(json!({"iss": format!("{url}/{tenant}/v2.0/")})), Bad::Issuer("".into())),
        ("the start of the issuer", claiming(json!({"iss": format!("{url}/{tenant}")})), Bad::Issuer("".into())),
        (
            "the issuer of another tenant",
            claiming(json!({"iss": format!("{url}/{other_tenant}/v2.0")})),
            Bad::Issuer("".into()),
        ),
        ("another tenant", claiming(json!({"tid": other_tenant})), Bad::Tenant("".into())),
        (
            "a user of another tenant",
            TokenRequest { tenant: Some(other_tenant.to_owned()), ..TokenRequest::default() },
            Bad::Tenant("".into()),
        ),
        ("an ID token", TokenRequest::id_token(), Bad::NotAccessToken),
        (
            "an ID token with roles",
            TokenRequest { roles: vec!["R".to_owned()], ..TokenRequest::id_token() },
            Bad::NotAccessToken,
        ),
    ];
    let cases = cases.map(|(name, request, verdict)| (name, emulator.mint(&request), verdict));
    assert_all_refused(&world, cases.to_vec()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_claims_that_are_missing_or_of_the_wrong_type() {
    let world = world().await;
    let neither = TokenRequest { remove: vec!["oid".to_owned(), "sub".to_owned()], ..TokenRequest::default() };
    let cases = [
        ("no iss", without("iss"), Bad::Claim("iss")),
        ("no aud", without("aud"), Bad::Claim("aud")),
        ("no tid", without("tid"), Bad::Claim("tid")),
        ("no exp", without("exp"), Bad::Claim("exp")),
        ("neither oid nor sub", neither, Bad::Claim("oid")),
        ("iss is a list", claiming(json!({"iss": ["x"]})), Bad::Claim("iss")),
        ("aud is a number", claiming(json!({"aud": 1})), Bad::Claim("aud")),
        (
            "aud is a mixed list",
            claiming(json!({"aud": ["00001111-aaaa-2222-bbbb-3333cccc4444", 1]})),
            Bad::Claim("aud"),
        ),
        ("tid is null", claiming(json!({"tid": null})), Bad::Claim("tid")),
        ("oid is a number", claiming(json!({"oid": 7})), Bad::Claim("oid")),
        ("exp is text", claiming(json!({"exp": "4102444800"})), Bad::Claim("exp")),
        ("exp is negative", claiming(json!({"exp": -1})), Bad::Claim("exp")),
        ("exp is far beyond all years", claiming(json!({"exp": 1e18})), Bad::Claim("exp")),
        ("nbf is text", claiming(json!({"nbf": "0"})), Bad::Claim("nbf")),
        ("scp is a list", claiming(json!({"scp": ["access_as_user"]})), Bad::Claim("")),
        ("roles is an object", claiming(json!({"roles": {"R": true}})), Bad::Claim("")),
        ("idtyp is a list", claiming(json!({"idtyp": ["user"]})), Bad::Claim("")),
        ("azp is a number", claiming(json!({"azp": 1})), Bad::Claim("")),
    ];
    let cases = cases.map(|(name, request, verdict)| (name, world.emulator.mint(&request), verdict));
    assert_all_refused(&world, cases.to_vec()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_two_parsers_could_read_differently() {
    let world = world().await;
    let [header, payload, _] = parts(&world.token());
    let (header, payload) = (decoded(&header), decoded(&payload));
    let first = |object: &str, member: &str| object.replacen('{', &format!("{{{member},"), 1);
    let last = |object: &str, member: &str| format!("{},{member}}}", object.strip_suffix('}').unwrap());
    let sign = |header: &str, payload: &str| world.emulator.sign_raw(header, payload, Signer::Current);
    let (admin, none) = (r#""oid":"admin""#, r#""alg":"none""#);
    let cases = vec![
        ("oid twice, the other one last", sign(&header, &last(&payload, admin)), Bad::MalformedClaims),
        ("oid twice, the other one first", sign(&header, &first(&payload, admin)), Bad::MalformedClaims),
        ("oid twice, once escaped", sign(&header, &last(&payload, r#""\u006fid":"admin""#)), Bad::MalformedClaims),
        ("a member twice further down", sign(&header, &last(&payload, r#""x":{"a":1,"a":2}"#)), Bad::MalformedClaims),
        ("alg twice, the other one last", sign(&last(&header, none), &payload), Bad::MalformedHeader),
        ("alg twice, the other one first", sign(&first(&header, none), &payload), Bad::MalformedHeader),
        ("two objects", sign(&header, &format!("{payload}{payload}")), Bad::MalformedClaims),
        ("an array of objects", sign(&header, &format!("[{payload}]")), Bad::MalformedClaims),
        ("not JSON at all", sign(&header, "oid=admin"), Bad::MalformedClaims),
        ("nested without end", sign(&header, &"[".repeat(20_000)), Bad::MalformedClaims),
    ];
    assert_all_refused(&world, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_tokens_outside_their_time() {
    let world = world().await;
    let lifetime = |lifetime| TokenRequest { lifetime: Some(lifetime), ..TokenRequest::default() };
    let from = |nbf| TokenRequest { nbf: Some(nbf), ..TokenRequest::default() };
    let cases = [
        ("expired an hour ago", lifetime(-3600), Bad::Expired),
        ("expired beyond the skew", lifetime(-61), Bad::Expired),
        ("expired in 1970", claiming(json!({"exp": 0})), Bad::Expired),
        ("valid in an hour", from(3600), Bad::NotYetValid),
        ("valid beyond the skew", from(75), Bad::NotYetValid),
    ];
    let cases = cases.map(|(name, request, verdict)| (name, world.emulator.mint(&request), verdict));
    assert_all_refused(&world, cases.to_vec()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_tokens_within_the_clock_skew() {
    let cases = vec![
        ("expired within the skew", TokenRequest { lifetime: Some(-30), ..TokenRequest::default() }),
        ("valid within the skew", TokenRequest { nbf: Some(55), ..TokenRequest::default() }),
        ("times with fractions", claiming(json!({"exp": 4_102_444_800.5, "nbf": 0.5}))),
        ("no nbf", without("nbf")),
    ];
    assert_all_accepted(&world().await, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_both_formats_and_both_audiences_at_the_same_time() {
    let client_id = "00001111-aaaa-2222-bbbb-3333cccc4444";
    let v1 = TokenRequest { ver: TokenVersion::V1, ..TokenRequest::default() };
    let roles = vec!["Orders.Manager".to_owned()];
    let cases = vec![
        ("version 2.0", TokenRequest::default()),
        ("version 1.0", v1.clone()),
        ("version 2.0 again", TokenRequest::default()),
        ("version 1.0 for the URI", TokenRequest { aud: Some(format!("api://{client_id}")), ..v1 }),
        ("ours among other audiences", claiming(json!({"aud": ["api://other", client_id]}))),
        ("a tenant in capitals", claiming(json!({"tid": "11111111-2222-3333-4444-555555555555".to_uppercase()}))),
        ("a user with roles", TokenRequest { roles, ..TokenRequest::default() }),
        ("sub in place of oid", without("oid")),
        ("claims that nobody knows", claiming(json!({"x": [{"y": null}], "ver": 3}))),
    ];
    assert_all_accepted(&world().await, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_is_verified_once_and_remembered() {
    let world = world().await;
    let token = world.token();
    let lookups = async |result: &str| {
        let name = format!("obo_proxy_cache_lookups_total{{cache=\"caller\",result=\"{result}\"}}");
        world.proxy.metric(&name).await
    };
    for expected in [(1.0, 0.0), (1.0, 1.0), (1.0, 2.0)] {
        assert_eq!(world.get("/open", &token).await.status, 200);
        assert_eq!((lookups("miss").await, lookups("hit").await), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_is_judged_anew_each_time() {
    let world = world().await;
    let token = world.emulator.mint_with(&TokenRequest::default(), Signer::Foreign);
    for _ in 0..3 {
        assert_eq!(world.get("/open", &token).await.code(), "invalid_token");
    }
    let entries = world.proxy.metric("obo_proxy_cache_entries{cache=\"caller\"}").await;
    assert_eq!((entries, world.target.total_hits()), (0.0, 0));
}
