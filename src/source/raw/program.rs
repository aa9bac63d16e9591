//! A classic BPF program, put together with names for the places that it jumps to.

use libc::sock_filter;

/// A place in a program; jumps go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

/// Where a conditional jump goes on: at the next instruction or at a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// The next instruction.
    Next,
    /// This place.
    Place(Place),
}

impl From<Place> for To {
    fn from(place: Place) -> To {
        To::Place(place)
    }
}

/// A program in the making.
#[derive(Debug, Default)]
pub(super) struct Program {
    instructions: Vec<(sock_filter, To, To)>,
    places: Vec<usize>,
}

impl Program {
    /// A place that is not known yet.
    pub fn place(&mut self) -> Place {
        self.places.push(usize::MAX);
        Place(self.places.len() - 1)
    }

    /// Puts `place` here.
    pub fn here(&mut self, place: Place) {
        self.places[place.0] = self.instructions.len();
    }

    /// An instruction with a number.
    pub fn act(&mut self, code: u32, number: u32) {
        self.jump(code, number, To::Next, To::Next);
    }

    /// Compares the accumulator with `number`.
    pub fn jump(&mut self, code: u32, number: u32, holds: impl Into<To>, holds_not: impl Into<To>) {
        let instruction = sock_filter { code: code as u16, jt: 0, jf: 0, k: number };
        self.instructions.push((instruction, holds.into(), holds_not.into()));
    }

    /// Goes on at `place`.
    pub fn go_to(&mut self, place: Place) {
        self.jump(libc::BPF_JMP | libc::BPF_JA, 0, place, To::Next);
    }

    /// The instructions. A conditional jump reaches 255 of them, which is more than any program here is long.
    pub fn finish(self) -> Vec<sock_filter> {
        let places = self.places;
        let distance = |from: usize, to: To| match to {
            To::Next => 0,
            To::Place(Place(place)) => places[place] - from - 1,
        };
        let resolve = |(at, (mut instruction, holds, holds_not)): (usize, (sock_filter, To, To))| {
            if u32::from(instruction.code) == libc::BPF_JMP | libc::BPF_JA {
                instruction.k = distance(at, holds) as u32;
            } else {
                instruction.jt = distance(at, holds) as u8;
                instruction.jf = distance(at, holds_not) as u8;
            }
            instruction
        };
        self.instructions.into_iter().enumerate().map(resolve).collect()
    }
}
