//! Building the response of a refusal.

use std::hint::black_box;

use criterion::Criterion;
use obo_proxy::rejection::{Party, Rejection};

use super::setting::setting;

pub fn measure(criterion: &mut Criterion) {
    let setting = setting();
    let identity = &setting.identity;
    let party = || Some(Party { identity, tenant: &identity.anyone, resource: None });
    let request_id = "0d2b8a5c-6f1e-4c3a-9b7d-1e2f3a4b5c6d";
    let mut group = criterion.benchmark_group("rejection");
    group.bench_function("no route", |bencher| {
        bencher.iter(|| black_box(&Rejection::NoRoute).response(None, request_id, None));
    });
    group.bench_function("missing token, with challenge", |bencher| {
        bencher.iter(|| black_box(&Rejection::MissingToken).response(party(), request_id, None));
    });
    group.finish();
}
