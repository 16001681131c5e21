//! Two hundred people behind nginx who write while the server is stopped, killed
//! and started again: they come back as the page does, and nobody and nothing is
//! lost or there twice.
//!
//! ```sh
//! VECHE_RESTARTS=100 cargo test --test durability crowd_behind
//! VECHE_SEED=5 cargo test --test durability crowd_behind   # the same moments, as far as can be
//! ```

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use crate::common::{DEADLINE, Program, command};
use crate::guest::{Gone, Guest};
use crate::moments::{Moments, number};
use crate::proxy::{NGINX_SUBDOMAIN, Proxy, free_address};
use crate::tab::{Person, Tab};
use crate::{Folder, rows};

#[test]
fn crowd_behind_nginx_loses_nobody_and_nothing_when_the_server_restarts() {
    let restarts = number("VECHE_RESTARTS").map_or(4, |number| number.try_into().unwrap());
    let mut moments = Moments::new();
    let folder = Folder::new("crowd-behind-nginx");
    let server = free_address();
    let start = || {
        let mut program = command();
        program.args(["--trusted-proxy=127.0.0.1", "--rate-limit=0"]);
        program.args(["--listen", &server.to_string(), "--db"]);
        Program::start_command(program.arg(folder.file()))
    };
    let mut program = start();
    let proxy = Proxy::start_with(&NGINX_SUBDOMAIN, &folder.0, server, &WITHOUT_TLS);

    let is_over = AtomicBool::new(false);
    let (acknowledge, acknowledged) = channel();
    let (settle, settled) = channel();
    let (program, tabs) = thread::scope(|scope| {
        let lives: Vec<_> = (0..CROWD)
            .map(|number| {
                let life = Life {
                    address: proxy.address,
                    is_over: &is_over,
                    acknowledge: acknowledge.clone(),
                    settle: settle.clone(),
                    moments: Moments(moments.below(u64::MAX)),
                    most_attempts: 10 * (restarts + 1),
                };
                scope.spawn(move || life.live(number))
            })
            .collect();
        for restart in 0..restarts {
            // Some are back and some are not.
            acknowledged.try_iter().for_each(drop);
            for _ in 0..moments.below(CROWD as u64) {
                acknowledged.recv_timeout(DEADLINE).unwrap();
            }
            if restart % 3 == 2 {
                drop(program);
            } else {
                assert_eq!(program.stop().status.code(), Some(0));
            }
            thread::sleep(Duration::from_millis(moments.below(200)));
            program = start();
        }
        is_over.store(true, Ordering::Relaxed);
        for _ in 0..CROWD {
            settled.recv_timeout(DEADLINE).unwrap();
        }
        let mut host = Guest::arrive(proxy.address, "Host", None).unwrap();
        assert_eq!(host.join(None)["count"], CROWD + 1, "all are back");
        host.send(END);
        // Everybody hears it.
        let tabs = lives.into_iter().map(|life| life.join().unwrap());
        (program, tabs.collect::<Vec<_>>())
    });
    assert_eq!(program.stop().status.code(), Some(0));

    let kept = rows(&folder.file());
    println!("{} messages, {restarts} restarts", kept.len());
    assert_eq!(kept.len(), 1 + tabs.iter().map(Tab::sent).sum::<usize>());
    tabs.iter().for_each(|tab| tab.check(&kept));
}

/// Somebody with a page.
struct Life<'a> {
    address: SocketAddr,
    is_over: &'a AtomicBool,
    acknowledge: Sender<()>,
    settle: Sender<()>,
    moments: Moments,
    /// So that nobody comes back for ever where the test has failed.
    most_attempts: u32,
}

impl Life<'_> {
    /// Until the end is heard, over any number of connections.
    fn live(mut self, number: usize) -> Tab {
        let mut tab = Tab::new(number, number, 1);
        let person = Mutex::new(Person::new(&format!("Guest {number}")));
        let (mut attempt, mut is_settled) = (0, false);
        loop {
            let has_more = || !self.is_over.load(Ordering::Relaxed);
            let lived = tab.live(self.address, &person, has_more, &self.acknowledge);
            let heard = lived.and_then(|mut guest| {
                if !is_settled {
                    is_settled = true;
                    self.settle.send(()).unwrap();
                }
                tab.stay_for(&mut guest, END)
            });
            let Err(gone) = heard else {
                return tab;
            };
            thread::sleep(self.wait(&gone, attempt));
            attempt += 1;
            assert!(attempt < self.most_attempts, "nobody is there any more");
        }
    }

    /// How long the page waits, and a tenth of it, for a test that is short: up to
    /// twice what the server asks for, or anything within a time that doubles.
    fn wait(&mut self, gone: &Gone, attempt: u32) -> Duration {
        let asked = gone
            .0
            .as_ref()
            .and_then(|(_, reason)| reason.strip_prefix("retry_ms="));
        let ms = match asked {
            Some(asked) => {
                let asked = asked.parse().unwrap();
                asked + self.moments.below(asked)
            }
            None => self.moments.below(20_000.min(500 << attempt.min(10))),
        };
        Duration::from_millis(ms / 10)
    }
}

const CROWD: usize = 200;

/// The last thing that is said.
const END: &str = "end";

/// What the recipe has for TLS, which other tests have.
const WITHOUT_TLS: [(&str, &str); 3] = [
    ("listen 443 ssl;", "listen {address};"),
    (
        "ssl_certificate /etc/letsencrypt/live/chat.example/fullchain.pem;",
        "",
    ),
    (
        "ssl_certificate_key /etc/letsencrypt/live/chat.example/privkey.pem;",
        "",
    ),
];
