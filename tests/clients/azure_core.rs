//! The Azure SDK's pipelines as callers of the proxy.

use crate::support::script::claims;

mod python {
    use super::claims;

    claims!(check_in_python, "azure_core_caller":
        a_call_without_a_challenge_takes_one_token_and_one_exchange,
        a_challenge_of_the_identity_provider_is_met_by_a_new_sign_in,
        a_challenge_in_the_live_endpoints_shape_is_met_by_a_new_sign_in,
        a_challenge_of_the_target_is_met_by_a_new_sign_in,
        a_challenge_that_stays_is_handed_to_the_caller_after_one_repetition,
        a_challenge_without_claims_leaves_the_credential_alone,
    );
}

mod node {
    use super::claims;

    claims!(check_in_node, "azure_core_caller":
        a_call_without_a_challenge_takes_one_token_and_one_exchange,
        a_challenge_of_the_identity_provider_is_met_by_a_new_token,
        a_challenge_is_met_as_well_where_the_callback_of_core_client_is_set,
        a_challenge_of_the_target_is_met_by_a_new_token,
        a_challenge_without_claims_leaves_the_credential_alone,
    );
}
