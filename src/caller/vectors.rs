//! The published examples of JSON Web Signatures (RFC 7515 appendix A, RFC 7520 section 4, RFC 8037 appendix A), held
//! against our reading of tokens and key sets: keys, inputs and signatures are those of the RFCs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::invalid::InvalidToken;
use super::jws::CompactJws;
use super::keys::KeySet;
use crate::identity::Tenant;

/// What signs, what was signed, and how.
struct Example {
    jwk: Value,
    signed: String,
    signature: &'static str,
    algorithm: Algorithm,
}

impl Example {
    fn new(jwk: Value, header: &str, payload: &str, signature: &'static str, algorithm: Algorithm) -> Self {
        Self { jwk, signed: signed(header, payload), signature, algorithm }
    }

    fn keys(&self) -> KeySet {
        keys(&self.jwk)
    }

    fn verifies(&self, keys: &KeySet, signed: &str, signature: &str, algorithm: Algorithm) -> bool {
        let key = keys.find(self.jwk["kid"].as_str().unwrap(), ISSUER).expect("the key is usable");
        key.fits(algorithm) && key.verifies(signature, signed, algorithm)
    }
}

fn signed(header: &str, payload: &str) -> String {
    format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header))
}

fn keys(jwk: &Value) -> KeySet {
    let document = json!({ "keys": [jwk] }).to_string();
    KeySet::read(document.as_bytes(), &[ISSUER.into()], &Tenant::oidc(""), &KeySet::default()).expect("a key set")
}

const ISSUER: &str = "joe";

