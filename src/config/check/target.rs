//! The target of a route.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::{PrivateKeyDer, ServerName};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::address::{self, Address, path_fault};
use super::{Checker, Range, Refused, pem};
use crate::config::document::Node;
use crate::config::findings::quoted;
use crate::config::values::{self, TargetMapping};
use crate::proxy::{Balance, ClientCertificate, EndpointSettings, HealthCheckSettings, TargetSettings};
use crate::route::{HostName, RoutePath};

/// Checks `target` of a route.
pub(super) fn target(checker: &mut Checker<'_>, target: &TargetMapping, node: &Node) -> Option<TargetSettings> {
    let mut timeout = |text, key| checker.duration(text, node.key(key), &TIMEOUT);
    let connect_timeout = timeout(&target.connect_timeout, "connect_timeout");
    let read_timeout = timeout(&target.read_timeout, "read_timeout");
    let write_timeout = timeout(&target.write_timeout, "write_timeout");
    let whole = target.timeout.as_ref().map(|text| timeout(text, "timeout").ok_or(Refused)).transpose();
    let first_byte = first_byte_timeout(checker, target, read_timeout, node);
    let address = address::parse(checker, &target.url, node.key("url"));
    let tls = tls(checker, target, address.as_ref(), node);
    let endpoints = endpoints(checker, &target.endpoints, address.as_ref(), node.key("endpoints"));
    let check = target.health_check.as_ref();
    let check = check.map(|check| health_check(checker, check, node.key("health_check")).ok_or(Refused)).transpose();
    let (address, tls) = (address?, tls?);
    Some(TargetSettings {
        tls: address.is_https(),
        host: address.host,
        port: address.port,
        path: address.path,
        endpoints: endpoints?,
        balance: match target.balance {
            values::Balance::RoundRobin => Balance::RoundRobin,
            values::Balance::LeastRequests => Balance::LeastRequests,
        },
        connect_timeout: connect_timeout?,
        first_byte_timeout: first_byte.ok()?,
        read_timeout: read_timeout?,
        write_timeout: write_timeout?,
        timeout: whole.ok()?,
        retries: target.retries,
        max_requests: usize::try_from(target.max_requests).ok()?,
        health_check: check.ok()?,
        http2: target.http2,
        ca: tls.ca,
        client_certificate: tls.client_certificate,
        server_name: tls.server_name,
    })
}

/// A silence before the answer ends by `read_timeout` in any case; over HTTP/2 it can end by nothing else.
fn first_byte_timeout(
    checker: &mut Checker<'_>,
    target: &TargetMapping,
    read_timeout: Option<Duration>,
    node: &Node,
) -> Result<Option<Duration>, Refused> {
    let Some(text) = &target.first_byte_timeout else { return Ok(None) };
    let node = node.key("first_byte_timeout");
    let time = checker.duration(text, node, &TIMEOUT).ok_or(Refused)?;
    if target.http2 {
        checker.report(node, "a time for the first byte over HTTP/2", "\"read_timeout\" or \"timeout\"");
        return Err(Refused);
    }
    if read_timeout.is_some_and(|longest| time > longest) {
        checker.report(node, quoted(text.as_str()), "at most \"read_timeout\", which ends every silence");
        return Err(Refused);
    }
    Ok(Some(time))
}

/// What only targets with TLS have.
struct Tls {
    ca: Option<Vec<rustls_pki_types::CertificateDer<'static>>>,
    client_certificate: Option<Arc<ClientCertificate>>,
    server_name: Option<Box<str>>,
}

fn tls(checker: &mut Checker<'_>, target: &TargetMapping, address: Option<&Address>, node: &Node) -> Option<Tls> {
    let ca = match &target.ca_file {
        Some(path) => Some(pem::authorities(checker, path, node.key("ca_file"))?),
        None => None,
    };
    let client_certificate = client_certificate(checker, target, node).ok()?;
    let server_name = match &target.server_name {
        Some(name) => Some(server_name(checker, name, node.key("server_name"))?),
        None => None,
    };
    let address = address?;
    if address.is_https() {
        let name = server_name.as_deref().unwrap_or(&address.host);
        check_verifiable(checker, name, node.key("url"))?;
        return Some(Tls { ca, client_certificate, server_name });
    }
    for (key, is_given, found) in [
        ("ca_file", ca.is_some(), "authorities for a target without TLS"),
        ("client_certificate", client_certificate.is_some(), "a client certificate for a target without TLS"),
        ("server_name", server_name.is_some(), "a name in certificates for a target without TLS"),
    ] {
        if is_given {
            return checker.refuse(node.key(key), found, "an https target");
        }
    }
    Some(Tls { ca, client_certificate, server_name })
}

/// Pingora would take an underscore for a hyphen, and so a certificate of somebody else for that of the target.
fn check_verifiable(checker: &mut Checker<'_>, name: &str, node: &Node) -> Option<()> {
    if name.contains('_') || ServerName::try_from(name).is_err() {
        let found = format!("the host {}, for which there are no certificates", quoted(name));
        return checker.refuse(node, found, "a host name or address for an https target, or the key \"server_name\"");
    }
    Some(())
}

