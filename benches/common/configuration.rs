//! The configuration that is measured: everything on that production has, with limits that refuse nobody.

/// Access log, metrics, limits of connections and sizes, rate limits, trusted proxies, time-outs; the emulator's
/// identity and one route to `target`.
pub fn everything(listen: &str, authority: &str, target: &str) -> String {
    format!(
        "listen: [{{address: '{listen}'}}]\nadmin: {{address: '127.0.0.1:0'}}\nlog: {{level: info}}\n\
         trusted_proxies: [10.0.0.0/8]\nlimits: {{connections: 20000, connections_per_address: 20000}}\n\
         identities:\n  default:\n    tenant_id: 11111111-2222-3333-4444-555555555555\n    \
         client_id: 00001111-aaaa-2222-bbbb-3333cccc4444\n    authority: {authority}\n    \
         credential: {{client_secret: emulator-secret}}\n    \
         exchange_limit: {{requests: 100000, per: 1s, by: client}}\n\
         routes:\n  - path: /orders\n    methods: [GET, POST]\n    max_body: 1MiB\n    \
         target: {{url: 'http://{target}', first_byte_timeout: 20s, timeout: 50s}}\n    \
         scopes: [api://orders-backend/Orders.Read]\n    require: {{scopes: [access_as_user]}}\n    \
         rate_limit:\n      - {{requests: 100000, per: 1s, by: address}}\n      \
         - {{requests: 100000, per: 1s, by: user}}\n"
    )
}
