//! Taking the token from the headers of a request.

use std::hint::black_box;

use criterion::Criterion;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use obo_proxy::caller::bearer_token;
use obo_proxy::digest::Digest;

pub fn measure(criterion: &mut Criterion) {
    let token = format!("{}.{}.{}", "e".repeat(100), "c".repeat(1_050), "s".repeat(342));
    let mut headers = HeaderMap::new();
    for (name, value) in
        [(HOST, "api.contoso.com"), (USER_AGENT, "bench/1.0"), (ACCEPT, "*/*"), (ACCEPT_ENCODING, "gzip")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    let mut group = criterion.benchmark_group("bearer");
    group.bench_function("token of 1.5 kB", |bencher| {
        bencher.iter(|| bearer_token(black_box(&headers)).is_ok());
    });
    group.bench_function("its SHA-256", |bencher| {
        bencher.iter(|| Digest::of(black_box(token.as_bytes())));
    });
    group.finish();
}
