//! Who is who: sessions, their names, and the connections they have open.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha1::{Digest as _, Sha1};
use slab::Slab;

use super::journal::{KnownSession, Person, SecretHash};
use super::limits::Budget;
use super::names;
use crate::server::ConnectionId;

/// Where a session is kept.
pub(super) type SessionKey = usize;

/// All sessions that are connected, in grace, or remembered.
#[derive(Debug)]
pub(super) struct Sessions {
    sessions: Slab<Session>,
    /// By a hash of the secret, which is nowhere else.
    by_secret: HashMap<SecretHash, SessionKey>,
    by_id: HashMap<String, SessionKey>,
    /// The names that are taken.
    by_name: HashMap<String, SessionKey>,
    /// Sessions without a connection, the longest gone first. One that came
    /// back meanwhile is passed over.
    gone: VecDeque<(Duration, SessionKey)>,
    max_gone: usize,
    /// Names that nobody may have, as they are compared.
    reserved: Vec<&'static str>,
}

/// One identity, however many tabs it has open.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) person: Arc<Person>,
    pub(super) tabs: Vec<Tab>,
    pub(super) budget: Budget,
    /// How much may be sent in files, in bytes.
    pub(super) files: Budget,
    /// Its last direct messages.
    directs: VecDeque<Direct>,
    pub(super) secret: SecretHash,
    has_name: bool,
    gone_since: Option<Duration>,
}

/// A direct message that was delivered.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) cid: String,
    pub(super) time: u64,
    pub(super) to: Arc<Person>,
}

/// One connection of a session.
#[derive(Debug)]
pub(super) struct Tab {
    pub(super) id: ConnectionId,
    /// The rooms it is in.
    pub(super) rooms: Vec<usize>,
    /// When its token does: Unix time.
    #[cfg(feature = "site")]
    pub(super) expires: Duration,
}

impl Sessions {
    /// Remembers at most `max_gone` sessions that are not connected.
    pub(super) fn new(max_gone: usize) -> Self {
        Sessions {
            sessions: Slab::new(),
            by_secret: HashMap::new(),
            by_id: HashMap::new(),
            by_name: HashMap::new(),
            gone: VecDeque::new(),
            max_gone,
            reserved: Vec::new(),
        }
    }

    /// From now on nobody may have this name, given as names are compared.
    #[cfg(feature = "site")]
    pub(super) fn reserve(&mut self, name: &'static str) {
        self.reserved.push(name);
    }

    /// Remembers a session from before.
    pub(super) fn remember(&mut self, known: KnownSession) {
        let key = self.insert(known);
        if let Some(session) = self.sessions.get_mut(key) {
            session.gone_since = Some(Duration::ZERO);
            self.gone.push_back((Duration::ZERO, key));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn get(&self, key: SessionKey) -> Option<&Session> {
        self.sessions.get(key)
    }

    pub(super) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.sessions.get_mut(key)
    }

    /// The session of this secret.
    pub(super) fn find(&self, secret: &str) -> Option<SessionKey> {
        self.by_secret.get(hash(secret).as_str()).copied()
    }

    /// The session of this public id.
    pub(super) fn with_id(&self, id: &str) -> Option<SessionKey> {
        self.by_id.get(id).copied()
    }

    /// The session that has this name now.
    pub(super) fn with_name(&self, name: &str) -> Option<SessionKey> {
        self.by_name.get(&names::key(name)).copied()
    }

    /// Makes a session; its secret is known to nobody but the one who gets it.
    pub(super) fn create(&mut self, mut random: impl FnMut(&mut [u8])) -> (SessionKey, String) {
        let (mut secret, mut id) = ([0; 16], [0; 9]);
        random(&mut secret);
        random(&mut id);
        let secret = URL_SAFE_NO_PAD.encode(secret);
        let key = self.insert(KnownSession {
            id: URL_SAFE_NO_PAD.encode(id),
            secret: hash(&secret).into(),
        });
        (key, secret)
    }

    /// The session of a site's member, made where there is none.
    #[cfg(feature = "site")]
    pub(super) fn of_member(&mut self, subject: &str) -> SessionKey {
        // No hash of a guest's secret is like this.
        let secret: SecretHash = format!("{MEMBER}{}", hash(subject)).into();
        if let Some(key) = self.by_secret.get(&secret) {
            return *key;
        }
        // As long as that of a guest, and the same after years.
        let mut id = hash(&secret);
        id.truncate(12);
        self.insert(KnownSession { id, secret })
    }

    #[cfg(feature = "site")]
    pub(super) fn set_role(&mut self, key: SessionKey, role: Option<String>) {
        if let Some(session) = self.sessions.get_mut(key)
            && session.person.role != role
        {
            Arc::make_mut(&mut session.person).role = role;
        }
    }

    fn insert(&mut self, known: KnownSession) -> SessionKey {
        let KnownSession { id, secret } = known;
        let key = self.sessions.insert(Session {
            person: Arc::new(Person {
                id: id.clone(),
                name: String::new(),
                role: None,
            }),
            tabs: Vec::new(),
            budget: Budget::default(),
            files: Budget::default(),
            directs: VecDeque::new(),
            secret: Arc::clone(&secret),
            has_name: false,
            gone_since: None,
        });
        self.by_secret.insert(secret, key);
        self.by_id.insert(id, key);
        key
    }

    /// Gives a session a name.
    ///
    /// # Errors
    /// Another name, if somebody else has this one and another one is found.
    pub(super) fn name(
        &mut self,
        key: Option<SessionKey>,
        name: &str,
    ) -> Result<(), Option<String>> {
        let is_taken = |name: &str| {
            let owner = self.by_name.get(name);
            self.reserved.contains(&name) || owner.is_some_and(|owner| Some(*owner) != key)
        };
        if is_taken(&names::key(name)) {
            let count = self.by_name.len();
            let is_taken = |name: &str| is_taken(&names::key(name));
            return Err(names::suggest(name, count, is_taken));
        }
        if let Some(session) = key.and_then(|key| self.sessions.get_mut(key)) {
            if session.has_name {
                self.by_name.remove(&names::key(&session.person.name));
            }
            session.has_name = true;
            name.clone_into(&mut Arc::make_mut(&mut session.person).name);
            self.by_name.extend(key.map(|key| (names::key(name), key)));
        }
        Ok(())
    }

    pub(super) fn attach(&mut self, key: SessionKey, id: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.tabs.push(Tab {
                id,
                rooms: Vec::new(),
                #[cfg(feature = "site")]
                expires: Duration::MAX,
            });
            session.gone_since = None;
        }
    }

