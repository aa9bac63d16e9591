//! How much is held, and that it comes out as it went in.

use super::super::held::HeldMessages;
use super::*;
use proptest::prelude::*;

/// A store of the test's own.
macro_rules! own_store {
    () => {{
        static STORE: Mutex<HeldMessages> = Mutex::new(HeldMessages::EMPTY);
        STORE.lock().unwrap_or_else(PoisonError::into_inner)
    }};
}

/// URI and bytes of every message that is held, one behind the other.
fn all(store: &HeldMessages) -> Vec<Vec<u8>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(message) = store.after(at) {
        let mut read = Vec::new();
        store.read(message, &mut read);
        found.push(read);
        at = message;
    }
    found
}

#[test]
fn messages_come_out_whole_in_the_order_of_their_coming() {
    let mut store = own_store!();
    let messages: Vec<Vec<u8>> = [0, 1, 255, 256, 257, 70_000].iter().map(|length| vec![b'x'; *length]).collect();
    messages.iter().for_each(|message| assert!(store.append(b"uri:", message)));
    assert_eq!(store.len() as usize, messages.len());
    let whole: Vec<Vec<u8>> = messages.iter().map(|message| [b"uri:", &message[..]].concat()).collect();
    assert_eq!(all(&store), whole);
    let (first, mut uri) = (store.after(0).expect("there is one"), Vec::new());
    store.read_uri(first, &mut uri);
    assert_eq!(uri, b"uri:");
}

#[test]
fn a_mebibyte_with_the_uris_is_the_room_and_what_is_sent_makes_room_again() {
    let mut store = own_store!();
    let (uri, message) = ([b'u'; 28], [b'm'; 996]);
    for _ in 0..1024 {
        assert!(store.append(&uri, &message));
    }
    assert!(!store.append(b"", b"x") && !store.append(&uri, &message));
    assert_eq!(store.len(), 1024);
    store.remove_after(0);
    assert!(!store.append(&uri, &[b'm'; 997]));
    assert!(store.append(&uri, &message));
    assert!(!store.append(b"", b"x"));
    while store.after(0).is_some() {
        store.remove_after(0);
    }
    assert!(store.append(b"", &vec![b'm'; MOST_HELD_BYTES]));
    assert!(!store.append(b"", b"x"));
}

#[test]
fn small_messages_are_limited_by_their_number() {
    let mut store = own_store!();
    let held = (0..).take_while(|_| store.append(b"u", b"m")).count();
    assert_eq!(held, 8192);
    while store.after(0).is_some() {
        store.remove_after(0);
    }
    // The bytes are the limit from 128 on.
    let held = (0..).take_while(|_| store.append(&[b'u'; 28], &[b'm'; 100])).count();
    assert_eq!(held, MOST_HELD_BYTES / 128);
}

#[test]
fn one_from_the_midst_can_be_removed() {
    let mut store = own_store!();
    for message in [b"a", b"b", b"c"] {
        assert!(store.append(b"", message));
    }
    let first = store.after(0).expect("there is one");
    store.remove_after(first);
    assert_eq!(all(&store), [b"a", b"c"]);
    let last = store.after(0).expect("there is one");
    store.remove_after(last);
    assert!(store.append(b"", b"d"));
    assert_eq!(all(&store), [b"a", b"d"]);
    let first = store.after(0).expect("there are two");
    store.remove_after(first);
    store.remove_after(0);
    // There is nothing left to remove.
    store.remove_after(0);
    assert_eq!((store.len(), all(&store).len()), (0, 0));
}

#[test]
fn a_store_that_is_cleared_is_as_new() {
    let mut store = own_store!();
    assert!(store.append(b"uri", &[b'm'; 1000]) && store.append(b"uri", &[b'm'; 1000]));
    store.clear();
    assert_eq!((store.len(), all(&store).len()), (0, 0));
    assert!(store.append(b"", &vec![b'm'; MOST_HELD_BYTES]));
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    /// The message behind so many others.
    Remove(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let append = prop_oneof![0..600_usize, 60_000..70_000_usize].prop_map(Step::Append);
    proptest::collection::vec(prop_oneof![append, (0..20_usize).prop_map(Step::Remove)], 0..100)
}

proptest! {
    #[test]
    fn whatever_comes_and_goes_the_rest_is_as_a_list_has_it(steps in steps()) {
        let mut store = own_store!();
        store.clear();
        let mut model = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Append(length) => {
                    let message = vec![number as u8; length];
                    let bytes: usize = model.iter().map(|held: &Vec<u8>| held.len()).sum();
                    let fits = bytes + 3 + length <= MOST_HELD_BYTES;
                    prop_assert_eq!(store.append(b"uri", &message), fits);
                    if fits {
                        model.push([b"uri", &message[..]].concat());
                    }
                }
                Step::Remove(place) => {
                    let before = (0..place).try_fold(0, |at, _| store.after(at));
                    if let Some(before) = before {
                        store.remove_after(before);
                    }
                    if place < model.len() {
                        model.remove(place);
                    }
                }
            }
            prop_assert_eq!(store.len() as usize, model.len());
        }
        prop_assert_eq!(all(&store), model);
    }
}
