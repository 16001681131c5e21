//! The whole server in a simulated world: connections, fan-out, chat and
//! journal over virtual sockets, where everything that happens, and when, is
//! determined by a seed.
//!
//! ```sh
//! cargo test --test simulation                                      # 2,000 seeds
//! VECHE_SEEDS=100000 cargo test --release --test simulation         # more of them
//! VECHE_SEED=17 cargo test --test simulation -- --nocapture         # one, told in full
//! VECHE_SEED=17 VECHE_SEEDS=100 cargo test --test simulation        # a hundred from 17 on
//! ```
//!
//! The lines of every fourth seed carry TLS; with `VECHE_TLS=1` those of all do.
#![cfg(feature = "chat")]
#![allow(unreachable_pub, clippy::unwrap_used, clippy::print_stderr)]

#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/deflate.rs"]
mod deflate;
#[path = "common/ends.rs"]
mod ends;
#[path = "simulation/frames.rs"]
mod frames;
#[path = "simulation/hearing.rs"]
mod hearing;
#[path = "simulation/ledger.rs"]
mod ledger;
#[path = "simulation/line.rs"]
mod line;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "simulation/rest.rs"]
mod rest;
#[path = "simulation/scene.rs"]
mod scene;
#[path = "simulation/tls.rs"]
mod tls;
#[path = "simulation/town.rs"]
mod town;
#[path = "simulation/view.rs"]
mod view;

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use scene::Scene;
use town::Town;

const DEFAULT_SEEDS: u64 = 2_000;

/// What the environment says, if anything.
fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

#[test]
fn everybody_gets_everything_once_and_in_order_whatever_happens() {
    let (first, count) = match (number("VECHE_SEED"), number("VECHE_SEEDS")) {
        (Some(seed), None) => {
            Town::new(Scene::new(seed, true, false), is_over_tls(seed)).live();
            return;
        }
        (first, count) => (first.unwrap_or(0), count.unwrap_or(DEFAULT_SEEDS)),
    };
    let next = AtomicU64::new(first);
    let failed = AtomicU64::new(0);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || failed.load(Ordering::Relaxed) >= MAX_FAILURES {
                return;
            }
            let live = || Town::new(Scene::new(seed, false, false), is_over_tls(seed)).live();
            if catch_unwind(live).is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
                let tls = if ends::is_over_tls() {
                    "VECHE_TLS=1 "
                } else {
                    ""
                };
                eprintln!(
                    "to replay: {tls}VECHE_SEED={seed} cargo test --test simulation -- --nocapture"
                );
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
    assert_eq!(
        failed.into_inner(),
        0,
        "seeds failed: see above how to replay them"
    );
}

#[test]
fn seed_determines_every_byte() {
    for seed in 0..20 {
        let live = || {
            let scene = Scene::new(seed, false, true);
            Town::new(scene.clone(), is_over_tls(seed)).live();
            scene.take_trace()
        };
        assert!(live() == live(), "seed {seed}");
    }
}

/// Whether the lines of a seed carry TLS.
fn is_over_tls(seed: u64) -> bool {
    cfg!(feature = "tls") && (seed % 4 == 3 || ends::is_over_tls())
}

/// So many failures are enough to look at.
const MAX_FAILURES: u64 = 5;
