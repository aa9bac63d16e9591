//! Pairs the records of two runs and tells what is not equal.

use super::record::{Place, Record};
use super::scenarios::SEVERAL_WORKERS;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

/// In which way two runs are not equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// One of them has no such record.
    Missing,
    /// It has gone elsewhere.
    Place,
    /// A value differs, or is in one of them alone.
    Field(String),
    /// The same values stand in another order.
    FieldOrder,
    /// The same records of one place stand in another order; these two are the first.
    Order,
}

/// One inequality.
#[derive(Clone, Debug)]
pub struct Unequal<'a> {
    /// What is not equal.
    pub what: What,
    /// The stock module's record.
    pub stock: Option<&'a Record>,
    /// Ours.
    pub ours: Option<&'a Record>,
}

impl Unequal<'_> {
    /// The call in which it is.
    pub fn call(&self) -> &str {
        self.stock.or(self.ours).map_or("", |record| &record.call)
    }
}

impl fmt::Display for Unequal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |record: Option<&Record>| record.map_or("nothing".to_owned(), Record::to_string);
        let field = |record: Option<&Record>, name: &str| record.map_or("", |record| record.field(name)).to_owned();
        match (&self.what, self.stock.or(self.ours)) {
            (What::Field(name), Some(record)) => {
                let [stock, ours] = [self.stock, self.ours].map(|record| field(record, name));
                write!(f, "{record}: {name}: stock {stock:?} ours {ours:?}")
            }
            (what, _) => write!(f, "{what:?}: stock {}; ours {}", shown(self.stock), shown(self.ours)),
        }
    }
}

/// All inequalities.
pub fn compare<'a>(stock: &'a [Record], ours: &'a [Record]) -> Vec<Unequal<'a>> {
    let mut of_time: Vec<usize> = (0..ours.len()).collect();
    of_time.sort_by_key(|index| (&ours[*index].time, *index));
    let mut pairs =
        pair(stock, ours, (0..stock.len()).collect(), &of_time, |record| (Some(record.place), record.key()));
    // What is in another place in the other run.
    let left = |index: &usize| !pairs.iter().any(|(left, _)| left == index);
    let of_stock = (0..stock.len()).filter(left).collect();
    of_time.retain(|index| !pairs.iter().any(|(_, right)| right == index));
    pairs.extend(pair(stock, ours, of_stock, &of_time, |record| (None, record.key())));
    pairs.sort_unstable();
    let missing = (0..stock.len()).filter(|index| !pairs.iter().any(|(left, _)| left == index));
    let mut unequal: Vec<Unequal<'a>> =
        missing.map(|index| Unequal { what: What::Missing, stock: Some(&stock[index]), ours: None }).collect();
    let extra: BTreeSet<usize> =
        (0..ours.len()).filter(|index| !pairs.iter().any(|(_, right)| right == index)).collect();
    unequal.extend(extra.iter().map(|index| Unequal { what: What::Missing, stock: None, ours: Some(&ours[*index]) }));
    for (left, right) in &pairs {
        unequal.extend(compare_pair(&stock[*left], &ours[*right]));
    }
    unequal.extend(compare_order(stock, ours, &pairs));
    unequal
}

type Key<'a> = (Option<Place>, (bool, &'a str, &'a str, &'a str, &'a str, &'a str));

/// The first of each key with the first, the second with the second.
fn pair<'a>(
    stock: &'a [Record],
    ours: &'a [Record],
    of_stock: Vec<usize>,
    of_ours: &[usize],
    key: fn(&'a Record) -> Key<'a>,
) -> Vec<(usize, usize)> {
    let mut waiting: BTreeMap<Key<'a>, VecDeque<usize>> = BTreeMap::new();
    for index in of_ours {
        waiting.entry(key(&ours[*index])).or_default().push_back(*index);
    }
    let partner = |left: usize| Some((left, waiting.get_mut(&key(&stock[left]))?.pop_front()?));
    of_stock.into_iter().filter_map(partner).collect()
}

fn compare_pair<'a>(stock: &'a Record, ours: &'a Record) -> Vec<Unequal<'a>> {
    let unequal = |what| Unequal { what, stock: Some(stock), ours: Some(ours) };
    let mut found = Vec::new();
    if stock.place != ours.place {
        found.push(unequal(What::Place));
    }
    let names = |record: &'a Record| record.fields.iter().map(|(name, _)| name.as_str());
    let all: BTreeSet<&str> = names(stock).chain(names(ours)).collect();
    let values = |record: &'a Record, name: &str| -> Vec<&'a str> {
        record.fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    };
    let differing = all.iter().filter(|name| values(stock, name) != values(ours, name));
    found.extend(differing.map(|name| unequal(What::Field((*name).to_owned()))));
    let common = |one: &'a Record, other: &'a Record| -> Vec<&'a str> {
        names(one).filter(|name| other.fields.iter().any(|(known, _)| known == name)).collect()
    };
    if common(stock, ours) != common(ours, stock) {
        found.push(unequal(What::FieldOrder));
    }
    found
}

