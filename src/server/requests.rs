//! From a request to its answer: an upgrade, what the handler answers, a page.

use core::mem;

use log::{debug, info};

use super::connection::{Asked, Awaits, Phase};
use super::context::Context;
use super::core::Core;
use super::handler::{ConnectionId, Handler, Opening};
use super::hub::Hub;
use super::receive::Taken;
use super::transport::{Clock, Transport};
use crate::http::assets;
use crate::http::date::HttpDate;
use crate::http::forwarded;
use crate::http::refusal::Refusal;
use crate::http::request::{Body, Limits, Request, Version, is_worth_parsing};
use crate::http::response::{Response, Status};
use crate::websocket::close::{Close, CloseCode};
use crate::websocket::handshake;

impl<T: Transport, C: Clock, H: Handler> Core<T, C, H> {
    /// Takes a request, if it is whole; of its head the first `tried` bytes are
    /// known to be no whole one.
    pub(super) fn take_request(&mut self, index: u32, input: &[u8], tried: usize) -> Taken {
        let limits = Limits {
            max_head_bytes: self.hub.config.max_head_bytes,
            max_headers: self.hub.config.max_headers,
        };
        let awaits_body = self.hub.connections[index as usize].awaits == Awaits::Body;
        if !awaits_body && !is_worth_parsing(input, tried, &limits) {
            return Taken::Incomplete(0);
        }
        let (mut request, head_bytes) = match Request::parse_head(input, &limits) {
            Ok(None) => return Taken::Incomplete(0),
            Ok(Some(parsed)) => parsed,
            Err(refusal) => {
                self.refuse(index, &refusal, true);
                return Taken::Bytes(0);
            }
        };
        let with_body = request.method != "HEAD";
        match self.answer(index, &mut request, &input[head_bytes..]) {
            Ok(Answered::Whole(body_bytes)) => Taken::Bytes(head_bytes + body_bytes),
            Ok(Answered::Awaits) => {
                self.await_body(index, &request);
                Taken::Incomplete(0)
            }
            Err(refusal) => {
                if handshake::is_upgrade(&request) {
                    let status = refusal.status.number();
                    self.hub.counters.handshakes.count(status);
                }
                self.refuse(index, &refusal, with_body);
                Taken::Bytes(head_bytes)
            }
        }
    }

    /// Answers a request with an upgrade, what the handler says, or a page.
    fn answer(
        &mut self,
        index: u32,
        request: &mut Request<'_>,
        rest: &[u8],
    ) -> Result<Answered, Refusal> {
        let mut scheme = self.hub.config.scheme;
        let connection = &self.hub.connections[index as usize];
        if let &Phase::Handshake {
            proxy: Some(proxy), ..
        } = &connection.phase
        {
            let client = forwarded::client(request, &self.hub.config.trusted_proxies);
            self.hub.set_address(index, client.unwrap_or(proxy));
            scheme = forwarded::scheme(request).or(scheme);
        }
        if self.hub.connections[index as usize].is_unwelcome {
            let text = "Too many connections from this address: close some first.";
            return Err(Refusal::new(Status::TooManyRequests, text));
        }
        let asked = Asked::by(request);
        if let Phase::Handshake { listener, .. } = self.hub.connections[index as usize].phase {
            request.listener = listener;
        }
        let base_path = &*self.hub.config.base_path;
        match request.path.strip_prefix(base_path) {
            Some(path) if path.starts_with('/') => request.path = path,
            Some("") => {
                request.refuse_body()?;
                let mut response = assets::into_folder(request.path);
                asked.shape(&mut response);
                let (status, closes) = (response.status, response.connection.closes());
                let bytes = self.hub.write(&response);
                self.hub.send_response(index, status, &bytes, closes);
                return Ok(Answered::Whole(0));
            }
            _ => {
                let text = format!("Nothing is here: everything is below {base_path}/.");
                return Err(Refusal::new(Status::NotFound, text));
            }
        }
        let paths = &self.hub.config.websocket_paths;
        let is_here = paths.is_empty() || paths.contains(&request.path);
        let taken = self.handler.takes(request)?;
        let is_upgrade = taken.is_none() && handshake::is_upgrade(request);
        if self.is_draining() && (is_upgrade || request.body() != Body::Absent) {
            let text = "The server stops: come back when it is there again.";
            return Err(Refusal::new(Status::ServiceUnavailable, text));
        }
        if is_upgrade {
            request.refuse_body()?;
            if !is_here {
                let text = "No WebSocket is served at this path.";
                return Err(Refusal::new(Status::NotFound, text));
            }
            if !self.hub.config.origins.allow(request, scheme) {
                return Err(refuse_origin(request));
            }
            self.upgrade(index, request)?;
            return Ok(Answered::Whole(0));
        }
        if let Some(max_body_bytes) = taken {
            let body_bytes = body_bytes(request, max_body_bytes)?;
            let Some(body) = rest.get(..body_bytes) else {
                return Ok(Answered::Awaits);
            };
            if let Some(id) = self.hub.ask(index, asked) {
                let mut cx = Context { hub: &mut self.hub };
                if let Some(response) = self.handler.request(&mut cx, id, request, body) {
                    self.hub.respond(id, response);
                }
            }
            return Ok(Answered::Whole(body_bytes));
        }
        request.refuse_body()?;
        let response = match self.hub.config.assets.as_deref() {
            Some(assets) => assets::respond(request, assets)?,
            None => return Err(handshake::upgrade_required()),
        };
        if response.status == Status::NotFound && paths.contains(&request.path) {
            return Err(handshake::upgrade_required());
        }
        let (bytes, closes) = (self.hub.write(&response), response.connection.closes());
        let status = response.status;
        self.hub.send_response(index, status, &bytes, closes);
        Ok(Answered::Whole(0))
    }

