//! Addresses to listen on, and the TLS files of listeners.

use std::net::{IpAddr, SocketAddr};

use super::{Checker, network, pem};
use crate::config::document::Node;
use crate::config::file::{self, File};
use crate::config::findings::quoted;
use crate::server::{ListenerSettings, TlsFiles};

/// Checks all listeners, that of the administrator included.
pub(super) fn listeners(
    checker: &mut Checker<'_>,
    file: &File,
    document: &Node,
) -> (Vec<ListenerSettings>, Option<SocketAddr>) {
    let mut taken = Vec::new();
    let mut listeners = Vec::new();
    for (n, listener) in file.listen.iter().enumerate() {
        let node = document.key("listen").item(n);
        let address = free_address(checker, &listener.address, node.key("address"), &mut taken);
        let tls = listener.tls.as_ref().map(|tls| tls_files(checker, tls, node.key("tls")));
        let proxy_protocol = listener
            .proxy_protocol
            .as_ref()
            .map(|settings| network::networks(checker, &settings.from, node.key("proxy_protocol").key("from")));
        if listener.h2c && tls.is_some() {
            checker.report(node.key("h2c"), "\"h2c\" beside \"tls\"", "one of them: with TLS, HTTP/2 is negotiated");
        }
        let h2c = listener.h2c;
        listeners.extend(address.map(|address| ListenerSettings { address, tls, h2c, proxy_protocol }));
    }
    let admin = file.admin.as_ref().and_then(|admin| {
        let node = document.key("admin").key("address");
        free_address(checker, &admin.address, node, &mut taken)
    });
    (listeners, admin)
}

fn free_address(
    checker: &mut Checker<'_>,
    text: &str,
    node: &Node,
    taken: &mut Vec<(SocketAddr, u64)>,
) -> Option<SocketAddr> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        return checker.refuse(
            node,
            quoted(text),
            "an IP address and a port such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
        );
    };
    if let Some((_, line)) = taken.iter().find(|(other, _)| overlap(*other, address)) {
        let found = format!("{}, which the listener on line {line} takes", quoted(text));
        return checker.refuse(node, found, "an address of its own");
    }
    taken.push((address, node.at.line));
    Some(address)
}

/// Whether the second of two addresses could not be bound. Port 0 stands for any free port.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let all = |wide: IpAddr, ip: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || ip.is_ipv4());
    one.port() != 0
        && one.port() == other.port()
        && (one.ip() == other.ip() || all(one.ip(), other.ip()) || all(other.ip(), one.ip()))
}

fn tls_files(checker: &mut Checker<'_>, tls: &file::Tls, node: &Node) -> TlsFiles {
    let (certificate, private_key) = (node.key("certificate"), node.key("private_key"));
    let chain = pem::certificates(checker, &tls.certificate, certificate);
    let key = pem::private_key(checker, &tls.private_key, private_key);
    if let (Some(chain), Some(key)) = (chain, key) {
        pem::check_pair(checker, chain, key, private_key);
    }
    if let Some(client_ca) = &tls.client_ca {
        pem::authorities(checker, client_ca, node.key("client_ca"));
    }
    TlsFiles {
        certificate: checker.path(&tls.certificate),
        private_key: checker.path(&tls.private_key),
        client_ca: tls.client_ca.as_ref().map(|path| checker.path(path)),
    }
}
