//! Work for a build that notes which way its code goes, so that the compiler can prefer that way (`make profile`): mostly
//! warm requests, and some of all else that callers bring.

use std::time::Duration;

use futures_util::future::join_all;
use obo_proxy::emulator::TokenRequest;
use reqwest::{Client, Method};

use super::contestant::Contestant;
use super::measure::{self, Plan};
use super::recipe;
use super::setting::Setting;

/// Loads obo-proxy and bare Pingora for some seconds each. All processes end by themselves: what they noted is written then.
pub async fn train(connections: usize) {
    let mut setting = Setting::arrange().await;
    let mut obo = started(recipe::obo_proxy(), &setting).await;
    let token_b = obo.token_sent(&setting).await;
    setting.hand_out(token_b);
    let mut lineup = vec![obo, started(recipe::bare(), &setting).await];
    for contestant in &mut lineup {
        contestant.prepare(&setting, connections).await;
    }
    measure::at_saturation(&mut lineup, &setting, &WARM).await;
    let url = format!("http://{}", lineup[0].address());
    let http1 = Client::builder().no_proxy().build().unwrap();
    let http2 = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let users: Vec<_> = (0..USERS).map(|user| TokenRequest::default().user(&format!("user-{user}"))).collect();
    let tokens: Vec<_> = users.iter().map(|user| setting.emulator.mint(user)).collect();
    for client in [&http1, &http2] {
        each(client, &format!("{url}/orders/1"), &tokens, 200).await;
        each(client, &format!("{url}/orders/1"), &["nonsense".to_owned()], 401).await;
        each(client, &format!("{url}/nowhere"), &tokens[..1], 404).await;
    }
}

async fn started(recipe: recipe::Recipe, setting: &Setting) -> Contestant {
    let name = recipe.name;
    Contestant::start(recipe, setting).await.unwrap_or_else(|why| panic!("{name} {why}"))
}

/// Some requests with each of the tokens, several at once.
async fn each(client: &Client, url: &str, tokens: &[String], expected: u16) {
    for token in tokens {
        for _ in 0..ROUNDS {
            let call = || client.request(Method::GET, url).bearer_auth(token).send();
            for answer in join_all((0..AT_ONCE).map(|_| call())).await {
                let answer = answer.unwrap();
                assert_eq!(answer.status(), expected, "{url}");
                answer.bytes().await.unwrap();
            }
        }
    }
}

const WARM: Plan =
    Plan { rounds: 4, round: Duration::from_secs(2), duel_rounds: 0, duel_round: Duration::from_millis(500) };
const USERS: usize = 40;
const ROUNDS: usize = 4;
const AT_ONCE: usize = 8;
