//! Who somebody is: a guest by a name and a secret, or a member of a site by a token.

#[cfg(feature = "site")]
use core::cmp::Reverse;
#[cfg(feature = "site")]
use core::time::Duration;

#[cfg(feature = "site")]
use super::BAD_TOKEN;
use super::journal::Journal;
#[cfg(feature = "site")]
use super::presence::Due;
use super::session::{Session, SessionKey};
#[cfg(feature = "site")]
use super::token::Member;
use super::wire::{Answer, Command, Error, ErrorCode};
use super::{Chat, Client, commands, names};
use crate::server::{ConnectionId, Context};

impl<J: Journal> Chat<J> {
    pub(super) fn hello(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        hello: &Command<'_>,
    ) -> Result<(), Error> {
        #[cfg(feature = "site")]
        if let Some(verifier) = &self.verifier {
            match hello.token()? {
                Some(token) => {
                    match verifier.verify(token, cx.unix_time()) {
                        Ok(member) => self.hello_of_member(cx, id, hello, member)?,
                        Err(why) => cx.close(id, BAD_TOKEN, why.sentence()),
                    }
                    return Ok(());
                }
                None if self.settings.require_token => {
                    cx.close(id, BAD_TOKEN, "a token of the site is needed");
                    return Ok(());
                }
                None => {}
            }
        }
        let name = names::person(hello.name()?).ok_or(ErrorCode::BadName)?;
        let secret = hello.session()?;
        let known = secret.and_then(|secret| self.sessions.find(secret));
        self.take_name(known, name)?;
        let (key, secret) = match (known, secret) {
            (Some(key), Some(secret)) => (key, secret.to_owned()),
            _ => {
                let (key, secret) = self.sessions.create(&mut self.random);
                self.take_name(Some(key), name)?;
                (key, secret)
            }
        };
        self.welcome(cx, id, key, Some(&secret), hello.cid());
        Ok(())
    }

    /// A member of a site: the same person with every token of theirs.
    #[cfg(feature = "site")]
    fn hello_of_member(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        hello: &Command<'_>,
        member: Member,
    ) -> Result<(), Error> {
        let name = match &member.name {
            Some(name) => names::of_member(name),
            None => names::person(hello.name()?).map(str::to_owned),
        };
        let name = name.ok_or(ErrorCode::BadName)?;
        let key = self.sessions.of_member(&member.subject);
        // Two members may have the same name, and a guest may have it already. No
        // number of guests keeps a member out.
        if let Err(suggestion) = self.sessions.name(Some(key), &name) {
            let id = self
                .sessions
                .get(key)
                .map_or("", |session| &session.person.id);
            let free = suggestion.unwrap_or_else(|| names::with_id(&name, id));
            self.take_name(Some(key), &free)?;
        }
        self.sessions.set_role(key, member.role);
        self.welcome(cx, id, key, None, hello.cid());
        if let Some(expires) = member.expires
            && let Some(tab) = self.tab(key, id)
        {
            tab.expires = expires;
            self.await_expiry(cx, key, id, expires);
        }
        Ok(())
    }

    /// Looks at the clock on the wall again when a token should have expired, and
    /// each minute, since that clock may be set.
    #[cfg(feature = "site")]
    fn await_expiry(
        &mut self,
        cx: &mut Context<'_>,
        key: SessionKey,
        id: ConnectionId,
        expires: Duration,
    ) {
        let left = expires.saturating_sub(cx.unix_time());
        let at = cx.now() + left.min(EXPIRY_INTERVAL);
        self.agenda.push(Reverse((at, Due::Expire { key, id })));
        self.set_alarm(cx);
    }

    /// Closes a connection whose token has expired.
    #[cfg(feature = "site")]
    pub(super) fn expire(&mut self, cx: &mut Context<'_>, key: SessionKey, id: ConnectionId) {
        let Some(expires) = self.tab(key, id).map(|tab| tab.expires) else {
            return;
        };
        if expires <= cx.unix_time() {
            cx.close(id, BAD_TOKEN, "the token has expired");
        } else {
            self.await_expiry(cx, key, id, expires);
        }
    }

    fn welcome(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        secret: Option<&str>,
        cid: Option<&str>,
    ) {
        self.sessions.attach(key, id);
        if let Some(client) = self.clients.get_mut(id.index()) {
            *client = Client::Known(key);
        }
        self.tell_name(cx, key);
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let welcome = Answer::Welcome {
            session: secret,
            person: &session.person,
            server: &self.settings.server,
            limits: &self.limits,
            ping_seconds: self.settings.ping_seconds,
            commands: &commands::COMMANDS,
            cid,
        };
        cx.send(id, &welcome.to_json());
    }

    pub(super) fn rename(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        name: &str,
        cid: Option<&str>,
    ) -> Result<(), Error> {
        if self.sessions.get(key).is_some_and(Session::is_member) {
            let text = "Your name is that of your account.";
            return Err(Error::new(ErrorCode::BadName, text));
        }
        let name = names::person(name).ok_or(ErrorCode::BadName)?;
        self.take_name(Some(key), name)?;
        cx.send(id, &Answer::Renamed { name, cid }.to_json());
        self.tell_name(cx, key);
        Ok(())
    }

    fn take_name(&mut self, key: Option<SessionKey>, name: &str) -> Result<(), Error> {
        let named = self.sessions.name(key, name);
        named.map_err(|suggestion| Error::from(ErrorCode::NameTaken).suggest(suggestion))
    }
}

/// How often the clock on the wall is looked at.
#[cfg(feature = "site")]
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);