/// The examples with algorithms that can be accepted. Keys that have no name in their RFC are given one.
fn examples() -> [Example; 5] {
    use Algorithm::{ES256, EdDSA, PS384, RS256};
    let rsa = |kid: &str, modulus: &str| json!({"kty": "RSA", "kid": kid, "use": "sig", "n": modulus, "e": "AQAB"});
    let ec = json!({
        "kty": "EC", "kid": "k", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let okp = json!({
        "kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let bilbo = || rsa("bilbo.baggins@hobbiton.example", data::MODULUS);
    let by_bilbo = |alg: &str| format!(r#"{{"alg":"{alg}","kid":"bilbo.baggins@hobbiton.example"}}"#);
    let ed25519_payload = URL_SAFE_NO_PAD.encode("Example of Ed25519 signing");
    [
        Example::new(rsa("k", data::A2_MODULUS), r#"{"alg":"RS256"}"#, data::CLAIMS, data::A2_SIGNATURE, RS256),
        Example::new(ec, r#"{"alg":"ES256"}"#, data::CLAIMS, data::A3_SIGNATURE, ES256),
        Example::new(bilbo(), &by_bilbo("RS256"), data::TEXT, data::RS256_SIGNATURE, RS256),
        Example::new(bilbo(), &by_bilbo("PS384"), data::TEXT, data::PS384_SIGNATURE, PS384),
        Example::new(okp, r#"{"alg":"EdDSA"}"#, &ed25519_payload, data::ED25519_SIGNATURE, EdDSA),
    ]
}

#[test]
fn published_signatures_are_good() {
    for example in examples() {
        let algorithm = example.algorithm;
        assert!(example.verifies(&example.keys(), &example.signed, example.signature, algorithm), "{algorithm:?}");
    }
}

#[test]
fn no_bit_of_a_signature_can_be_changed() {
    for example in examples() {
        let (keys, signature) = (example.keys(), URL_SAFE_NO_PAD.decode(example.signature).unwrap());
        for bit in 0..signature.len() * 8 {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            let good = example.verifies(&keys, &example.signed, &changed, example.algorithm);
            assert!(!good, "bit {bit} of {:?}", example.algorithm);
        }
    }
}

#[test]
fn no_bit_of_what_was_signed_can_be_changed() {
    for example in examples() {
        let keys = example.keys();
        for bit in 0..example.signed.len() * 8 {
            let mut changed = example.signed.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            // What is no text never gets so far.
            let Ok(changed) = String::from_utf8(changed) else { continue };
            let good = example.verifies(&keys, &changed, example.signature, example.algorithm);
            assert!(!good, "bit {bit} of {:?}", example.algorithm);
        }
    }
}

#[test]
fn a_signature_has_one_spelling_and_one_length() {
    for example in examples() {
        let (keys, spelt) = (example.keys(), example.signature);
        let bytes = URL_SAFE_NO_PAD.decode(spelt).unwrap();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut changed = vec![
            String::new(),
            format!("{spelt}="),
            format!("{spelt}=="),
            format!("{spelt} "),
            format!("{spelt}\n"),
            format!("{spelt}A"),
            spelt[..spelt.len() - 1].to_owned(),
            spelt.to_uppercase(),
            encode(&bytes[1..]),
            encode(&bytes[..bytes.len() - 1]),
            encode(&[&bytes[..], &[0]].concat()),
            encode(&[&[0], &bytes[..]].concat()),
            encode(&[&bytes[..], &bytes[..]].concat()),
            encode(&vec![0; bytes.len()]),
            encode(&vec![255; bytes.len()]),
        ];
        if spelt.contains(['-', '_']) {
            changed.push(spelt.replace('-', "+").replace('_', "/"));
        }
        changed.extend(others_with_the_same_bits(spelt));
        for signature in changed {
            assert!(!example.verifies(&keys, &example.signed, &signature, example.algorithm), "{signature}");
        }
    }
}

/// The last character of a signature has bits that count for nothing; other characters differ in these alone.
fn others_with_the_same_bits(spelt: &str) -> Vec<String> {
    let (rest, last) = spelt.split_at(spelt.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    // 256 and 64 bytes both end with a lone byte, whose last four bits are unused.
    assert_eq!((spelt.len() % 4, at % 16), (2, 0));
    (1..16).map(|unused| format!("{rest}{}", &alphabet[at + unused..=at + unused])).collect()
}

#[test]
fn a_signature_is_good_for_its_own_algorithm_and_key_only() {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
    let all = [ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512];
    let examples = examples();
    for (n, example) in examples.iter().enumerate() {
        for algorithm in all.into_iter().filter(|algorithm| *algorithm != example.algorithm) {
            let good = example.verifies(&example.keys(), &example.signed, example.signature, algorithm);
            assert!(!good, "{:?} as {algorithm:?}", example.algorithm);
        }
        for (_, other) in examples.iter().enumerate().filter(|(m, _)| *m != n) {
            let good = example.verifies(&example.keys(), &other.signed, other.signature, other.algorithm);
            assert!(!good || example.jwk == other.jwk, "{:?} by the key of {n}", other.algorithm);
        }
    }
}

#[test]
fn keys_of_other_algorithms_are_left_out() {
    for jwk in [
        json!({"kty": "oct", "kid": "k", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}),
        json!({"kty": "oct", "kid": "k", "use": "sig", "alg": "HS256", "k": "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}),
        json!({
            "kty": "EC", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "crv": "P-521",
            "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
            "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1",
        }),
    ] {
        assert_eq!(keys(&jwk).len(), 0, "{jwk}");
    }
}

#[test]
fn published_tokens_are_read_as_far_as_they_are_tokens_for_us() {
    let parse = |header: &str, payload: &str, signature: &str| {
        let token = format!("{}.{signature}", signed(header, payload));
        CompactJws::parse(&token).map(|jws| jws.algorithm).unwrap_err()
    };
    let by_bilbo = |alg: &str| format!(r#"{{"alg":"{alg}","kid":"bilbo.baggins@hobbiton.example"}}"#);
    let (text, es512) = (data::TEXT, data::ES512_SIGNATURE);
    // RFC 7515: none of them names its key, and that of A.5 has no signature.
    let a1 = "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}";
    assert_eq!(parse(a1, data::CLAIMS, data::A1_SIGNATURE), InvalidToken::NoKeyId);
    assert_eq!(parse(r#"{"alg":"RS256"}"#, data::CLAIMS, data::A2_SIGNATURE), InvalidToken::NoKeyId);
    assert_eq!(parse(r#"{"alg":"ES256"}"#, data::CLAIMS, data::A3_SIGNATURE), InvalidToken::NoKeyId);
    assert_eq!(parse(r#"{"alg":"none"}"#, data::CLAIMS, ""), InvalidToken::Algorithm);
    // RFC 7520: the payload is no JSON, and ES512 is not among the algorithms.
    assert_eq!(parse(&by_bilbo("RS256"), text, data::RS256_SIGNATURE), InvalidToken::MalformedClaims);
    assert_eq!(parse(&by_bilbo("PS384"), text, data::PS384_SIGNATURE), InvalidToken::MalformedClaims);
    assert_eq!(parse(&by_bilbo("ES512"), text, es512), InvalidToken::Algorithm);
    let hs256 = r#"{"alg":"HS256","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037"}"#;
    assert_eq!(parse(hs256, text, data::HS256_SIGNATURE), InvalidToken::MalformedClaims);
}

/// Keys and signatures as the RFCs print them.
mod data {
    /// The payload of RFC 7515 appendix A.
    pub(super) const CLAIMS: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    /// RFC 7515 appendix A.1, HS256.
    pub(super) const A1_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    /// RFC 7515 appendix A.2, RS256.
    pub(super) const A2_MODULUS: &str = concat!(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR",
        "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB",
        "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia",
        "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    );
    pub(super) const A2_SIGNATURE: &str = concat!(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9",
        "uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB",
        "_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq",
        "Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
    /// RFC 7515 appendix A.3, ES256.
    pub(super) const A3_SIGNATURE: &str =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    /// The payload of RFC 7520 section 4; it is no JSON.
    pub(super) const TEXT: &str = concat!(
        "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUg",
        "cm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0",
        "IGJlIHN3ZXB0IG9mZiB0by4",
    );
    /// RFC 7520 section 3.3, the key of 4.1 and 4.2.
    pub(super) const MODULUS: &str = concat!(
        "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRB",
        "SFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD",
        "1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_",
        "qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw",
    );
    /// RFC 7520 section 4.1.
    pub(super) const RS256_SIGNATURE: &str = concat!(
        "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi8",
        "4wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocS",
        "adnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJu",
        "shZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg",
    );
    /// RFC 7520 section 4.2.
    pub(super) const PS384_SIGNATURE: &str = concat!(
        "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItl",
        "lVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0",
        "TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0",
        "uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
    );
    /// RFC 7520 section 4.3.
    pub(super) const ES512_SIGNATURE: &str = concat!(
        "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_",
        "sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2",
    );
    /// RFC 7520 section 4.4.
    pub(super) const HS256_SIGNATURE: &str = "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";
    /// RFC 8037 appendix A.4.
    pub(super) const ED25519_SIGNATURE: &str =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
}
