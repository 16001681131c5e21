//! What the tests of all journals write.

use std::sync::Arc;

use crate::chat::{Draft, Person};

pub(super) fn draft(room: &str, cid: &str, text: &str) -> Draft {
    Draft {
        room: room.into(),
        from: person("a"),
        time: 1_000,
        text: text.into(),
        cid: cid.into(),
        file: None,
    }
}

pub(super) fn person(id: &str) -> Arc<Person> {
    Arc::new(Person {
        id: id.into(),
        name: "Ann".into(),
        role: None,
    })
}
