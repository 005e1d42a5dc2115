//! The Azure SDK's credentials as clients of the emulator.

use crate::support::script::claims;

mod python {
    use super::claims;

    claims!(check_in_python, "azure_identity_library":
        a_secret_gets_a_token_on_behalf_of_the_user,
        a_certificate_gets_a_token_on_behalf_of_the_user,
        a_certificate_that_is_sent_along_gets_a_token_on_behalf_of_the_user,
        a_refused_exchange_raises_with_the_number_of_the_refusal,
        a_secret_gets_a_token_of_the_registration_itself,
        a_workload_gets_a_token_of_the_registration_itself,
        a_machine_gets_its_own_token_from_the_metadata_endpoint,
    );
}

mod node {
    use super::claims;

    claims!(check_in_node, "azure_identity_library":
        a_secret_gets_a_token_on_behalf_of_the_user,
        a_certificate_gets_a_token_on_behalf_of_the_user,
        a_workload_gets_a_token_of_the_registration_itself,
        a_machine_gets_its_own_token_from_the_metadata_endpoint,
    );
}
