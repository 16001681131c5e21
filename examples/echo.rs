//! Sends back what it gets, text and binary.
//!
//! ```sh
//! cargo run --release --example echo -- 127.0.0.1:7777
//! ```

use std::env;
use std::io;

use veche::{ConnectionId, Context, Message, Server};

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    let mut server = Server::bind(address.as_deref().unwrap_or("127.0.0.1:7777"))?;
    server.config().max_message_bytes = 16 << 20;
    server.run(|cx: &mut Context, id: ConnectionId, message: Message| {
        cx.send(id, message);
    })
}
