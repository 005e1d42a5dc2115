//! The on-behalf-of grant: the answer of a success, and the refusal that each fault of a request meets.

use uuid::Uuid;

use super::support::{
    claims, emulator, exchange, exchange_for, json, refusal, send, token_b, token_request, valid_form, with,
};
use crate::emulator::{DEFAULT_USER_OID, TokenRequest, TokenVersion};

#[tokio::test]
async fn answers_in_the_documented_shape() {
    let emulator = emulator().await;
    let response = token_request(&emulator).form(&valid_form(&emulator.mint(&TokenRequest::default())));
    let response = response.send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store, no-cache");
    let (status, answer) = json(response).await;
    assert_eq!(status, 200);
    let mut names: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["access_token", "expires_in", "ext_expires_in", "scope", "token_type"]);
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3599);
    assert_eq!(answer["scope"], "api://orders/Orders.Read");
}

#[tokio::test]
async fn openid_brings_what_client_libraries_keep_tokens_by() {
    let emulator = emulator().await;
    let scope = "api://orders/Orders.Read openid profile offline_access";
    let (status, answer) = exchange_for(&emulator, &TokenRequest::default(), scope).await;
    assert_eq!(status, 200);
    let id_token = claims(answer["id_token"].as_str().unwrap());
    assert_eq!(id_token["aud"], emulator.options().client_id.as_str());
    assert_eq!(
        (&id_token["oid"], &id_token["preferred_username"]),
        (&DEFAULT_USER_OID.into(), &"user@contoso.example".into())
    );
    assert!(answer["client_info"].is_string() && answer["refresh_token"].is_string());
}

#[tokio::test]
async fn token_b_is_the_users_for_the_resource() {
    let emulator = emulator().await;
    let token = claims(&token_b(&emulator, &TokenRequest::default()).await);
    assert_eq!(token["aud"], "api://orders");
    assert_eq!(token["scp"], "Orders.Read");
    assert_eq!(token["oid"], DEFAULT_USER_OID);
    assert_eq!(token["azp"], emulator.options().client_id.as_str());
    assert_eq!(token["tid"], emulator.options().tenant_id.as_str());
    assert!(token.get("xms_cc").is_none());
}

#[tokio::test]
async fn every_exchange_gives_another_token() {
    let emulator = emulator().await;
    let request = TokenRequest::default();
    assert_ne!(token_b(&emulator, &request).await, token_b(&emulator, &request).await);
    assert_eq!(emulator.counters().exchanged(), 2);
}

