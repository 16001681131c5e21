//! The commands that people type: `/help`, `/name` and so on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Chat;
use super::conversation::names_of;
use super::journal::Journal;
use super::names::MAX_NAME_CHARS;
use super::session::SessionKey;
use super::wire::{Answer, Command, CommandHelp, Error, ErrorCode};
use crate::http::date::HttpDate;
use crate::server::{ConnectionId, Context};

/// All commands. [`Chat::command`] follows them.
pub(super) const COMMANDS: [CommandHelp; 7] = [
    help("help", "/help", "Lists the commands."),
    help("name", "/name NAME", "Changes your name."),
    help(
        "msg",
        "/msg NAME TEXT",
        "Writes to one person alone; a name with blanks goes in quotes.",
    ),
    help("me", "/me TEXT", "Says what you do."),
    help("who", "/who", "Tells who is in this room."),
    help("date", "/date", "Tells the date at the server (UTC)."),
    help("time", "/time", "Tells the time at the server (UTC)."),
];

const fn help(name: &'static str, usage: &'static str, help: &'static str) -> CommandHelp {
    CommandHelp { name, usage, help }
}

impl<J: Journal> Chat<J> {
    pub(super) fn command(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        command: &Command<'_>,
    ) -> Result<(), Error> {
        let cid = command.cid();
        let line = command.line()?.trim();
        self.check_text(line)?;
        let line = line.strip_prefix('/').unwrap_or(line);
        let (name, rest) = split_word(line);
        let room = || command.room().map_err(|_| ErrorCode::NotJoined);
        let now = HttpDate::from_unix_time(cx.unix_time()).to_string();
        let notice = match name {
            "help" => help_text(),
            "date" => now.get(..16).unwrap_or_default().to_owned(),
            "time" => now.get(17..).unwrap_or_default().to_owned(),
            "who" => {
                let place = self.joined_room(id, key, room()?)?;
                let (people, count) = self.members(place);
                let more = if count > people.len() { ", …" } else { "" };
                format!("{count} here: {}{more}", names_of(&people))
            }
            "name" if !rest.is_empty() => return self.rename(cx, id, key, rest, cid),
            "me" if !rest.is_empty() => {
                let text = format!("/me {rest}");
                let cid = self.cid_or_new(cid);
                return self.say(cx, id, key, room()?, &text, &cid);
            }
            "msg" if !recipient(rest).1.is_empty() => {
                let (name, text) = recipient(rest);
                let to = self.sessions.with_name(name);
                let cid = self.cid_or_new(cid);
                return self.send_direct(cx, id, key, to, text, &cid);
            }
            _ => match COMMANDS.iter().find(|known| known.name == name) {
                Some(known) => format!("Write it so: {}", known.usage),
                None => {
                    let name: String = name.chars().take(MAX_NAME_CHARS).collect();
                    format!("There is no command /{name}; /help lists them.")
                }
            },
        };
        let text = &*notice;
        cx.send(id, &Answer::Notice { text, cid }.to_json());
        Ok(())
    }

    pub(super) fn cid_or_new(&mut self, cid: Option<&str>) -> String {
        cid.map_or_else(
            || {
                let mut bytes = [0; 12];
                (self.random)(&mut bytes);
                URL_SAFE_NO_PAD.encode(bytes)
            },
            str::to_owned,
        )
    }
}

/// Whom a line is for, and what: a name with blanks in it stands in quotes.
fn recipient(line: &str) -> (&str, &str) {
    let quoted = line
        .strip_prefix('"')
        .and_then(|line| line.split_once("\" "));
    let (name, text) = quoted.unwrap_or_else(|| split_word(line));
    (name, text.trim())
}

fn split_word(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (word, rest.trim())
}

fn help_text() -> String {
    let lines = COMMANDS.iter().map(|c| format!("{}  {}", c.usage, c.help));
    lines.collect::<Vec<_>>().join("\n")
}
