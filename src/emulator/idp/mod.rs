//! The identity provider's in-process handle and its routes.

use std::{fmt, io, net::TcpListener, path::Path, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

mod credentials;

use super::{
    authority::Authority,
    authorize, client_discovery, control, discovery,
    fault::Faults,
    jwt,
    keys::SigningKey,
    managed_identity,
    mint::TokenRequest,
    observations::{Counters, RecordedRequest},
    options::EmulatorOptions,
    policy::Policy,
    realm::{self, RealmTokenRequest},
    serve::{Server, local_url},
    signer::Signer,
    tls::Tls,
    token, workload,
};

/// A running identity provider. Clones share it; it stops when the last one is dropped.
#[derive(Clone)]
pub struct Emulator {
    authority: Arc<Authority>,
    server: Arc<Server>,
}

impl Emulator {
    /// Serves an identity provider on the current tokio runtime.
    ///
    /// # Errors
    /// If the listener cannot be used, the certificate in the options cannot be read, no key can be generated, or the
    /// certificate of [`EmulatorOptions::tls`] cannot be written.
    pub async fn start(listener: TcpListener, options: EmulatorOptions) -> io::Result<Self> {
        let key = tokio::task::spawn_blocking(SigningKey::generate).await.map_err(io::Error::other)??;
        let tls = options.tls.as_deref().map(|directory| tls(&listener, &options, directory)).transpose()?;
        let authority = Arc::new(Authority::new(options, &local_url(&listener, tls.is_some())?, key)?);
        let server = Server::start(listener, router(Arc::clone(&authority)), tls)?;
        Ok(Self { authority, server: Arc::new(server) })
    }

    /// Where the provider listens, `http://127.0.0.1:PORT` or `https://localhost:PORT`: the `authority` of an identity
    /// in this process.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The certificate of the authority that vouches for it, as PEM, where it serves https.
    pub fn ca_pem(&self) -> Option<&str> {
        self.server.ca_pem()
    }

    /// The address that issuers and metadata state: [`EmulatorOptions::public_url`] if there is one, else [`Self::url`].
    pub fn public_url(&self) -> &str {
        &self.authority.url
    }

    /// What the provider was started with.
    pub fn options(&self) -> &EmulatorOptions {
        &self.authority.options
    }

    /// A caller's token (token A).
    pub fn mint(&self, request: &TokenRequest) -> String {
        self.mint_with(request, Signer::Current)
    }

    /// A caller's token signed in another way, for verifiers to refuse.
    pub fn mint_with(&self, request: &TokenRequest, signer: Signer) -> String {
        self.authority.mint(request, signer)
    }

    /// A caller's token of a realm, an authorization server that is not Entra.
    pub fn mint_realm(&self, request: &RealmTokenRequest) -> String {
        self.mint_realm_with(request, Signer::Current)
    }

    /// A caller's token of a realm signed in another way, for verifiers to refuse.
    pub fn mint_realm_with(&self, request: &RealmTokenRequest, signer: Signer) -> String {
        realm::mint(&self.authority, request, signer)
    }

    /// The issuer of a realm, `{url}/realms/{realm}`.
    pub fn realm_url(&self, realm: &str) -> String {
        realm::issuer(&self.authority, realm)
    }

    /// A token whose header and claims are exactly these texts: repeated members, missing ones, or no JSON at all.
    pub fn sign_raw(&self, header_json: &str, claims_json: &str, signer: Signer) -> String {
        signer.sign(header_json, claims_json, &self.authority.keys.lock().current())
    }

    /// The identifier of the key that signs.
    pub fn kid(&self) -> String {
        self.authority.keys.lock().current().kid().to_owned()
    }

    /// The public key that belongs to [`Self::kid`], as PEM.
    pub fn public_key_pem(&self) -> String {
        self.authority.keys.lock().current().pem().to_owned()
    }

    /// How often each endpoint was asked, and how the token requests ended.
    pub fn counters(&self) -> Counters {
        self.authority.observations.counters()
    }

    /// The last 1000 token requests, those to realms included, oldest first.
    pub fn recorded(&self) -> Vec<RecordedRequest> {
        self.authority.observations.recorded()
    }

    /// The last 1000 requests to the authorization endpoint, oldest first.
    pub fn authorize_requests(&self) -> Vec<RecordedRequest> {
        self.authority.observations.authorize_requests()
    }

    /// The last 1000 requests to the managed identity's token endpoint, oldest first.
    pub fn managed_identity_requests(&self) -> Vec<RecordedRequest> {
        self.authority.observations.managed_identity_requests()
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.authority.faults
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        self.authority.policy.lock().clone()
    }

    /// Puts a policy in force.
    pub fn set_policy(&self, policy: Policy) {
        *self.authority.policy.lock() = policy;
    }

    /// Signs with a new key from now on and returns its identifier. Without `keep_old` the key set contains that key
    /// alone, and tokens signed by others are refused.
    ///
    /// # Errors
    /// If no key can be generated; the old one stays.
    pub fn rotate_key(&self, keep_old: bool) -> io::Result<String> {
        self.authority.rotate_key(keep_old)
    }

    /// Signs the tokens of realms with a new key from now on, as [`Self::rotate_key`] does those of Entra.
    ///
    /// # Errors
    /// If no key can be generated; the old one stays.
    pub fn rotate_realm_key(&self, keep_old: bool) -> io::Result<String> {
        self.authority.realm.rotate(keep_old)
    }

    /// Revokes a user's tokens issued so far: exchanges and refresh tokens of theirs are refused with AADSTS50173, and the sample target
    /// reports theirs as revoked.
    pub fn revoke(&self, oid: &str) {
        self.authority.revoke_all(oid);
    }

    /// Revokes only the tokens that a user's exchanges gave so far: another exchange of the same token A gives a good one.
    pub fn revoke_downstream(&self, oid: &str) {
        self.authority.issuance.revoke_downstream(oid);
    }

    /// Ends a user's refresh tokens given so far: whoever uses one is refused with AADSTS70043. Nothing else changes.
    pub fn end_refresh_tokens(&self, oid: &str) {
        self.authority.end_refresh_tokens(oid);
    }

    /// Whether a token that an exchange gave has been revoked since.
    pub fn is_revoked(&self, token: &str) -> bool {
        jwt::unverified_claims(token).is_some_and(|claims| self.authority.issuance.is_downstream_revoked(&claims))
    }

    /// Back to the state after the start: policy, faults, counters, records and revocations. Keys stay.
    pub fn reset(&self) {
        self.authority.reset();
    }

    /// Stops listening. Answers under way are finished.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Returns once the socket is closed, so that connection attempts are refused.
    pub async fn stopped(&self) {
        self.server.closed().await;
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("url", &self.url()).finish_non_exhaustive()
    }
}

fn tls(listener: &TcpListener, options: &EmulatorOptions, directory: &Path) -> io::Result<Tls> {
    let tls = Tls::create(listener, options.public_url.as_deref())?;
    tls.publish(directory, CA_FILE)?;
    Ok(tls)
}

fn router(authority: Arc<Authority>) -> Router {
    Router::new()
        .route("/{tenant}/.well-known/openid-configuration", get(discovery::metadata_v1))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery::metadata_v2))
        .route("/{tenant}/discovery/keys", get(discovery::keys_v1))
        .route("/{tenant}/discovery/v2.0/keys", get(discovery::keys_v2))
        .route("/{tenant}/discovery/instance", get(client_discovery::instance))
        .route("/{tenant}/userrealm/{user}", get(client_discovery::user_realm))
        .route("/{tenant}/oauth2/v2.0/authorize", get(authorize::authorize))
        .route("/{tenant}/oauth2/v2.0/token", post(token::token))
        .route("/metadata/identity/oauth2/token", get(managed_identity::token))
        // As MSAL for Node.js asks.
        .route("/metadata/identity/oauth2/token/", get(managed_identity::token))
        .route("/workload/.well-known/openid-configuration", get(workload::metadata))
        .route("/workload/keys", get(workload::keys))
        .merge(realm::routes())
        .merge(control::routes())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(authority)
}

/// The certificate that clients have to trust.
const CA_FILE: &str = "ca.pem";

/// The largest request body, far above any token request.
const MAX_BODY: usize = 1024 * 1024;
