//! The proxy's signatures, verified by an implementation of others.

use crate::support::script::claims;

claims!(check_in_python, "proxy_assertions":
    an_rsa_key_signs_with_ps256,
    an_rsa_key_signs_with_ps256_and_sends_its_chain,
    a_p_256_key_signs_with_es256,
    a_p_256_key_signs_with_es256_and_sends_its_chain,
    another_key_does_not_verify_it,
);
