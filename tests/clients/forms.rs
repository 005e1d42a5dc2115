//! The proxy's token requests, compared with the protocols field by field.

use crate::support::script::claims;

claims!(check_in_python, "proxy_forms":
    a_shared_secret_goes_into_the_form,
    a_shared_secret_goes_into_http_basic,
    a_certificate_takes_the_place_of_the_secret,
    a_workloads_token_is_the_client_assertion,
    a_machines_token_is_the_client_assertion,
    a_caller_that_handles_challenges_is_declared_with_the_claims_of_the_route,
    an_application_gets_the_registrations_own_token,
    another_provider_gets_a_token_exchange,
    a_saml_assertion_is_asked_for_by_its_type,
    a_saml_assertion_is_presented_at_the_targets_own_token_endpoint,
);
