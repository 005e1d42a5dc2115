//! A client assertion (RFC 7523, section 2.2): signed by the client's certificate, or by an issuer that it trusts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, Header};

use super::{Expected, certificate::Certificate, federation};
use crate::emulator::{authority::Authority, jwt, refusal::Refusal};

/// Accepts an assertion that authenticates the registration.
pub(super) fn verify(authority: &Authority, expected: &Expected, assertion: &str) -> Result<(), Refusal> {
    let claims = jwt::unverified_claims(assertion).ok_or(Refusal::WrongClientAssertion("it is not a JWT"))?;
    let client_id = &authority.options.client_id;
    if jwt::text(&claims, "iss").is_some_and(|issuer| issuer != client_id) && expected.may_be_federated {
        return federation::verify(authority, assertion);
    }
    let header = jsonwebtoken::decode_header(assertion)
        .map_err(|_| Refusal::WrongClientAssertion("its algorithm is unknown"))?;
    if ![Algorithm::PS256, Algorithm::RS256, Algorithm::ES256].contains(&header.alg) {
        return Err(Refusal::WrongClientAssertion("its algorithm is none of PS256, RS256 and ES256"));
    }
    let verify = |certificate: &Certificate| certificate.verify(assertion, client_id, &expected.audiences);
    let jti = match signer(authority, &header)? {
        Some(certificate) => verify(&certificate)?,
        None if expected.certificate_may_be_unnamed => {
            let mut jtis = authority.registry.certificates().into_iter().map(|certificate| verify(&certificate));
            jtis.find(Result::is_ok)
                .unwrap_or(Err(Refusal::WrongClientAssertion("no registered certificate signed it")))?
        }
        None => return Err(Refusal::WrongClientAssertion("it names no certificate")),
    };
    refuse_replay(authority, jti)
}

/// The certificate that the header names by its thumbprint, or contains, if it does either.
fn signer(authority: &Authority, header: &Header) -> Result<Option<Certificate>, Refusal> {
    let registry = &authority.registry;
    let chain = header.x5c.as_deref().map(decoded_chain).transpose()?;
    let named = |stated: &str, actual: String| stated.trim_end_matches('=') == actual;
    let found = match (&header.x5t_s256, &header.x5t, &chain) {
        (Some(stated), ..) => registry.certificate(|one| named(stated, one.thumbprint()))?,
        (None, Some(stated), _) => registry.certificate(|one| named(stated, one.old_thumbprint()))?,
        (None, None, Some(chain)) => registry.certificate(|one| chain.first().is_some_and(|leaf| leaf == one.der()))?,
        (None, None, None) => return Ok(None),
    };
    match (found, chain, &registry.issuer) {
        (Some(found), ..) => Ok(Some(found)),
        (None, Some(chain), Some(issuer)) => issuer.vouched(&chain).map(Some).map_err(Refusal::WrongClientAssertion),
        (None, ..) => Err(Refusal::WrongClientAssertion("it names a certificate that is not registered")),
    }
}

/// Client libraries leave the line breaks of PEM in it.
fn decoded_chain(chain: &[String]) -> Result<Vec<Vec<u8>>, Refusal> {
    let decoded = chain.iter().map(|encoded| STANDARD.decode(encoded.replace(['\r', '\n'], "")));
    decoded.collect::<Result<_, _>>().map_err(|_| Refusal::WrongClientAssertion("its x5c is not base64"))
}

fn refuse_replay(authority: &Authority, jti: Option<String>) -> Result<(), Refusal> {
    if !authority.options.unique_jti {
        return Ok(());
    }
    let jti = jti.ok_or(Refusal::WrongClientAssertion("it has no jti"))?;
    if authority.registry.is_new(jti) { Ok(()) } else { Err(Refusal::WrongClientAssertion("its jti was used before")) }
}
