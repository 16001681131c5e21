//! Answers a few commands: `date`, `time`, `country`, `city`.
//!
//! ```sh
//! cargo run --release --example commands -- 127.0.0.1:7777
//! ```

use std::env;
use std::io;
use std::time::UNIX_EPOCH;

use veche::{ConnectionId, Context, Message, Server};

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    let server = Server::bind(address.as_deref().unwrap_or("127.0.0.1:7777"))?;
    server.run(|cx: &mut Context, id: ConnectionId, message: Message| {
        let Message::Text(command) = message else {
            return cx.send(id, "Commands are text.");
        };
        // Such as "Sun, 06 Nov 1994 08:49:37 GMT".
        let now = httpdate::fmt_http_date(UNIX_EPOCH + cx.unix_time());
        match command.trim() {
            "date" => cx.send(id, &now[..16]),
            "time" => cx.send(id, &now[17..]),
            "country" => cx.send(id, "Russia"),
            "city" => cx.send(id, "Veliky Novgorod"),
            other => {
                let answer =
                    format!("Unknown command: {other}. There are: date, time, country, city.");
                cx.send(id, &answer);
            }
        }
    })
}
