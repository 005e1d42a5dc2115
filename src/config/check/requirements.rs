//! What a route asks of a caller's token.

use super::Checker;
use super::text::{CLIENT_ID, is_client_id, is_scope_token, with_lower_case_guid};
use crate::caller::Requirements;
use crate::config::document::Node;
use crate::config::file;
use crate::config::findings::quoted;

pub(super) fn requirements(checker: &mut Checker<'_>, require: file::Require, node: &Node) -> Requirements {
    let token = "one value per entry, without blanks, quotes and backslashes";
    let filled = |text: &str| !text.is_empty() && !text.contains(char::is_control);
    all(checker, &require.scopes, node.key("scopes"), is_scope_token, token);
    all(checker, &require.roles, node.key("roles"), filled, "the value of a role");
    all(checker, &require.clients, node.key("clients"), is_client_id, CLIENT_ID);
    Requirements {
        scopes: require.scopes.into_iter().map(Into::into).collect(),
        roles: require.roles.into_iter().map(Into::into).collect(),
        clients: require.clients.into_iter().map(with_lower_case_guid).collect(),
    }
}

pub(super) fn all(
    checker: &mut Checker<'_>,
    texts: &[String],
    node: &Node,
    valid: impl Fn(&str) -> bool,
    accepted: &str,
) {
    for (n, text) in texts.iter().enumerate().filter(|(_, text)| !valid(text)) {
        checker.report(node.item(n), quoted(text), accepted);
    }
    checker.no_repeats(texts, node);
}
