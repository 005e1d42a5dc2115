//! A credential at a token endpoint, of an identity or of a client of a target.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::SecretText;

/// Our credential at a token endpoint: exactly one of `client_secret`, `client_secret_file`, `certificate`,
/// `workload_identity` and `managed_identity`. Files are read again when they change, without a restart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Credential {
    /// The client secret; best a variable, such as `${OBO_CLIENT_SECRET}`. It is never printed.
    pub(in crate::config) client_secret: Option<SecretText>,
    /// File with the client secret; a line break at its end is not part of it.
    pub(in crate::config) client_secret_file: Option<String>,
    /// Whether the secret goes into the form or into an Authorization header (RFC 6749 section 2.3.1). Default:
    /// `client_secret_post`.
    pub(in crate::config) auth_method: Option<AuthMethod>,
    /// File in PEM with the certificate that is registered with the application, followed by intermediate
    /// authorities. Each token request then carries an assertion that is signed with its key: PS256 with an RSA key,
    /// ES256 or ES384 with an EC key.
    pub(in crate::config) certificate: Option<String>,
    /// File in PEM with the private key of the certificate, unencrypted. Default: the file of the certificate. Only the
    /// user that runs the proxy should be able to read it.
    pub(in crate::config) private_key: Option<String>,
    /// Send the certificate and its authorities with each assertion (`x5c`): where the registration trusts a subject
    /// name and issuer, a renewed certificate needs no new registration. Default: `false`.
    pub(in crate::config) send_chain: Option<bool>,
    /// A token of another issuer that the registration trusts as a federated credential: Kubernetes' service account
    /// token with Azure Workload Identity, for one.
    pub(in crate::config) workload_identity: Option<WorkloadIdentity>,
    /// A token of the Azure managed identity of the machine, which the registration trusts as a federated credential.
    pub(in crate::config) managed_identity: Option<ManagedIdentity>,
}

/// A federated token in a file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WorkloadIdentity {
    /// File with the token. Default: the one that the variable `AZURE_FEDERATED_TOKEN_FILE` names. With this credential
    /// `tenant_id`, `client_id` and `authority` of the identity may be left to `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`
    /// and `AZURE_AUTHORITY_HOST` as well.
    pub(in crate::config) token_file: Option<String>,
}

/// The managed identity of the machine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ManagedIdentity {
    /// The client ID of a user-assigned identity. Default: the system-assigned identity.
    pub(in crate::config) client_id: Option<String>,
    /// The address of the instance metadata service. Default:
    /// `http://169.254.169.254/metadata/identity/oauth2/token`. Whoever answers there is asked for our credential.
    #[serde(default = "default_metadata_endpoint")]
    pub(in crate::config) endpoint: String,
    /// The audience of the token, as the federated credential has it. Default: `api://AzureADTokenExchange`.
    #[serde(default = "default_metadata_resource")]
    pub(in crate::config) resource: String,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum AuthMethod {
    #[default]
    ClientSecretPost,
    ClientSecretBasic,
}

fn default_metadata_endpoint() -> String {
    "http://169.254.169.254/metadata/identity/oauth2/token".to_owned()
}

fn default_metadata_resource() -> String {
    "api://AzureADTokenExchange".to_owned()
}
