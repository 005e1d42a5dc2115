//! Credentials: what is refused, and that they are never printed.

use proptest::prelude::*;

use super::{findings, parsed, settings, with};

const LINE: &str = "      client_secret: sampleCredentia1s";
const EXACTLY_ONE: &str = "accepted: exactly one of \"client_secret\", \"client_secret_file\", \"certificate\", \
    \"workload_identity\" and \"managed_identity\"";

#[test]
fn there_is_exactly_one_credential() {
    let both = format!("{LINE}\n      client_secret_file: f");
    assert_eq!(
        findings(&with(LINE, &both)),
        [format!("6:7 found both \"client_secret\" and \"client_secret_file\"; {EXACTLY_ONE}")]
    );
    assert_eq!(
        findings(&with(LINE, "      auth_method: client_secret_post")),
        [format!("6:7 found no credential; {EXACTLY_ONE}")]
    );
}

#[test]
fn an_empty_secret_is_refused() {
    for value in ["''", "${EMPTY}", "${UNSET:-}", "'  '"] {
        assert_eq!(
            findings(&with("sampleCredentia1s", value)),
            ["6:22 found an empty client secret; accepted: the secret that the identity provider issued"]
        );
    }
}

#[test]
fn an_unset_variable_is_refused_by_its_name() {
    assert_eq!(
        findings(&with("sampleCredentia1s", "${OBO_CLIENT_SECRET}")),
        ["6:22 the variable OBO_CLIENT_SECRET is not set; accepted: a variable that is set, or one with a default: \
         ${OBO_CLIENT_SECRET:-default}"]
    );
}

#[test]
fn a_variable_between_braces_needs_quotes() {
    assert_eq!(
        findings(&with(LINE, "      {client_secret: ${SECRET}}")),
        [
            "6:24 not readable as YAML: while parsing a flow mapping, did not find expected ',' or '}'; accepted: a YAML \
         document; within [] and {}, text with ${NAME} needs quotes"
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_refused_without_its_path() {
    assert_eq!(
        findings(&with(LINE, "      client_secret_file: sampleCredentia1s")),
        [
            "6:27 found a file that cannot be read: No such file or directory (os error 2); accepted: a readable file with \
         the client secret in UTF-8"
        ]
    );
}

#[test]
fn the_settings_do_not_print_it() {
    let settings = settings(&with("sampleCredentia1s", "${SECRET}"));
    let printed = format!("{settings:?}");
    assert!(printed.contains("SecretPost(Value(****))") && !printed.contains("s3cr3t"), "{printed}");
}

#[test]
fn the_mirror_of_the_file_does_not_print_it() {
    let credential: super::super::file::Credential =
        serde_json::from_value(serde_json::json!({"client_secret": "s3cr3t"})).unwrap();
    let printed = format!("{credential:?}");
    assert!(printed.contains("****") && !printed.contains("s3cr3t"), "{printed}");
}

#[test]
fn misplaced_credentials_are_not_printed() {
    for credential in [
        "      s3cr3t",
        "      [s3cr3t]",
        "      {s3cr3t}",
        "      {s3cr3t, s3cr3t}",
        "      s3cr3t: true",
        "      client_secret: [s3cr3t]",
        "      client_secret: {s3cr3t: s3cr3t}",
        "      client_secret: $s3cr3t",
        "      client_secret: ${s3cr3t-}",
        "      client_secret: !s3cr3t",
        "      client_secret: '*s3cr3t",
        "      client_secret: *s3cr3t",
        "      client_secret: a: s3cr3t",
        "      client_secret_file: s3cr3t",
        "      client_secret_file: ${SECRET}",
        "      auth_method: ${SECRET}",
        "      auth_method: s3cr3t",
        "      client_secret: a\n    authority: https://u:s3cr3t@h",
        "      client_secret: a\n    authority: https://u:s3cr3t@h:99999",
        "      client_secret: a\n    authority: https://h?sig=s3cr3t",
        "      client_secret: a\n    authority: https://h#s3cr3t",
    ] {
        let error = parsed(&with(LINE, credential)).expect_err(credential).to_string();
        assert!(!error.contains("s3cr3t"), "{error}");
    }
    for number in ["271828", "2.71828"] {
        let error = parsed(&with("sampleCredentia1s", number)).unwrap_err().to_string();
        assert_eq!(error, "routes.yaml:6:22: error: found a number; accepted: text; put it in quotes");
    }
}

#[test]
fn a_misspelt_key_is_told_all_the_same() {
    assert_eq!(
        findings(&with("client_secret:", "client_sekret:")),
        [
            "6:7 unknown key \"client_sekret\"; accepted: auth_method, certificate, client_secret, client_secret_file, managed_identity, private_key, send_chain, workload_identity; did you mean \
         \"client_secret\"?"
        ]
    );
}

proptest! {
    /// Whatever punctuation a secret begins with, and however YAML takes it, its letters are in no finding.
    #[test]
    fn no_finding_repeats_a_secret(
        before in "[-!\"#$%&'*+,./:;<=>?@\\[\\\\\\]^_`{|}~ ]{0,4}", after in "[-!\"#$%&'*+,./:;<=>?@\\[\\\\\\]^_`{|}~ ]{0,4}",
        key in prop_oneof!["client_secret: ", "client_secret_file: ", "auth_method: ", "- ", ""],
    ) {
        let text = with(LINE, &format!("      {key}{before}qZ7xW9kV{after}"));
        if let Err(findings) = parsed(&text) {
            prop_assert!(!findings.to_string().contains("qZ7xW9kV"), "{}\n{}", text, findings);
        }
    }
}
