//! What client libraries ask before they sign a user in.

use super::support::{emulator, get, json};

#[tokio::test]
async fn instance_discovery_leads_to_the_metadata() {
    let emulator = emulator().await;
    let (url, tenant) = (emulator.url(), &emulator.options().tenant_id);
    let endpoint = format!("{url}/{tenant}/oauth2/v2.0/authorize");
    let query = format!("api-version=1.1&authorization_endpoint={endpoint}");
    let (_, found) = json(get(format!("{url}/common/discovery/instance?{query}")).await).await;
    assert_eq!(found["metadata"][0]["preferred_network"], url.trim_start_matches("http://"));
    let (_, metadata) = json(get(found["tenant_discovery_endpoint"].as_str().unwrap().to_owned()).await).await;
    assert_eq!(metadata["authorization_endpoint"], endpoint);
    assert_eq!((emulator.counters().instance_discovery, emulator.counters().discovery_v2), (1, 1));
}

#[tokio::test]
async fn every_account_is_managed() {
    let emulator = emulator().await;
    let url = format!("{}/common/userrealm/carol@contoso.example?api-version=1.0", emulator.url());
    let (_, realm) = json(get(url).await).await;
    assert_eq!((&realm["account_type"], &realm["domain_name"]), (&"Managed".into(), &"contoso.example".into()));
    assert_eq!(emulator.counters().user_realm, 1);
}

#[tokio::test]
async fn keys_of_many_tenants_name_their_issuer_by_a_placeholder() {
    let emulator = emulator().await;
    let url = emulator.url();
    let (_, keys) = json(get(format!("{url}/common/discovery/v2.0/keys")).await).await;
    assert_eq!(keys["keys"][0]["issuer"], format!("{url}/{{tenantid}}/v2.0"));
}
