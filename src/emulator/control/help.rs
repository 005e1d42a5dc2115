//! The page that lists what the emulator offers.

use crate::emulator::authority::Authority;

/// The page, with this emulator's addresses and names.
pub(super) fn help_text(authority: &Authority) -> String {
    let (url, options) = (&authority.url, &authority.options);
    HELP.replace("{url}", url).replace("{tenant}", &options.tenant_id).replace("{client_id}", &options.client_id)
}

/// The page at `/`.
const HELP: &str = "\
An identity provider shaped like Microsoft Entra ID. Not for production: whoever reaches it may be anyone.

Identity provider (any tenant GUID; to sign in also common and organizations)
  GET    {url}/{tenant}/v2.0/.well-known/openid-configuration
  GET    {url}/{tenant}/discovery/v2.0/keys
  GET    {url}/{tenant}/oauth2/v2.0/authorize  signs in the user in login_hint, without a page
  POST   {url}/{tenant}/oauth2/v2.0/token      on-behalf-of: client_id {client_id}
                              client_credentials: the same client, scope RESOURCE/.default
                              password, authorization_code, refresh_token: any public client, any user, any password
  GET    {url}/metadata/identity/oauth2/token  a managed identity's token: Metadata: true, api-version, resource

Another authorization server (any realm name)
  GET    {url}/realms/REALM/.well-known/openid-configuration
  POST   {url}/realms/REALM/protocol/openid-connect/token  token exchange (RFC 8693) by the same client

Control
  GET    /emulator/tokens     a caller's token; parameters and JSON members are the same:
  POST   /emulator/tokens     tenant aud oid sub azp scp roles ver lifetime nbf acrs xms_cc idtyp claims_challenge
                              claims remove header; ?format=text gives the bare token
  GET    /emulator/realms/REALM/tokens  a caller's token of a realm, also by POST: aud sub azp scope typ lifetime claims
                              remove header
  GET    /emulator/counters   what reached the provider
  GET    /emulator/requests   the last token requests, with their secrets; below it /authorize and /managed-identity
  GET    /emulator/credentials  POST: add_secret withdraw_secret add_certificate withdraw_certificate (by thumbprint)
                              add_federated withdraw_federated (subject issuer audience); code is what a withdrawn
                              credential meets
  GET    /emulator/federated  a workload's token that stands for the client; subject audience lifetime format
  GET    /emulator/faults     POST adds one, DELETE clears all; members:
                              at      token jwks discovery managed_identity realm_token realm_keys realm_discovery
                              whom    oid, scope (contains), grant, share (of a hundred requests)
                              when    times, lasting_ms, delay_ms
                              effect  none drop truncate cut pad answer aadsts throttle alter
  GET    /emulator/errors     the AADSTS numbers whose shape is known, for the effect aadsts
  GET    /emulator/policy     POST replaces it: step_up_scopes step_up_value step_up_shape step_up_claims
                              unconsented_scopes app_roles; of realms: refused_targets refused_scopes
  POST   /emulator/rotate     a new signing key; keep_old leaves the old one in the key set
  POST   /emulator/revoke     oid's tokens issued so far; downstream_only spares those of callers,
                              refresh_tokens_only all access tokens
  POST   /emulator/reset      back to the start, except for the keys

Examples
  A=$(curl -s '{url}/emulator/tokens?format=text')
  A=$(curl -s '{url}/emulator/tokens?format=text' -d '{\"oid\": \"carol\", \"acrs\": \"c1\"}')
  A=$(curl -sG '{url}/emulator/tokens?format=text' --data-urlencode \"claims_challenge=$CLAIMS\")
  curl -s {url}/emulator/faults -d '{\"times\": 2, \"effect\": {\"answer\": {\"status\": 429, \"headers\": [[\"retry-after\", \"5\"]]}}}'
  curl -s {url}/emulator/faults -d '{\"oid\": \"carol\", \"effect\": {\"aadsts\": 53003}}'
  curl -s {url}/emulator/faults -d '{\"effect\": {\"aadsts\": {\"code\": 50076, \"claims\": \"{}\"}}}'
  curl -s {url}/emulator/faults -d '{\"lasting_ms\": 30000, \"effect\": {\"throttle\": {\"date\": true}}}'
  curl -s {url}/emulator/faults -d '{\"share\": 10, \"effect\": \"drop\"}'
  curl -s {url}/emulator/faults -d '{\"at\": \"jwks\", \"delay_ms\": 3000}'
  curl -s {url}/emulator/faults -d '{\"effect\": {\"alter\": {\"set\": {\"expires_in\": \"60\"}, \"remove\": [\"scope\"]}}}'
  curl -s {url}/emulator/revoke -d '{\"oid\": \"carol\"}'
  curl -s {url}/emulator/credentials -d '{\"withdraw_secret\": \"emulator-secret\", \"code\": 7000222}'
  curl -s {url}/emulator/rotate -d '{\"keep_old\": true}'
";
