//! The chat: people in rooms.
//!
//! [`Chat`] is a [`Handler`]: it gets messages and answers through its
//! [`Context`], and knows of connections only their names. The wire format is
//! described in [`wire`]. What is said goes to a [`Journal`] first, and to the
//! room only when it comes back from there with its number: what anybody has
//! seen is kept.

mod budgets;
mod commands;
mod conversation;
mod files;
mod hello;
mod journal;
mod limits;
mod media;
mod names;
mod outcomes;
mod presence;
mod room;
mod session;
mod settings;
#[cfg(feature = "site")]
pub mod site;
#[cfg(feature = "site")]
mod token;
pub mod wire;

use core::cmp::Reverse;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use slab::Slab;

pub use journal::{
    Busy, Commits, Draft, Entry, File, FileBytes, Job, Journal, KnownSession, Outcome, Page,
    Person, Report, SecretHash,
};
pub use media::Media;
pub use settings::Settings;
pub use wire::ErrorCode;

use budgets::Budgets;

use files::Fetches;
use limits::{Budget, Rate};
use outcomes::Pending;
use presence::Due;
use room::Room;
use session::{SessionKey, Sessions};
#[cfg(feature = "site")]
use token::Verifier;
use wire::{Answer, Command, Error, Limits};

#[cfg(feature = "site")]
use crate::http::{refusal::Refusal, request::Request, response::Response};
use crate::server::{ConnectionId, Context, Handler, Opening};
use crate::websocket::close::{Close, CloseCode};
use crate::websocket::message::Message;

/// The subprotocol of the wire format.
pub const SUBPROTOCOL: &str = "veche.v1";

/// How much a chat holds at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Rooms in use.
    pub rooms: usize,
    /// People in rooms, once for each room that they are in.
    pub members: usize,
    /// Sessions, connected or remembered.
    pub sessions: usize,
    /// Connections that have said hello.
    pub clients: usize,
    /// Jobs that the journal has not answered.
    pub jobs: usize,
    /// Who waits for files, and files that are at hand for them.
    pub fetches: usize,
    /// What is to be done later.
    pub plans: usize,
}

/// Fills a buffer with what nobody can guess.
type Random = Box<dyn FnMut(&mut [u8])>;

/// The chat behind a server.
pub struct Chat<J> {
    settings: Settings,
    limits: Limits,
    journal: J,
    random: Random,
    sessions: Sessions,
    /// By a connection's place.
    clients: Vec<Client>,
    rooms: Slab<Room>,
    rooms_by_name: HashMap<Arc<str>, usize>,
    next_topic: u64,
    /// What was asked of the journal and is not answered yet, in order.
    pending: VecDeque<Pending>,
    /// What outcomes have published since the last tick.
    published_bytes: usize,
    fetches: Fetches,
    /// What is to be done when.
    agenda: BinaryHeap<Reverse<(Duration, Due)>>,
    rate: Rate,
    address_rate: Rate,
    /// What may be sent in files.
    quota: Rate,
    address_quota: Rate,
    addresses: HashMap<IpAddr, Budgets>,
    max_addresses: usize,
    #[cfg(feature = "site")]
    site: Option<site::Site>,
    #[cfg(feature = "site")]
    verifier: Option<Verifier>,
}

/// Who a connection is.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// It has not said hello; what it may still say is its own.
    Stranger(Budget),
    Known(SessionKey),
}

impl<J: Journal> Chat<J> {
    /// A chat without rooms and people. `random` fills a buffer with what
    /// nobody can guess.
    pub fn new(
        settings: Settings,
        mut journal: J,
        random: impl FnMut(&mut [u8]) + 'static,
    ) -> Self {
        let max_sessions = match settings.max_sessions {
            0 => usize::MAX,
            most => most,
        };
        let mut sessions = Sessions::new(max_sessions);
        #[cfg(feature = "site")]
        if settings.api_token.is_some() {
            sessions.reserve(site::NAME);
        }
        for known in journal.sessions(max_sessions) {
            sessions.remember(known);
        }
        let per_second = settings.rate_per_second;
        let burst = per_second.saturating_mul(BURST_SECONDS);
        let daily = settings.file_quota_bytes;
        let largest_file = match daily {
            0 => settings.max_file_bytes,
            daily => settings.max_file_bytes.min(daily),
        };
        Chat {
            limits: Limits {
                text_bytes: settings.max_text_bytes,
                file_bytes: largest_file,
                name_chars: names::MAX_NAME_CHARS,
                room_chars: names::MAX_ROOM_CHARS,
                burst,
                per_second,
            },
            rate: Rate::new(per_second, burst),
            address_rate: Rate::new(per_second.saturating_mul(10), burst.saturating_mul(10)),
            quota: Rate::daily(daily),
            address_quota: Rate::daily(daily.saturating_mul(10)),
            sessions,
            #[cfg(feature = "site")]
            site: settings.api_token.as_deref().map(site::Site::new),
            #[cfg(feature = "site")]
            verifier: settings.jwt_secret.as_deref().map(Verifier::new),
            settings,
            journal,
            random: Box::new(random),
            clients: Vec::new(),
            rooms: Slab::new(),
            rooms_by_name: HashMap::new(),
            next_topic: 0,
            pending: VecDeque::new(),
            published_bytes: 0,
            fetches: Fetches::default(),
            agenda: BinaryHeap::new(),
            addresses: HashMap::new(),
            max_addresses: 0,
        }
    }

