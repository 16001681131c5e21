//! Sends every message verbatim to everybody, the sender included.
//!
//! ```sh
//! cargo run --release --example broadcast -- 127.0.0.1:7777
//! ```

use std::env;
use std::io;

use veche::{ConnectionId, Context, Handler, Message, Opening, Server, Topic};

const EVERYBODY: Topic = Topic(0);

struct Broadcast;

impl Handler for Broadcast {
    fn open(&mut self, cx: &mut Context<'_>, id: ConnectionId, _: &Opening<'_>) {
        cx.subscribe(id, EVERYBODY);
    }

    fn message(&mut self, cx: &mut Context<'_>, _: ConnectionId, message: Message<'_>) {
        cx.publish(EVERYBODY, message);
    }
}

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    Server::bind(address.as_deref().unwrap_or("127.0.0.1:7777"))?.run(Broadcast)
}