#[tokio::test]
async fn records_the_request_field_by_field() {
    let emulator = emulator().await;
    let token = emulator.mint(&TokenRequest::default());
    exchange(&emulator, &token).await;
    let recorded = emulator.recorded();
    let expected: Vec<_> = valid_form(&token).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(recorded[0].form, expected);
    assert_eq!(recorded[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(recorded[0].tenant, emulator.options().tenant_id);
}

#[tokio::test]
async fn offline_access_alone_brings_a_refresh_token() {
    let emulator = emulator().await;
    let scope = "api://orders/Orders.Read offline_access";
    let (_, answer) = exchange_for(&emulator, &TokenRequest::default(), scope).await;
    assert!(answer["refresh_token"].is_string());
    assert_eq!(answer["scope"], "api://orders/Orders.Read");
}

#[tokio::test]
async fn declared_capabilities_reach_token_b() {
    let emulator = emulator().await;
    let form = valid_form(&emulator.mint(&TokenRequest::default()));
    let claims_parameter = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
    let (_, answer) = send(&emulator, &with(form, "claims", claims_parameter)).await;
    assert_eq!(claims(answer["access_token"].as_str().unwrap())["xms_cc"][0], "cp1");
}

#[tokio::test]
async fn accepts_both_token_versions_and_the_app_id_uri() {
    let emulator = emulator().await;
    let v1 = TokenRequest {
        ver: TokenVersion::V1,
        aud: Some(format!("api://{}", emulator.options().client_id)),
        ..TokenRequest::default()
    };
    assert_eq!(claims(&emulator.mint(&v1))["iss"], format!("{}/sts/{}/", emulator.url(), emulator.options().tenant_id));
    token_b(&emulator, &v1).await;
}

#[tokio::test]
async fn accepts_http_basic_with_encoded_parts() {
    let emulator = emulator().await;
    let form = with(valid_form(&emulator.mint(&TokenRequest::default())), "client_id", "");
    let form = with(form, "client_secret", "");
    let request =
        token_request(&emulator).basic_auth("00001111%2Daaaa-2222-bbbb-3333cccc4444", Some("emulator%2Dsecret"));
    let (status, answer) = json(request.form(&form).send().await.unwrap()).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn saml_assertion_is_asked_for_by_its_token_type() {
    let emulator = emulator().await;
    let form = with(valid_form(&emulator.mint(&TokenRequest::default())), "scope", "spn:testapp/.default");
    let form = with(form, "requested_token_type", "urn:ietf:params:oauth:token-type:saml2");
    let (status, answer) = send(&emulator, &form).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:saml2");
    let xml = base64::Engine::decode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        answer["access_token"].as_str().unwrap(),
    );
    assert!(String::from_utf8(xml.unwrap()).unwrap().contains("<Audience>testapp</Audience>"));
}

#[tokio::test]
async fn refusal_has_the_documented_members_and_the_callers_correlation_id() {
    let emulator = emulator().await;
    let form = with(valid_form(&emulator.mint(&TokenRequest::default())), "scope", "api://payroll/Payroll.Read");
    let id = Uuid::new_v4().to_string();
    let request = token_request(&emulator).header("client-request-id", &id).form(&form);
    let (_, answer) = json(request.send().await.unwrap()).await;
    let mut names: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = ["claims", "correlation_id", "error", "error_codes", "error_description", "timestamp", "trace_id"];
    assert_eq!(names, expected);
    assert_eq!(answer["correlation_id"], id.as_str());
    let description = answer["error_description"].as_str().unwrap();
    assert!(description.contains(&format!("\r\nCorrelation ID: {id}\r\nTimestamp: ")), "{description}");
}

/// Each change to a valid form with the refusal that it meets.
#[tokio::test]
async fn names_the_fault_of_a_form() {
    let emulator = emulator().await;
    let valid = valid_form(&emulator.mint(&TokenRequest::default()));
    let invalid = |code| (400, "invalid_request", None, code);
    let cases = [
        ("grant_type", "", invalid(900_144)),
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code", (400, "unsupported_grant_type", None, 70_003)),
        ("client_id", "", invalid(900_144)),
        ("client_id", "somebody-else", (400, "unauthorized_client", None, 700_016)),
        ("client_secret", "", (401, "invalid_client", None, 7_000_218)),
        ("client_secret", "wrong", (401, "invalid_client", None, 7_000_215)),
        ("client_assertion", "a.b.c", invalid(9_002_313)),
        ("requested_token_use", "", invalid(900_144)),
        ("requested_token_use", "something", invalid(9_002_313)),
        ("assertion", "", invalid(900_144)),
        ("assertion", "not-a-jwt", invalid(50_027)),
        ("scope", "", invalid(900_144)),
        ("scope", "openid", (400, "invalid_scope", None, 70_011)),
        ("scope", "api://a/Read api://b/Read", (400, "invalid_scope", None, 700_022)),
        ("scope", "api://a/.default api://a/Read", (400, "invalid_scope", None, 70_011)),
        ("claims", "cp1", invalid(9_002_313)),
        ("requested_token_type", "saml", invalid(9_002_313)),
    ];
    for (name, value, expected) in cases {
        let answer = send(&emulator, &with(valid.clone(), name, value)).await;
        assert_eq!(refusal(&answer), expected, "{name}={value}");
    }
    assert_eq!(emulator.counters().exchanged(), 0);
    assert_eq!(emulator.counters().outcome("invalid_client"), 2);
}

#[tokio::test]
async fn refuses_a_repeated_parameter() {
    let emulator = emulator().await;
    let mut form = valid_form(&emulator.mint(&TokenRequest::default()));
    form.push(("scope", "api://orders/Orders.Read".to_owned()));
    assert_eq!(refusal(&send(&emulator, &form).await), (400, "invalid_request", None, 9_000_411));
}

#[tokio::test]
async fn refuses_a_body_that_is_no_form() {
    let emulator = emulator().await;
    let request = token_request(&emulator).header("content-type", "application/json").body("{}");
    let answer = json(request.send().await.unwrap()).await;
    assert_eq!(refusal(&answer), (400, "invalid_request", None, 900_144));
}

#[tokio::test]
async fn refuses_another_tenants_assertion() {
    let emulator = emulator().await;
    let request =
        TokenRequest { tenant: Some("99999999-2222-3333-4444-555555555555".to_owned()), ..TokenRequest::default() };
    let answer = exchange(&emulator, &emulator.mint(&request)).await;
    assert_eq!(refusal(&answer), (400, "invalid_grant", None, 50_013));
}

#[tokio::test]
async fn refuses_tenants_that_are_no_guid() {
    let emulator = emulator().await;
    let url = format!("{}/common/oauth2/v2.0/token", emulator.url());
    let form = valid_form(&emulator.mint(&TokenRequest::default()));
    let answer = json(reqwest::Client::new().post(url).form(&form).send().await.unwrap()).await;
    assert_eq!(refusal(&answer), (400, "invalid_request", None, 90_002));
}

/// Each kind of assertion that is not a user's valid access token for this client.
#[tokio::test]
async fn names_the_fault_of_an_assertion() {
    let emulator = emulator().await;
    let graph = TokenRequest { aud: Some("https://graph.microsoft.com".to_owned()), ..TokenRequest::default() };
    let expired = TokenRequest { lifetime: Some(-1), ..TokenRequest::default() };
    let early = TokenRequest { nbf: Some(60), ..TokenRequest::default() };
    let cases = [
        (graph, (400, "invalid_grant", None, 500_131)),
        (expired, (400, "invalid_grant", None, 500_133)),
        (early, (400, "invalid_grant", None, 500_133)),
        (TokenRequest::id_token(), (400, "invalid_request", None, 240_002)),
        (TokenRequest::app_only(), (400, "unauthorized_client", None, 7_000_114)),
    ];
    for (request, expected) in cases {
        let answer = exchange(&emulator, &emulator.mint(&request)).await;
        assert_eq!(refusal(&answer), expected, "{request:?}");
    }
}