    /// How much it holds now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let is_known = |client: &&Client| matches!(client, Client::Known(_));
        Usage {
            rooms: self.rooms.len(),
            members: self.rooms.iter().map(|(_, room)| room.members.len()).sum(),
            sessions: self.sessions.len(),
            clients: self.clients.iter().filter(is_known).count(),
            jobs: self.pending.len(),
            fetches: self.fetches.len(),
            plans: self.agenda.len(),
        }
    }

    /// The journal.
    pub fn journal(&mut self) -> &mut J {
        &mut self.journal
    }

    /// Does what a frame says, if that can be read.
    fn follow(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        said: &Result<Said<'_>, Error>,
    ) -> Result<(), Error> {
        let key = self.session_of(id);
        // What cannot be understood has its price too.
        self.take_budget(cx, id, key)?;
        let Said { command, file } = said.as_ref().map_err(Error::clone)?;
        let kind = command.kind()?;
        let Some(key) = key else {
            return match kind {
                "hello" => self.hello(cx, id, command),
                _ => Err(ErrorCode::HelloFirst.into()),
            };
        };
        let done = match kind {
            "file" => self.file(cx, id, key, command, *file),
            _ if file.is_some() => Err(ErrorCode::BadFile.into()),
            "fetch" => self.fetch(cx, id, key, command),
            "message" => self.message(cx, id, key, command),
            "direct" => self.direct(cx, id, key, command),
            "typing" => self.typing(cx, id, key, command),
            "join" => self.join(cx, id, key, command),
            "leave" => self.leave(cx, id, key, command),
            "history" => self.history(cx, id, key, command),
            "rename" => self.rename(cx, id, key, command.name()?, command.cid()),
            "command" => self.command(cx, id, key, command),
            "ping" => {
                let (n, cid) = (command.n()?, command.cid());
                cx.send(id, &Answer::Pong { n, cid }.to_json());
                Ok(())
            }
            "hello" => Err(ErrorCode::AlreadyWelcome.into()),
            _ => Err(ErrorCode::UnknownType.into()),
        };
        if done
            .as_ref()
            .is_err_and(|error| error.code() == ErrorCode::Busy)
        {
            self.give_back_budget(cx, id, key);
        }
        done
    }

    /// The session of a connection that has said hello.
    fn session_of(&self, id: ConnectionId) -> Option<SessionKey> {
        match self.clients.get(id.index()) {
            Some(Client::Known(key)) => Some(*key),
            _ => None,
        }
    }
}

impl<J: Journal> Handler for Chat<J> {
    #[cfg(feature = "site")]
    fn takes(&self, request: &Request<'_>) -> Result<Option<usize>, Refusal> {
        self.takes_of_site(request)
    }

    #[cfg(feature = "site")]
    fn request(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        request: &Request<'_>,
        body: &[u8],
    ) -> Option<Response<'static>> {
        let response = self.request_of_site(cx, id, request, body);
        self.take_outcomes(cx);
        response
    }

    fn open(&mut self, _: &mut Context<'_>, id: ConnectionId, _: &Opening<'_>) {
        let stranger = Client::Stranger(Budget::default());
        if self.clients.len() <= id.index() {
            self.clients.resize(id.index() + 1, stranger);
        }
        if let Some(client) = self.clients.get_mut(id.index()) {
            *client = stranger;
        }
    }

    fn message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message<'_>) {
        let said = Said::read(message);
        let cid = said.as_ref().ok().and_then(|said| said.command.cid());
        if let Err(error) = self.follow(cx, id, &said) {
            cx.send(id, &error.to_json(cid));
        }
        self.take_outcomes(cx);
    }

    fn close(&mut self, cx: &mut Context<'_>, id: ConnectionId, _: Close<'_>) {
        if let Some(key) = self.session_of(id) {
            self.clients[id.index()] = Client::Stranger(Budget::default());
            self.go(cx, id, key);
        }
    }

    fn lagged(&mut self, cx: &mut Context<'_>, id: ConnectionId, _: u64) {
        cx.close(id, TOO_SLOW, "too slow: come back and read on");
    }

    fn wake(&mut self, cx: &mut Context<'_>) {
        self.take_outcomes(cx);
    }

    fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.published_bytes = 0;
        self.answer_fetches(cx);
        self.take_outcomes(cx);
        self.do_what_is_due(cx);
    }
}

impl<J> fmt::Debug for Chat<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat").finish_non_exhaustive()
    }
}

/// What a frame says.
struct Said<'a> {
    command: Command<'a>,
    /// What comes with it.
    file: Option<&'a [u8]>,
}

impl<'a> Said<'a> {
    fn read(message: Message<'a>) -> Result<Self, Error> {
        let (text, file) = match message {
            Message::Text(text) => (text, None),
            Message::Binary(frame) => {
                let (json, bytes) = wire::split_file(frame)?;
                (json, Some(bytes))
            }
        };
        if wire::is_too_deep(text) {
            return Err(Error::new(ErrorCode::BadJson, "This JSON nests too deep."));
        }
        let command = Command::parse(text)?;
        command.check_cid()?;
        Ok(Said { command, file })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A client that has no token, or no longer: it need not come back without one.
#[cfg(feature = "site")]
const BAD_TOKEN: CloseCode = CloseCode::new(4500);

/// A client that is dropped for this comes back and gets what it missed.
const TOO_SLOW: CloseCode = CloseCode::new(4008);

/// What stands before the bytes of a file in a message, at the most: more than
/// anybody says with one.
pub const MAX_FILE_HEADER_BYTES: usize = 32 << 10;

/// So many seconds' worth of commands may be given at once.
const BURST_SECONDS: u32 = 6;