fn server_name(checker: &mut Checker<'_>, name: &str, node: &Node) -> Option<Box<str>> {
    let accepted = "a host name such as \"payroll.contoso.com\"";
    let host = HostName::parse(name.as_bytes()).ok().filter(|_| !name.contains(['_', ':', '[']));
    match host {
        Some(host) if ServerName::try_from(host.as_str()).is_ok() => Some(host.as_str().into()),
        _ => checker.refuse(node, quoted(name), accepted),
    }
}

/// Both files or none.
fn client_certificate(
    checker: &mut Checker<'_>,
    target: &TargetMapping,
    node: &Node,
) -> Result<Option<Arc<ClientCertificate>>, Refused> {
    let read = match (&target.client_certificate, &target.client_key) {
        (None, None) => return Ok(None),
        (Some(_), None) => checker.missing(node, "client_key", "the file with the key of the certificate"),
        (None, Some(_)) => checker.missing(node, "client_certificate", "the file with the certificate"),
        (Some(certificate), Some(key)) => read_client_certificate(checker, certificate, key, node),
    };
    read.map(|ours| Some(Arc::new(ours))).ok_or(Refused)
}

/// A certificate that has not ended, and its key.
fn read_client_certificate(
    checker: &mut Checker<'_>,
    certificate: &str,
    key: &str,
    node: &Node,
) -> Option<ClientCertificate> {
    let (at, key_at) = (node.key("client_certificate"), node.key("client_key"));
    let chain = pem::certificates(checker, certificate, at);
    let key = pem::private_key(checker, key, key_at);
    let (chain, key) = (chain?, key?);
    let parsed: Option<Vec<_>> = chain.iter().map(|der| X509Certificate::from_der(der).ok()).collect();
    let ends = parsed.and_then(|parsed| Some(parsed.first()?.1.validity().not_after.timestamp()));
    let Some(ends) = ends else {
        return checker.refuse(at, format!("{}, with a damaged certificate", quoted(certificate)), CERTIFICATE);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if ends <= i64::try_from(now).unwrap_or(i64::MAX) {
        return checker.refuse(at, format!("{}, whose certificate has ended", quoted(certificate)), CERTIFICATE);
    }
    pem::check_pair(checker, chain.clone(), key.clone_key(), key_at);
    // Pingora is given the key without its kind.
    if PrivateKeyDer::try_from(key.secret_der()).is_err() {
        return checker.refuse(key_at, "a key of an unknown kind", "a key in PKCS #8, PKCS #1 or SEC 1");
    }
    Some(ClientCertificate { chain, key, ends })
}

/// Other places of the same target.
fn endpoints(
    checker: &mut Checker<'_>,
    texts: &[String],
    first: Option<&Address>,
    node: &Node,
) -> Option<Vec<EndpointSettings>> {
    let mut endpoints: Vec<EndpointSettings> = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let node = node.item(n);
        let (address, first) = (address::parse(checker, text, node)?, first?);
        if address.is_https() != first.is_https() || &*address.path != "/" || text.ends_with('/') {
            return checker.refuse(node, quoted(text), "a URL with the scheme of \"url\", and without a path");
        }
        if address.is_https() {
            check_verifiable(checker, &address.host, node)?;
        }
        let is_first = address.host == first.host && address.port == first.port;
        let endpoint = EndpointSettings { host: address.host, port: address.port };
        if is_first || endpoints.contains(&endpoint) {
            return checker.refuse(node, format!("{} a second time", quoted(text)), "each place once");
        }
        endpoints.push(endpoint);
    }
    Some(endpoints)
}

fn health_check(checker: &mut Checker<'_>, check: &values::HealthCheck, node: &Node) -> Option<HealthCheckSettings> {
    let interval = checker.duration(&check.interval, node.key("interval"), &INTERVAL);
    let timeout = checker.duration(&check.timeout, node.key("timeout"), &CHECK_TIMEOUT);
    let path = match RoutePath::exact(&check.path) {
        Ok(path) => Some(path.as_str().into()),
        Err(error) => {
            let found = format!("the path {}, which {}", quoted(&check.path), path_fault(error));
            checker.refuse(node.key("path"), found, "a path such as \"/healthz\"")
        }
    };
    Some(HealthCheckSettings {
        path: path?,
        interval: interval?,
        timeout: timeout?,
        unhealthy_after: check.unhealthy_after,
        healthy_after: check.healthy_after,
    })
}

const TIMEOUT: Range = Range::new(Duration::from_millis(1), Duration::from_hours(24), "1ms to 24h");
const INTERVAL: Range = Range::new(Duration::from_millis(100), Duration::from_hours(1), "100ms to 1h");
const CHECK_TIMEOUT: Range = Range::new(Duration::from_millis(1), Duration::from_mins(1), "1ms to 1m");
const CERTIFICATE: &str = "a readable file with a certificate in PEM that has not ended";
