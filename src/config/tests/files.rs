//! Files that the settings refer to, and the file of the settings itself.

use std::fs;
use std::path::PathBuf;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::super::{load, parse};
use super::{VALID, with, with_top};
use crate::identity::{Credential, SecretSource};

/// A directory that is removed at the end of a test.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("obo-proxy-config-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        fs::write(self.0.join(name), content).unwrap();
        self
    }

    fn parse(&self, text: &str) -> Result<super::Settings, String> {
        parse("routes.yaml", text, &self.0, &|_| None).map_err(|findings| findings.to_string())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn certificate() -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

const TLS: &str = "listen: [{address: 127.0.0.1:1, tls: {certificate: c.pem, private_key: k.pem, client_ca: ca.pem}}]";

#[test]
fn a_secret_comes_from_a_file_beside_the_settings() {
    let directory = Directory::new("secret");
    let text = with("client_secret: sampleCredentia1s", "client_secret_file: secret");
    for content in ["s3cr3t", "s3cr3t\n", "s3cr3t\r\n"] {
        let settings = directory.write("secret", content).parse(&text).unwrap();
        let [Credential::SecretPost(SecretSource::File(path))] = &*settings.identities[0].credentials else { panic!() };
        assert!(path.is_absolute() && path.ends_with("secret"));
    }
    for (content, found) in [(&b"\n"[..], "a file that is empty"), (&b"\xff"[..], "a file that is not UTF-8")] {
        let error = directory.write("secret", content).parse(&text).unwrap_err();
        assert!(error.starts_with(&format!("routes.yaml:6:27: error: found {found}; ")), "{error}");
    }
}

#[test]
fn tls_files_are_read_and_tried() {
    let directory = Directory::new("tls");
    let (certificate, key) = certificate();
    directory.write("c.pem", &certificate).write("k.pem", &key).write("ca.pem", &certificate);
    let settings = directory.parse(&with_top(TLS)).unwrap();
    let tls = settings.listeners[0].tls.as_ref().unwrap();
    assert_eq!(tls.certificate, directory.0.join("c.pem"));
    assert_eq!(tls.client_ca, Some(directory.0.join("ca.pem")));
}

#[test]
fn tls_files_that_are_none_are_refused() {
    let directory = Directory::new("no-tls");
    let (certificate, key) = certificate();
    directory.write("c.pem", &key).write("k.pem", &certificate);
    directory.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_eq!(
        directory.parse(&with_top(TLS)).unwrap_err(),
        "routes.yaml:1:52: error: found \"c.pem\", a file without a certificate in PEM; accepted: a readable file with one \
         or more certificates in PEM\n\
         routes.yaml:1:72: error: found \"k.pem\", a file without a private key in PEM; accepted: a readable file with a \
         private key in PEM\n\
         routes.yaml:1:90: error: found \"ca.pem\", with a damaged certificate; accepted: a readable file with one or more \
         certificates in PEM"
    );
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let directory = Directory::new("pair");
    let (first, _) = certificate();
    let (_, second) = certificate();
    directory.write("c.pem", &first).write("k.pem", second).write("ca.pem", &first);
    assert_eq!(
        directory.parse(&with_top(TLS)).unwrap_err(),
        "routes.yaml:1:72: error: found a key and a certificate that do not work together; accepted: the key of the first \
         certificate"
    );
}

#[test]
fn authorities_of_a_target_are_read_and_need_tls() {
    let directory = Directory::new("ca");
    directory.write("ca.pem", certificate().0);
    let target = |scheme: &str| with("https://payroll.internal", &format!("{{url: '{scheme}://h', ca_file: ca.pem}}"));
    let settings = directory.parse(&target("https")).unwrap();
    assert_eq!(settings.routes[0].target.ca.as_ref().map(Vec::len), Some(1));
    assert_eq!(
        directory.parse(&target("http")).unwrap_err(),
        "routes.yaml:9:40: error: found authorities for a target without TLS; accepted: an https target"
    );
}

#[test]
fn a_file_is_loaded_with_paths_relative_to_it() {
    let directory = Directory::new("load");
    let path = directory.0.join("routes.yaml");
    directory
        .write("secret", "s3cr3t")
        .write("routes.yaml", VALID.replace("client_secret: sampleCredentia1s", "client_secret_file: secret"));
    assert_eq!(load(&path).unwrap().routes.len(), 1);
    directory.write("routes.yaml", "a");
    let name = path.display();
    assert_eq!(load(&path).unwrap_err().to_string(), format!("{name}:1:1: error: found text; accepted: a mapping"));
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let directory = Directory::new("no-text");
    let path = directory.0.join("routes.yaml");
    let name = path.display();
    assert_eq!(
        load(&path).unwrap_err().to_string(),
        format!(
            "{name}: error: the file cannot be read: No such file or directory (os error 2); accepted: a readable file"
        )
    );
    directory.write("routes.yaml", b"a: b\nc\xc3\xa9: \xff");
    assert_eq!(
        load(&path).unwrap_err().to_string(),
        format!("{name}:2:5: error: found bytes that are not UTF-8; accepted: text in UTF-8")
    );
    directory.write("routes.yaml", "#".repeat(1024 * 1024 + 2));
    assert_eq!(
        load(&path).unwrap_err().to_string(),
        format!("{name}:1:1: error: found a file of more than 1 MiB; accepted: at most 1 MiB")
    );
}
