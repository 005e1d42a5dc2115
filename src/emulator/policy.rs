//! What the tenant's administrator decided: which scopes want a step-up and which lack consent.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{challenge::ClaimsChallenge, jwt};

/// Conditional Access and consent, changeable while the emulator runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// An exchange whose `scope` contains one of these texts needs a stepped-up token A. Default: `Payroll.Read`.
    pub step_up_scopes: Vec<String>,
    /// The authentication context that the `acrs` claim of token A must contain. Default: `c1`.
    pub step_up_value: String,
    /// How the refusal is worded. Default: as the protocol's documentation shows it.
    pub step_up_shape: StepUpShape,
    /// The text of `claims` in the refusal, in place of one that demands `step_up_value`.
    pub step_up_claims: Option<String>,
    /// An exchange whose `scope` contains one of these texts is refused for lack of consent. Default: none.
    pub unconsented_scopes: Vec<String>,
    /// A token exchange at a realm is refused with `invalid_target` if an audience or resource is one of these. Default:
    /// none.
    pub refused_targets: Vec<String>,
    /// A token exchange at a realm is refused with `invalid_scope` if its `scope` contains one of these texts. Default:
    /// none.
    pub refused_scopes: Vec<String>,
    /// The roles of the registration's own tokens (client credentials). Default: `Orders.Read.All`.
    pub app_roles: Vec<String>,
}

/// The two forms in which Entra asks for a step-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepUpShape {
    /// `interaction_required`, as documented.
    #[default]
    InteractionRequired,
    /// `invalid_grant` with `suberror: basic_action`, as the live endpoint also answers.
    BasicAction,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            step_up_scopes: vec!["Payroll.Read".to_owned()],
            step_up_value: "c1".to_owned(),
            step_up_shape: StepUpShape::default(),
            step_up_claims: None,
            unconsented_scopes: Vec::new(),
            refused_targets: Vec::new(),
            refused_scopes: Vec::new(),
            app_roles: vec!["Orders.Read.All".to_owned()],
        }
    }
}

impl Policy {
    /// Whether an exchange for `scope` has to wait until the user behind `claims` has stepped up.
    pub(super) fn demands_step_up(&self, scope: &str, claims: &Map<String, Value>) -> bool {
        mentions_any(scope, &self.step_up_scopes) && !jwt::texts(claims, "acrs").contains(&self.step_up_value.as_str())
    }

    /// Whether nobody consented to `scope`.
    pub(super) fn lacks_consent(&self, scope: &str) -> bool {
        mentions_any(scope, &self.unconsented_scopes)
    }

    /// Whether one of these is no target of a token exchange.
    pub(super) fn refuses_target(&self, targets: &[String]) -> bool {
        targets.iter().any(|target| self.refused_targets.contains(target))
    }

    /// Whether nobody may have `scope` by a token exchange.
    pub(super) fn refuses_scope(&self, scope: &str) -> bool {
        mentions_any(scope, &self.refused_scopes)
    }

    /// What a user who is asked for these claims has satisfied afterwards.
    pub(super) fn context_for(&self, claims: &ClaimsChallenge) -> Option<&str> {
        let own = self.challenge().parse().unwrap_or_default();
        claims.covers(&own).then_some(&self.step_up_value)
    }

    /// The claims challenge: JSON as text.
    pub(super) fn challenge(&self) -> String {
        self.step_up_claims.clone().unwrap_or_else(|| {
            json!({"access_token": {"acrs": {"essential": true, "value": self.step_up_value}}}).to_string()
        })
    }
}

/// Scopes are compared without regard to case, as Entra does.
fn mentions_any(scope: &str, parts: &[String]) -> bool {
    let scope = scope.to_ascii_lowercase();
    parts.iter().any(|part| scope.contains(&part.to_ascii_lowercase()))
}
