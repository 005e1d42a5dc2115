//! What a target's refusal of token B leads to: B is forgotten, and once per request a fresh one is tried.

use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::context::{RequestContext, Resend};
use super::gateway::Gateway;
use super::response_headers::has_claims_challenge;
use crate::rejection::Rejection;

impl Gateway {
    /// Forgets token B after a 401; where the request can be sent again and the target asked for nothing that only the
    /// caller can bring, gets another one.
    ///
    /// # Errors
    /// With [`Resend::Due`] where the request is to be sent again; with a rejection where the identity provider now
    /// refuses the caller.
    pub(super) async fn answer_unauthorized(
        &self,
        session: &Session,
        response: &ResponseHeader,
        context: &mut RequestContext,
    ) -> Result<()> {
        self.forget_credential(context);
        let resendable = context.resend == Resend::Unused
            && context.websocket.is_none()
            && !session.as_ref().retry_buffer_truncated();
        let admission = context.admission.as_ref();
        let Some((admission, credential)) = admission.and_then(|it| Some((it, it.credential.as_ref()?))) else {
            return Ok(());
        };
        if !resendable || has_claims_challenge(response) {
            return Ok(());
        }
        let token_a = context.token_a().unwrap_or_default();
        let renewed = self.generation().gate.renew(admission, credential, token_a).await;
        match renewed {
            Ok(credential) => {
                if let Some(admission) = &mut context.admission {
                    admission.credential = Some(credential);
                }
                context.resend = Resend::Due;
            }
            Err(rejection) if concerns_caller(&rejection) => context.rejection = Some(rejection),
            // Nothing better is to be had: the target's own answer stands.
            Err(_) => return Ok(()),
        }
        Err(Error::explain(ErrorType::HTTPStatus(401), "the target did not take the token"))
    }

    /// Forgets the token B that the target did not take.
    pub(super) fn forget_credential(&self, context: &RequestContext) {
        if let Some(admission) = &context.admission {
            self.generation().gate.forget(admission);
        }
    }
}

/// Whether the identity provider said something of this caller, and not only that it cannot be asked now.
fn concerns_caller(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::Exchange(error) if error.concerns_caller())
}