/// Records that are in the same place in both runs must be there in the same order.
///
/// Several workers of the proxy have one order with the stock module, where each sends and stores by itself. Ours
/// gathers what they have traced, so that the order over all calls is that of the times. What one worker has traced of
/// a call leaves in the order in which it was traced.
fn compare_order<'a>(stock: &'a [Record], ours: &'a [Record], pairs: &[(usize, usize)]) -> Vec<Unequal<'a>> {
    let mut found = Vec::new();
    // The host sends plain copies at once, and has an order of its own for them.
    let places = [Place::Duplicate, Place::Named, Place::Table, Place::OtherTable];
    for (place, is_copy) in places.into_iter().flat_map(|place| [(place, false), (place, true)]) {
        let is_here = |record: &Record| record.place == place && record.is_copy() == is_copy;
        let here = |(left, right): &&(usize, usize)| is_here(&stock[*left]) && is_here(&ours[*right]);
        // In the order of the stock module, as pairs are made.
        let here: Vec<(usize, usize)> = pairs.iter().filter(here).copied().collect();
        // Version 1 has no time.
        if here.iter().all(|(_, right)| !ours[*right].time.is_empty()) {
            found.extend(first_out_of_order(stock, ours, &here, |record, index| (record.time.as_str(), index)));
        }
        let calls: BTreeSet<&str> = here.iter().map(|(left, _)| stock[*left].call.as_str()).collect();
        for call in calls.into_iter().filter(|call| !SEVERAL_WORKERS.contains(call)) {
            let of_call: Vec<_> = here.iter().filter(|(left, _)| stock[*left].call == call).copied().collect();
            found.extend(first_out_of_order(stock, ours, &of_call, |_, index| ("", index)));
        }
    }
    found
}

/// `rank` orders our records; their index is the order of arrival.
fn first_out_of_order<'a>(
    stock: &'a [Record],
    ours: &'a [Record],
    pairs: &[(usize, usize)],
    rank: impl Fn(&'a Record, usize) -> (&'a str, usize),
) -> Option<Unequal<'a>> {
    let mut sorted: Vec<usize> = pairs.iter().map(|(_, right)| *right).collect();
    sorted.sort_by_key(|index| rank(&ours[*index], *index));
    let (pair, found) = pairs.iter().zip(&sorted).find(|((_, right), found)| right != *found)?;
    Some(Unequal { what: What::Order, stock: Some(&stock[pair.0]), ours: Some(&ours[*found]) })
}

/// Both runs of the calls in which something is not equal, for a reader.
pub fn listing(unequal: &[&Unequal<'_>], stock: &[Record], ours: &[Record]) -> String {
    let calls: BTreeSet<&str> = unequal.iter().map(|unequal| unequal.call()).collect();
    let mut text = String::new();
    for call in calls {
        for (name, records) in [("stock", stock), ("ours", ours)] {
            text += &format!("--- {call}, {name}\n");
            let of_call = records.iter().filter(|record| record.call == call);
            of_call.for_each(|record| text += &format!("{record}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(place: Place, title: &str, fields: &[(&str, &str)]) -> Record {
        let mut record = Record::new(place, title);
        fields.iter().for_each(|(name, value)| record.add(name, (*value).to_owned()));
        record
    }

    fn found(stock: &[Record], ours: &[Record]) -> Vec<What> {
        compare(stock, ours).into_iter().map(|unequal| unequal.what).collect()
    }

    #[test]
    fn equal_runs_are_equal() {
        let run = [record(Place::Named, "a", &[("x", "1")]), record(Place::Table, "a", &[("x", "1")])];
        assert_eq!(found(&run, &run), []);
    }

    #[test]
    fn each_kind_of_inequality_is_told() {
        let one = record(Place::Named, "a", &[("x", "1"), ("y", "2")]);
        let two = record(Place::Named, "b", &[]);
        let one_alone = std::slice::from_ref(&one);
        assert_eq!(found(&[one.clone(), two.clone()], one_alone), [What::Missing]);
        assert_eq!(found(one_alone, &[one.clone(), one.clone()]), [What::Missing]);
        let at = |time: &str| Record { time: time.to_owned(), ..one.clone() };
        let then = |time: &str| Record { time: time.to_owned(), ..two.clone() };
        assert_eq!(found(&[at("1"), then("2")], &[then("1"), at("2")]), [What::Order, What::Order]);
        // Of one worker, they leave in the order in which they were traced.
        assert_eq!(found(&[at("1"), then("2")], &[then("2"), at("1")]), [What::Order]);
        let of_several = |record: Record| Record { call: SEVERAL_WORKERS[0].to_owned(), ..record };
        let stock = [at("1"), then("2")].map(of_several);
        assert_eq!(found(&stock, &[then("2"), at("1")].map(of_several)), []);
        assert_eq!(found(&stock, &[then("1"), at("2")].map(of_several)), [What::Order]);
        assert_eq!(found(&[one.clone(), two.clone()], &[two.clone(), one.clone()]), [What::Order]);
        let other = record(Place::Named, "a", &[("x", "3"), ("y", "2")]);
        assert_eq!(found(one_alone, &[other]), [What::Field("x".to_owned())]);
        let other = record(Place::Named, "a", &[("x", "1")]);
        assert_eq!(found(one_alone, &[other]), [What::Field("y".to_owned())]);
        let other = record(Place::Named, "a", &[("y", "2"), ("x", "1")]);
        assert_eq!(found(one_alone, &[other]), [What::FieldOrder]);
        let other = record(Place::Duplicate, "a", &[("x", "1"), ("y", "2")]);
        assert_eq!(found(one_alone, &[other]), [What::Place]);
    }
}