    /// A connection has ended: its tab, and whether it was the last one.
    pub(super) fn detach(
        &mut self,
        key: SessionKey,
        id: ConnectionId,
        now: Duration,
    ) -> Option<(Tab, bool)> {
        let session = self.sessions.get_mut(key)?;
        let place = session.tabs.iter().position(|tab| tab.id == id)?;
        let tab = session.tabs.swap_remove(place);
        let is_last = session.tabs.is_empty();
        if is_last {
            session.gone_since = Some(now);
            self.gone.push_back((now, key));
            if self.gone.len() > 2 * self.sessions.len() {
                self.pass_over_who_came_back();
            }
        }
        Some((tab, is_last))
    }

    /// The grace of a session that went at `since` is over: its name is free.
    /// The session itself is remembered, as long as there is room.
    pub(super) fn release_name(&mut self, key: SessionKey, since: Duration) {
        if let Some(session) = self.sessions.get_mut(key)
            && session.gone_since == Some(since)
        {
            session.has_name = false;
            self.by_name.remove(&names::key(&session.person.name));
            self.forget_longest_gone();
        }
    }

    /// Whoever came back is in the list for each time it went.
    fn pass_over_who_came_back(&mut self) {
        let sessions = &self.sessions;
        self.gone.retain(|&(since, key)| {
            let session = sessions.get(key);
            session.is_some_and(|session| session.gone_since == Some(since))
        });
    }

    fn forget_longest_gone(&mut self) {
        if self.gone.len() <= self.max_gone {
            return;
        }
        self.pass_over_who_came_back();
        while self.gone.len() > self.max_gone
            && let Some(&(_, key)) = self.gone.front()
            // While its grace lasts nobody's name is taken away from them.
            && self.get(key).is_none_or(|session| !session.has_name)
        {
            self.gone.pop_front();
            if let Some(session) = self.sessions.try_remove(key) {
                self.by_secret.remove(&session.secret);
                self.by_id.remove(&session.person.id);
            }
        }
    }
}

fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha1::digest(secret))
}

impl Session {
    /// Whether a site vouches for this one.
    pub(super) fn is_member(&self) -> bool {
        self.secret.starts_with(MEMBER)
    }

    pub(super) fn tab(&mut self, id: ConnectionId) -> Option<&mut Tab> {
        self.tabs.iter_mut().find(|tab| tab.id == id)
    }

    /// The direct message of that `cid`, where it was delivered not long ago.
    pub(super) fn direct(&self, cid: &str) -> Option<&Direct> {
        self.directs.iter().find(|direct| direct.cid == cid)
    }

    pub(super) fn remember_direct(&mut self, direct: Direct) {
        if self.directs.len() >= MAX_DIRECTS {
            self.directs.pop_front();
        }
        self.directs.push_back(direct);
    }
}

/// What stands before the hash of a member, instead of a guest's secret.
const MEMBER: &str = "member:";

/// How many direct messages of a session are known again.
const MAX_DIRECTS: usize = 64;
