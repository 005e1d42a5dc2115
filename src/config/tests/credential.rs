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

#[test]
fn at_most_two_credentials_take_turns() {
    let list = |count: usize| {
        let items = vec!["{client_secret: sampleCredentia1s}"; count].join(", ");
        with("    credential:\n      client_secret: sampleCredentia1s", &format!("    credential: [{items}]"))
    };
    assert_eq!(settings(&list(1)).identities[0].credentials.len(), 1);
    assert_eq!(settings(&list(2)).identities[0].credentials.len(), 2);
    assert_eq!(findings(&list(0)), ["5:17 found an empty list; accepted: at least one entry"]);
    assert_eq!(findings(&list(3)), ["5:17 found a list of 3; accepted: at most 2 entries"]);
}

#[test]
fn keys_of_another_kind_of_credential_are_refused() {
    for (line, key) in [
        ("client_secret: s\n      private_key: k.pem", "private_key"),
        ("client_secret: s\n      send_chain: true", "send_chain"),
        ("managed_identity: {}\n      auth_method: client_secret_basic", "auth_method"),
    ] {
        let found = findings(&with(LINE, &format!("      {line}")));
        assert!(found[0].starts_with(&format!("7:7 found the key \"{key}\"; accepted: it beside ")), "{found:?}");
    }
}

#[test]
fn a_federated_token_needs_a_file() {
    let missing = "6:26 missing key \"token_file\"; accepted: the file with the token, or the variable \
        AZURE_FEDERATED_TOKEN_FILE";
    assert_eq!(findings(&with(LINE, "      workload_identity: {}")), [missing]);
    let found = findings(&with(LINE, "      workload_identity: {token_file: nothing}"));
    assert!(found[0].starts_with("6:39 found a file that cannot be read"), "{found:?}");
}

#[test]
fn workload_identity_takes_the_rest_from_its_variables() {
    let directory = std::env::temp_dir().join(format!("obo-proxy-workload-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&directory).unwrap();
    let token = directory.join("token");
    std::fs::write(&token, "eyJ.eyJ.sig\n").unwrap();
    let variables = |name: &str| match name {
        "AZURE_FEDERATED_TOKEN_FILE" => Some(token.display().to_string()),
        "AZURE_TENANT_ID" => Some("99999999-2222-3333-4444-555555555555".to_owned()),
        "AZURE_CLIENT_ID" => Some("aaaa1111-aaaa-2222-bbbb-3333cccc4444".to_owned()),
        "AZURE_AUTHORITY_HOST" => Some("https://login.microsoftonline.us/".to_owned()),
        _ => None,
    };
    let text = "identities: {default: {credential: {workload_identity: {}}}}\nroutes: [{path: /a, target: http://t, grant: none}]";
    let parsed = crate::config::parse("routes.yaml", text, &directory, &variables);
    std::fs::remove_dir_all(&directory).unwrap();
    let identity = parsed.unwrap_or_else(|findings| panic!("{findings}")).identities.remove(0);
    assert_eq!(identity.tenants[0].id(), "99999999-2222-3333-4444-555555555555");
    assert_eq!(&*identity.client_id, "aaaa1111-aaaa-2222-bbbb-3333cccc4444");
    let token = identity.tenants[0].endpoints().unwrap().token.clone();
    assert!(token.starts_with("https://login.microsoftonline.us/99999999-"), "{token}");
    let [crate::identity::Credential::FederatedToken(path)] = &*identity.credentials else { panic!("another kind") };
    assert!(path.ends_with("token"));
}

#[test]
fn instance_metadata_is_asked_on_this_machine_only() {
    let found = findings(&with(LINE, "      managed_identity: {endpoint: 'http://metadata.example/token'}"));
    assert!(found[0].contains("a loopback or a link-local address"), "{found:?}");
    for endpoint in ["http://169.254.169.254/a", "http://127.0.0.1:1/a", "https://metadata.example/a"] {
        settings(&with(LINE, &format!("      managed_identity: {{endpoint: '{endpoint}'}}")));
    }
    settings(&with(LINE, "      managed_identity: {}"));
}

#[test]
fn a_certificate_is_tried_at_load() {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
    let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let pem = |key: &KeyPair, year: i32| {
        let mut params = CertificateParams::new(vec!["c".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.self_signed(key).unwrap().pem()
    };
    let directory = std::env::temp_dir().join(format!("obo-proxy-certificates-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&directory).unwrap();
    let put = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
    let (one, two) = (key(), key());
    put("good.pem", &pem(&one, 4000));
    put("ended.pem", &pem(&one, 2000));
    put("key.pem", &one.serialize_pem());
    put("other.pem", &two.serialize_pem());
    put("sealed.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    put("text.pem", "text");
    let parse = |credential: &str| {
        let text =
            with("    credential:\n      client_secret: sampleCredentia1s", &format!("    credential: {credential}"));
        crate::config::parse("f", &text, &directory, &|_| None).map(drop).map_err(|findings| findings.to_string())
    };
    for (credential, found) in [
        ("{certificate: text.pem, private_key: key.pem}", "5:31: error: found a file that has no certificate in PEM"),
        ("{certificate: good.pem, private_key: text.pem}", "5:54: error: found a file that has no private key in PEM"),
        ("{certificate: good.pem}", "5:31: error: found a file that has no private key in PEM"),
        ("{certificate: good.pem, private_key: sealed.pem}", "found a file that has an encrypted private key"),
        (
            "{certificate: good.pem, private_key: other.pem}",
            "found a file that has not the key of the first certificate",
        ),
        (
            "{certificate: ended.pem, private_key: key.pem}",
            "found a file that has a certificate whose validity has ended",
        ),
    ] {
        let error = parse(credential).unwrap_err();
        assert!(error.contains(found) && error.lines().count() == 1, "{credential}: {error}");
    }
    assert_eq!(parse("{certificate: good.pem, private_key: key.pem}"), Ok(()));
    let rotation = "[{certificate: ended.pem, private_key: key.pem}, {certificate: good.pem, private_key: key.pem}]";
    assert_eq!(parse(rotation), Ok(()), "one of two serves");
    std::fs::remove_dir_all(&directory).unwrap();
}
