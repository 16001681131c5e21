//! A room as one client knows it, and whether what it is told of it is right.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use veche::chat::Entry;

use super::ledger::Ledger;

/// How far a client is in, as it means to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Out,
    Joining,
    In,
    Leaving,
}

/// What a client knows of one room.
pub struct View {
    pub room: String,
    pub standing: Standing,
    /// Whether it gets what is said there: between `joined` and `left`.
    pub is_listening: bool,
    pub epoch: Option<String>,
    /// The newest entry it has.
    pub top: u64,
    /// What is up to here it never had to get.
    pub base: u64,
    /// The entries between those that it has, or that are kept no longer.
    has: BTreeSet<u64>,
    /// By id, the names; `None` while they are only counted.
    pub members: Option<BTreeMap<String, String>>,
}

/// What became of an entry that was received.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    New,
    Known,
}

impl View {
    pub fn new(room: &str) -> Self {
        View {
            room: room.to_owned(),
            standing: Standing::Out,
            is_listening: false,
            epoch: None,
            top: 0,
            base: 0,
            has: BTreeSet::new(),
            members: None,
        }
    }

    /// The connection is lost.
    pub fn lose(&mut self) {
        self.standing = Standing::Out;
        self.is_listening = false;
    }

    /// What `join` says that the client has.
    pub fn after(&self) -> Option<(String, u64)> {
        self.epoch.clone().map(|epoch| (epoch, self.top))
    }

    /// The first entry that is missing between those that the client has.
    pub fn missing(&self) -> Option<u64> {
        (self.base + 1..=self.top).find(|seq| !self.has.contains(seq))
    }

    pub fn joined(&mut self, joined: &Value, after: Option<&(String, u64)>, ledger: &Ledger) {
        let epoch = string(joined, "epoch");
        let seq = number(joined, "seq");
        let entries = joined["entries"].as_array().unwrap();
        let seqs: Vec<u64> = entries.iter().map(|entry| number(entry, "seq")).collect();
        assert!(seqs.is_sorted_by(|a, b| a + 1 == *b), "holes: {seqs:?}");
        assert_eq!(*seqs.last().unwrap_or(&seq), seq, "not up to the newest");
        let first = seqs.first().copied().unwrap_or(seq + 1);
        // Where the numbering is the same, `recovered` says that nothing is missing.
        let fits = |(e, a): &&(String, u64)| *e == epoch && *a <= seq;
        let is_whole = after.filter(fits).is_some_and(|(_, a)| first <= a + 1);
        assert_eq!(joined["recovered"], is_whole, "{joined}, after {after:?}");
        if is_whole {
            assert_eq!(first, after.unwrap().1 + 1, "given twice: {joined}");
        }
        let is_kept = first > 1 && !ledger.has_dropped(&self.room, &epoch, first - 1);
        assert!(
            joined["more"] == true || !is_kept,
            "there is more: {joined}"
        );
        if self.epoch.as_ref() != Some(&epoch) {
            self.has.clear();
            self.base = first - 1;
            self.top = first - 1;
        }
        self.epoch = Some(epoch);
        for entry in entries {
            self.check(entry, ledger);
            self.has.insert(number(entry, "seq"));
        }
        assert!(seq >= self.top, "numbers went back: {joined}");
        self.top = seq;
        self.is_listening = true;
        let members = people(&joined["members"]);
        let count = number(joined, "count");
        self.members = (count <= 100).then_some(members);
        self.check_count(count, joined);
    }

    /// An entry that was broadcast, or sent again.
    pub fn entry(&mut self, entry: &Value, ledger: &Ledger) -> Taken {
        self.check(entry, ledger);
        let seq = number(entry, "seq");
        if self.has.contains(&seq) || seq <= self.base {
            return Taken::Known;
        }
        // It fills a gap where it was sent again.
        if seq > self.top {
            assert_eq!(
                seq,
                self.top + 1,
                "{} misses what was before {entry}",
                self.room
            );
            self.top = seq;
        }
        self.has.insert(seq);
        Taken::New
    }

    /// A page of history. The one after `after` fills gaps.
    pub fn history(
        &mut self,
        page: &Value,
        after: Option<u64>,
        before: Option<u64>,
        ledger: &Ledger,
    ) {
        let entries = page["entries"].as_array().unwrap();
        let seqs: Vec<u64> = entries.iter().map(|entry| number(entry, "seq")).collect();
        assert!(seqs.is_sorted_by(|a, b| a + 1 == *b), "holes: {page}");
        let epoch = self.epoch.clone().unwrap();
        let is_gone = |seq| ledger.has_dropped(&self.room, &epoch, seq);
        if let Some(after) = after {
            let first = seqs.first().copied().unwrap_or(self.top + 1);
            for seq in after + 1..first {
                assert!(is_gone(seq), "history left {seq} out: {page}");
                self.has.insert(seq);
            }
        }
        if let Some(before) = before {
            let last = seqs.last().copied().unwrap_or(0);
            assert!(last < before, "not before {before}: {page}");
            assert!(last + 1 == before || is_gone(before - 1), "{page}");
            let first = seqs.first().copied().unwrap_or(before);
            let is_kept = first > 1 && !is_gone(first - 1);
            assert!(page["more"] == true || !is_kept, "there is more: {page}");
        }
        for entry in entries {
            self.check(entry, ledger);
            self.has.insert(number(entry, "seq"));
        }
    }

    pub fn presence(&mut self, news: &Value) {
        let count = number(news, "count");
        if news["members"].is_array() {
            self.members = Some(people(&news["members"]));
        }
        if count > 100 {
            self.members = None;
        }
        if let Some(members) = &mut self.members {
            members.extend(people(&news["arrived"]));
            members.extend(people(&news["renamed"]));
            for id in people(&news["left"]).keys() {
                members.remove(id);
            }
        }
        self.check_count(count, news);
    }

    fn check_count(&self, count: u64, news: &Value) {
        if let Some(members) = &self.members {
            assert_eq!(members.len() as u64, count, "{news}, known: {members:?}");
        }
    }

    /// What is received is exactly what was committed.
    fn check(&self, entry: &Value, ledger: &Ledger) {
        let epoch = self.epoch.as_ref().expect("nothing before `joined`");
        let committed = ledger.entry(&self.room, epoch, number(entry, "seq"));
        let Some(Entry { draft, .. }) = committed else {
            panic!("nobody committed {entry}");
        };
        assert_eq!(string(entry, "room"), *draft.room, "{entry}");
        assert_eq!(string(entry, "cid"), draft.cid, "{entry}");
        assert_eq!(string(entry, "text"), draft.text, "{entry}");
        assert_eq!(number(entry, "time"), draft.time, "{entry}");
        assert_eq!(string(&entry["from"], "id"), draft.from.id, "{entry}");
        assert_eq!(string(&entry["from"], "name"), draft.from.name, "{entry}");
    }
}

pub fn string(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_default().to_owned()
}

pub fn number(object: &Value, field: &str) -> u64 {
    object[field]
        .as_u64()
        .unwrap_or_else(|| panic!("{field} of {object}"))
}

fn people(list: &Value) -> BTreeMap<String, String> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    let people = list.iter().map(|p| (string(p, "id"), string(p, "name")));
    let people: BTreeMap<String, String> = people.collect();
    assert_eq!(people.len(), list.len(), "twice: {list:?}");
    people
}
