//! Rows on their way into a sink, halved where the sink refuses them, until the bad rows stand alone.

use std::collections::VecDeque;
use std::ops::Range;

/// What is still to be written of a number of rows, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bisection {
    waiting: VecDeque<Range<usize>>,
}

impl Bisection {
    /// All of `rows` rows, in slices of at most `most`; see [`Sink::most_rows`](super::Sink::most_rows).
    pub fn new(rows: usize, most: usize) -> Bisection {
        let most = most.clamp(1, rows.max(1));
        Bisection { waiting: (0..rows).step_by(most).map(|start| start..rows.min(start + most)).collect() }
    }

    /// The slice to write now.
    pub fn take(&mut self) -> Option<Range<usize>> {
        self.waiting.pop_front()
    }

    /// Puts back a slice that was taken, to be written before all others.
    pub fn put_back(&mut self, slice: Range<usize>) {
        self.waiting.push_front(slice);
    }

    /// Puts back both halves of a slice that was refused; false when it is a single row, which then is the bad one.
    pub fn halve(&mut self, slice: &Range<usize>) -> bool {
        if slice.len() <= 1 {
            return false;
        }
        let middle = slice.start + slice.len() / 2;
        // The earlier half goes first, so that order within the table is kept.
        self.put_back(middle..slice.end);
        self.put_back(slice.start..middle);
        true
    }

    /// What was not taken.
    pub fn rest(self) -> impl Iterator<Item = Range<usize>> {
        self.waiting.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes `rows` rows to a sink that refuses every slice with one of `bad` in it; answers the rows written, in
    /// order, and the slices that were refused for good.
    fn write(rows: usize, most: usize, bad: &[usize]) -> (Vec<usize>, Vec<Range<usize>>) {
        let mut bisection = Bisection::new(rows, most);
        let (mut written, mut refused) = (Vec::new(), Vec::new());
        while let Some(slice) = bisection.take() {
            assert!(slice.len() <= most.max(1));
            if !bad.iter().any(|row| slice.contains(row)) {
                written.extend(slice);
            } else if !bisection.halve(&slice) {
                refused.push(slice);
            }
        }
        (written, refused)
    }

    #[test]
    fn bad_rows_are_found_and_their_neighbours_written_in_order() {
        for most in [1, 2, 7, usize::MAX] {
            for bad in [&[][..], &[0], &[8], &[3, 4], &[0, 2, 8], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
                let good: Vec<usize> = (0..9).filter(|row| !bad.contains(row)).collect();
                let alone: Vec<Range<usize>> = bad.iter().map(|&row| row..row + 1).collect();
                assert_eq!(write(9, most, bad), (good, alone), "{most} {bad:?}");
            }
        }
    }

    #[test]
    fn no_rows_are_no_slices_and_what_is_put_back_comes_next() {
        assert_eq!(Bisection::new(0, usize::MAX).take(), None);
        let mut bisection = Bisection::new(5, 2);
        let first = bisection.take().unwrap();
        bisection.put_back(first.clone());
        assert_eq!(bisection.take(), Some(first));
        assert_eq!(bisection.rest().collect::<Vec<_>>(), [2..4, 4..5]);
    }
}
