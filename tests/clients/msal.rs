//! MSAL as a confidential client of the emulator.

use crate::support::script::claims;

mod python {
    use super::claims;

    claims!(check_in_python, "msal_confidential":
        a_secret_gets_a_token_on_behalf_of_the_user,
        a_certificate_named_by_its_old_thumbprint_gets_a_token,
        a_certificate_that_is_sent_along_gets_a_token,
        a_certificate_in_a_pfx_file_gets_a_token,
        a_certificate_that_is_not_registered_is_refused,
        a_workloads_token_gets_a_token,
        a_registration_gets_a_token_of_its_own_and_keeps_it,
        a_step_up_is_told_as_documented_and_its_claims_satisfy_it,
        a_step_up_is_told_as_the_live_endpoint_does_and_its_claims_satisfy_it,
        capabilities_of_the_registration_reach_token_b,
    );
}

mod node {
    use super::claims;

    claims!(check_in_node, "msal_confidential":
        a_secret_gets_a_token_on_behalf_of_the_user,
        a_certificate_gets_a_token_on_behalf_of_the_user,
        a_certificate_that_is_sent_along_gets_a_token_on_behalf_of_the_user,
        a_registration_gets_a_token_of_its_own_and_keeps_it,
        a_step_up_is_told_as_documented_and_its_claims_satisfy_it,
        a_step_up_is_told_as_the_live_endpoint_does_and_its_claims_satisfy_it,
    );
}