    /// The body of a request is still on its way.
    fn await_body(&mut self, index: u32, request: &Request<'_>) {
        let connection = &mut self.hub.connections[index as usize];
        let before = mem::replace(&mut connection.awaits, Awaits::Body);
        // RFC 9110 §10.1.1
        if before != Awaits::Body
            && request.version >= Version::Http11
            && request.has_token("expect", "100-continue")
        {
            self.hub.queue(index, b"HTTP/1.1 100 Continue\r\n\r\n", &[]);
        }
    }

    fn upgrade(&mut self, index: u32, request: &Request<'_>) -> Result<(), Refusal> {
        let upgrade = handshake::upgrade(request, &self.hub.config.subprotocols)?;
        self.hub.counters.handshakes.count(SWITCHING_PROTOCOLS);
        let mut head = Vec::new();
        upgrade.write(&mut head);
        self.hub.queue(index, &head, &[]);
        if self.hub.is_full() {
            let code = CloseCode::TRY_AGAIN_LATER;
            self.hub
                .turn_away(index, Close::new(code, "the server is full"));
            return Ok(());
        }
        if let Some(id) = self.hub.opened(index, upgrade.deflate()) {
            let opening = Opening {
                request,
                subprotocol: upgrade.subprotocol(),
                address: self.hub.connections[index as usize].address,
            };
            let mut cx = Context { hub: &mut self.hub };
            self.handler.open(&mut cx, id, &opening);
        }
        Ok(())
    }

    /// Sends a refusal; nothing that follows is looked at.
    pub(super) fn refuse(&mut self, index: u32, refusal: &Refusal, body_is_sent: bool) {
        debug!("connection at {index} refused: {refusal}");
        let mut response = refusal.response();
        response.body_is_sent = body_is_sent;
        let bytes = self.hub.write(&response);
        self.hub.send_response(index, response.status, &bytes, true);
    }
}

/// What became of a request that is as it should be.
enum Answered {
    /// It was answered, or will be. So many bytes of body belong to it.
    Whole(usize),
    /// Its body has not all come.
    Awaits,
}

/// How many bytes of body follow a head.
fn body_bytes(request: &Request<'_>, most: usize) -> Result<usize, Refusal> {
    match request.body() {
        Body::Absent => Ok(0),
        Body::Bytes(bytes) if bytes <= most => Ok(bytes),
        Body::Bytes(_) => Err(Refusal::new(
            Status::ContentTooLarge,
            format!("The body is too large: at most {most} bytes are taken here."),
        )),
        Body::Coded => Err(Refusal::new(
            Status::LengthRequired,
            "Send the body with its length (Content-Length), not in chunks.",
        )),
    }
}

fn refuse_origin(request: &Request<'_>) -> Refusal {
    let origin = request.header("origin").unwrap_or_default();
    let origin: String = origin.chars().take(MAX_SHOWN_CHARACTERS).collect();
    // It names a site, not a person, and whoever may allow it has to know it.
    info!("a page of {origin:?} may not connect; --origin can allow it");
    let text = "Pages of this origin may not connect here.";
    Refusal::new(Status::Forbidden, text)
}

impl Hub {
    /// The bytes of a response.
    fn write(&self, response: &Response<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let date = HttpDate::from_unix_time(self.unix_time).to_string();
        response.write(&mut bytes, Some(&date));
        bytes
    }

    /// Sends a response.
    fn send_response(&mut self, index: u32, status: Status, response: &[u8], closes: bool) {
        self.counters.responses.count(status.number());
        self.queue(index, response, &[]);
        if closes {
            self.finish_flushing(index);
        }
    }

    /// Takes nothing more from a connection until its request is answered.
    fn ask(&mut self, index: u32, request: Asked) -> Option<ConnectionId> {
        let connection = self.connections.get_mut(index as usize)?;
        connection.awaits = Awaits::Response(request);
        self.id(index)
    }

    /// Answers the request of a connection that is still there.
    pub(super) fn respond(&mut self, id: ConnectionId, mut response: Response<'_>) {
        let Some(connection) = self.connections.get_mut(id.index()) else {
            return;
        };
        let Awaits::Response(asked) = connection.awaits else {
            return;
        };
        if connection.generation != id.generation {
            return;
        }
        connection.awaits = Awaits::Nothing;
        let is_paused = connection.io.paused;
        asked.shape(&mut response);
        let bytes = self.write(&response);
        let closes = response.connection.closes();
        self.send_response(id.index, response.status, &bytes, closes);
        if is_paused {
            self.mark_ready(id.index);
        }
        self.schedule(id.index);
    }
}

/// RFC 9110 §15.2.2
const SWITCHING_PROTOCOLS: u16 = 101;

/// More of an origin than any that is one has.
const MAX_SHOWN_CHARACTERS: usize = 100;
