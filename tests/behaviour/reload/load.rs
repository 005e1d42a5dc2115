//! Many reloads: under load nobody notices, and nothing is left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Followed, ORDERS, ORDERS_AND_PAYROLL};
use crate::support::{at_once, eventually};

const CALLERS: usize = 8;
const RELOADS: usize = 50;

/// Every other configuration differs in routes, in what is asked of tokens, and in their target.
fn varied(turn: usize) -> (String, String) {
    let routes = if turn.is_multiple_of(2) { ORDERS_AND_PAYROLL } else { ORDERS };
    let routes = if turn.is_multiple_of(3) {
        routes.replace("'{target}'", "{url: '{target}', read_timeout: 61s}")
    } else {
        routes.to_owned()
    };
    let identity = if turn.is_multiple_of(5) { "    clock_skew: 61s" } else { "" };
    (identity.to_owned(), routes)
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_reloads_under_load_fail_nobody_and_mix_up_nobody() {
    let followed = Arc::new(Followed::start(ORDERS).await);
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers = {
        let (followed, over, answered) = (Arc::clone(&followed), Arc::clone(&over), Arc::clone(&answered));
        tokio::spawn(at_once(CALLERS, move |caller| {
            let (followed, over, answered) = (Arc::clone(&followed), Arc::clone(&over), Arc::clone(&answered));
            async move {
                let user = format!("user-{caller}");
                let token = followed.world.token_of(&user);
                while !over.load(Ordering::SeqCst) {
                    let reply = followed.world.get("/orders/1", &token).await;
                    assert_eq!(reply.status, 200, "{reply:?}");
                    assert_eq!(reply.json()["authorization"]["claims"]["oid"], *user);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            }
        }))
    };
    let warm = u64::try_from(CALLERS).unwrap();
    eventually("all callers are at it", async || answered.load(Ordering::SeqCst) > 2 * warm).await;
    let (exchanges, downloads) = (followed.world.token_requests(), followed.downloads());
    for turn in 0..RELOADS {
        let (identity, routes) = varied(turn);
        let before = answered.load(Ordering::SeqCst);
        followed.change(&identity, &routes).await.unwrap();
        eventually("requests go on", async || answered.load(Ordering::SeqCst) > before).await;
    }
    over.store(true, Ordering::SeqCst);
    callers.await.unwrap();
    assert_eq!((exchanges, followed.world.token_requests()), (warm, warm), "every token B stayed");
    assert_eq!(followed.downloads(), downloads);
    assert_eq!(followed.status().await["configuration"]["generation"], RELOADS + 1);
}

/// Tasks are counted in a runtime of its own: other tests have theirs. Each of these configurations has a verifier and a
/// target of its own.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reloads_leave_no_task_behind() {
    let routes = |turn: usize| ORDERS.replace("{target}", &format!("http://localhost:{}", 1_000 + turn));
    let followed = Followed::start(ORDERS).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let change = async |turn: usize| {
        followed.change(&format!("    clock_skew: {}s", turn % 60), &routes(turn)).await.unwrap();
    };
    for turn in 0..20 {
        change(turn).await;
    }
    let after_twenty = tasks();
    for turn in 20..200 {
        change(turn).await;
    }
    eventually("there are no more tasks than after twenty", async || tasks() <= after_twenty).await;
}
