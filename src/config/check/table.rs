//! All routes together: their names, and that every request takes one of them at most.

use std::collections::HashMap;

use super::identity::Names;
use super::text::{LABEL, is_label};
use super::{Checker, resource_metadata, route};
use crate::config::document::Node;
use crate::config::file;
use crate::config::findings::quoted;
use crate::proxy::RouteSettings;
use crate::route::{RoutePath, RouteTable};

/// Checks `routes`; `node` is the list.
pub(super) fn routes(
    checker: &mut Checker<'_>,
    routes: Vec<file::Route>,
    node: &Node,
    identities: &Names<'_>,
) -> Vec<RouteSettings> {
    let mut lines_by_name = HashMap::new();
    let mut accepted = Vec::new();
    for (n, route) in routes.into_iter().enumerate() {
        let node = node.item(n);
        let name = name(checker, &route, node, &mut lines_by_name);
        let settings = route::route(checker, &name, route, node, identities);
        accepted.extend(settings.map(|settings| (node, settings)));
    }
    report_ties(checker, &accepted);
    accepted.into_iter().map(|(_, settings)| settings).collect()
}

fn name(
    checker: &mut Checker<'_>,
    route: &file::Route,
    node: &Node,
    lines_by_name: &mut HashMap<String, u64>,
) -> String {
    let (name, node) = match &route.name {
        Some(name) => (name, node.key("name")),
        None => (&route.path, node.key("path")),
    };
    let given = route.name.is_some();
    // A path that is refused for itself needs no second finding.
    if !is_label(name) && (given || RoutePath::exact(name).is_ok()) {
        report_name(checker, node, name, given, "cannot be one", LABEL);
    } else if let Some(line) = lines_by_name.get(name) {
        report_name(checker, node, name, given, &format!("is that of the route on line {line}"), "a name of its own");
    } else {
        lines_by_name.insert(name.clone(), node.at.line);
    }
    name.clone()
}

/// A name that was not given is the path, which is then nothing to change.
fn report_name(checker: &mut Checker<'_>, node: &Node, name: &str, given: bool, fault: &str, accepted: &str) {
    if given {
        checker.report(node, format!("the name {}, which {fault}", quoted(name)), accepted);
    } else {
        let found = format!("no name, and the path {} {fault}", quoted(name));
        checker.report(node, found, format!("the key \"name\" with {accepted}"));
    }
}

fn report_ties(checker: &mut Checker<'_>, routes: &[(&Node, RouteSettings)]) {
    let patterns = routes.iter().enumerate().map(|(n, (_, route))| (route.pattern.clone(), n));
    let Err(ties) = RouteTable::build(patterns) else {
        return resource_metadata::report_conflicts(checker, routes);
    };
    for tie in ties {
        if let (Some((first, earlier)), Some((second, _))) = (routes.get(tie.first), routes.get(tie.second)) {
            let line = first.key("path").at.line;
            let found = format!("the same requests as the route {} on line {line}", quoted(&earlier.name));
            checker.report(second.key("path"), found, "another path, other hosts or other methods");
        }
    }
}
