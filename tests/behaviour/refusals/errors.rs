//! Every error of the identity provider by its number: what the caller sees, what the log tells the operator, and what
//! the metrics count.

use obo_proxy::emulator::Fault;

use crate::support::{World, log};

/// Numbers, and what they mean for the caller, with and without claims as the emulator sends them.
const TABLE: [(&[u32], u16, &str); 8] = [
    (&[50076, 50079, 50072, 50074, 50078, 50158], 401, "claims_challenge"),
    (&[53000, 53001, 53002, 53003, 53004, 53010, 53011, 530_032, 530_034, 530_035], 403, "exchange_refused"),
    (&[65001, 90094, 650_056, 650_057, 650_052], 403, "consent_required"),
    (&[50013, 500_131, 500_133, 50027, 240_002, 50173], 401, "invalid_token"),
    (&[7_000_114, 50105, 50020, 50034, 51004, 90072, 500_212, 500_213, 16000], 403, "exchange_refused"),
    (
        &[
            7_000_215, 7_000_222, 70002, 7_000_218, 700_025, 700_027, 700_024, 7_000_214, 1_000_502, 7_000_274,
            7_000_277, 700_016, 7_000_229, 70021, 700_229, 70011, 28002, 28003, 700_022, 700_023, 500_011, 50001,
            90002, 70003,
        ],
        500,
        "misconfigured",
    ),
    (&[90055, 50196], 503, "idp_throttled"),
    (&[50033, 90006, 90024, 90033, 90090], 503, "idp_unavailable"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_number_is_told_to_whoever_can_act_on_it() {
    for (codes, status, expected) in TABLE {
        for code in codes {
            let world = World::start().await;
            world.emulator.faults().add(Fault::aadsts(*code));
            let reply = world.get("/orders", &world.token()).await;
            assert_eq!((reply.status.as_u16(), reply.code().as_str()), (status, expected), "{code}: {reply:?}");
            assert_eq!(reply.challenge().is_empty(), status != 401, "{code}");
            assert_eq!(reply.header("retry-after").is_empty(), status != 503, "{code}");
            assert!(!reply.text.contains("AADSTS"), "{code}: descriptions are for operators");
            assert_eq!(reply.json().get("consent_uri").is_some(), expected == "consent_required", "{code}");
            check_operators_view(&world, &reply.json(), *code, expected).await;
        }
    }
}

async fn check_operators_view(world: &World, problem: &serde_json::Value, code: u32, expected: &str) {
    if expected == "idp_unavailable" {
        return;
    }
    let correlation = problem["correlation_id"].as_str().unwrap();
    let lines = log::lines_with(correlation);
    let line = lines.iter().find(|line| line["message"] == "token exchange failed").unwrap();
    assert!(line["remedy"].as_str().is_some_and(|remedy| remedy.len() > 20), "{code}: {line}");
    assert_eq!(line["consent_uri"].is_string(), expected == "consent_required", "{code}: {line}");
    let (_, text) = world.proxy.admin("/metrics").await;
    let label = format!("code=\"{code}\"");
    let counted = text.lines().any(|line| line.starts_with("obo_proxy_idp_errors_total") && line.contains(&label));
    assert!(counted, "{code} is not counted");
}
