//! Messages that wait for their name to be looked up for the first time: see [`super`] for the rules. Lives in memory
//! that all processes of the server share, so everything here is a plain number, and all zero is a store without a
//! message.
//!
//! ```text
//! message   block ─next─► block ─next─► ...        its URI, then its bytes, 256 bytes a block
//! store     first message ─► ... ─► last message   in the order of their coming
//! ```
//!
//! Any process appends; one alone, which looks names up, reads and removes. Links are numbers of blocks, from 1; 0 is
//! the end of a chain.

/// Most bytes of messages and their URIs that are held at a time.
pub const MOST_HELD_BYTES: usize = 1 << 20;
const BLOCK_BYTES: usize = 256;
/// Twice the room, since blocks are not full: the bytes are the limit of messages of 128 bytes and more.
const BLOCKS: usize = 2 * MOST_HELD_BYTES / BLOCK_BYTES;

/// A block's number, from 1; 0 for none.
type HeldLink = u16;

const _: () = assert!(BLOCKS < HeldLink::MAX as usize);

/// What the first block of a message says of it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct HeldHead {
    uri_bytes: u32,
    message_bytes: u32,
    /// First block of the message that came next.
    later: HeldLink,
}

impl HeldHead {
    const NONE: HeldHead = HeldHead { uri_bytes: 0, message_bytes: 0, later: 0 };
}

/// The messages.
#[derive(Debug)]
#[repr(C)]
pub(super) struct HeldMessages {
    /// Bytes of messages and URIs.
    bytes: u32,
    messages: u32,
    first: HeldLink,
    last: HeldLink,
    /// The first of the blocks that were used and are free again.
    free: HeldLink,
    /// Blocks that were used at least once: those behind them are free, too, and cost no memory yet.
    touched: HeldLink,
    used_blocks: HeldLink,
    next: [HeldLink; BLOCKS],
    heads: [HeldHead; BLOCKS],
    blocks: [[u8; BLOCK_BYTES]; BLOCKS],
}

fn index(link: HeldLink) -> usize {
    usize::from(link) - 1
}

impl HeldMessages {
    /// A store without a message.
    #[cfg(test)]
    pub const EMPTY: HeldMessages = HeldMessages {
        bytes: 0,
        messages: 0,
        first: 0,
        last: 0,
        free: 0,
        touched: 0,
        used_blocks: 0,
        next: [0; BLOCKS],
        heads: [HeldHead::NONE; BLOCKS],
        blocks: [[0; BLOCK_BYTES]; BLOCKS],
    };

    /// Messages that are held.
    pub fn len(&self) -> u32 {
        self.messages
    }

    /// Forgets all messages.
    pub fn clear(&mut self) {
        (self.bytes, self.messages) = (0, 0);
        (self.first, self.last, self.free, self.touched, self.used_blocks) = (0, 0, 0, 0, 0);
        // Whoever still knows the number of a message finds nothing behind it.
        self.heads.fill(HeldHead::NONE);
    }

    /// Keeps `message` for `uri` behind the others; false when there is no room.
    pub fn append(&mut self, uri: &[u8], message: &[u8]) -> bool {
        let bytes = uri.len() + message.len();
        let blocks = bytes.div_ceil(BLOCK_BYTES).max(1);
        if self.bytes as usize + bytes > MOST_HELD_BYTES || usize::from(self.used_blocks) + blocks > BLOCKS {
            return false;
        }
        let first = self.fill(uri, message, blocks);
        self.heads[index(first)] =
            HeldHead { uri_bytes: uri.len() as u32, message_bytes: message.len() as u32, later: 0 };
        match self.last {
            0 => self.first = first,
            last => self.heads[index(last)].later = first,
        }
        self.last = first;
        self.bytes += bytes as u32;
        self.messages += 1;
        true
    }

    /// Writes both into a chain of `blocks` free blocks, of which there are so many; answers the first.
    fn fill(&mut self, uri: &[u8], message: &[u8], blocks: usize) -> HeldLink {
        let mut parts = [uri, message];
        let first = self.take_block();
        let mut block = first;
        for number in 1..=blocks {
            let mut room = &mut self.blocks[index(block)][..];
            for part in &mut parts {
                let (now, later) = part.split_at(part.len().min(room.len()));
                let (filled, left) = room.split_at_mut(now.len());
                filled.copy_from_slice(now);
                (*part, room) = (later, left);
            }
            let following = if number < blocks { self.take_block() } else { 0 };
            self.next[index(block)] = following;
            block = following;
        }
        first
    }

    fn take_block(&mut self) -> HeldLink {
        self.used_blocks += 1;
        if self.free == 0 {
            self.touched += 1;
            return self.touched;
        }
        let block = self.free;
        self.free = self.next[index(block)];
        block
    }

    /// The message that came next after `message`, 0 for the first; `None` behind the last.
    pub fn after(&self, message: HeldLink) -> Option<HeldLink> {
        let later = if message == 0 { self.first } else { self.heads[index(message)].later };
        (later != 0).then_some(later)
    }

    /// Copies the URI of a message into `into`.
    pub fn read_uri(&self, message: HeldLink, into: &mut Vec<u8>) {
        self.copy(message, self.heads[index(message)].uri_bytes as usize, into);
    }

    /// Copies URI and bytes of a message, one behind the other, into `into`; answers the length of the former.
    pub fn read(&self, message: HeldLink, into: &mut Vec<u8>) -> usize {
        let head = &self.heads[index(message)];
        let uri_bytes = head.uri_bytes as usize;
        self.copy(message, uri_bytes + head.message_bytes as usize, into);
        uri_bytes
    }

    fn copy(&self, message: HeldLink, length: usize, into: &mut Vec<u8>) {
        into.clear();
        let mut block = message;
        while block != 0 && into.len() < length {
            let bytes = &self.blocks[index(block)];
            into.extend_from_slice(&bytes[..bytes.len().min(length - into.len())]);
            block = self.next[index(block)];
        }
    }

    /// Removes the message that came next after `before`, 0 for the first.
    pub fn remove_after(&mut self, before: HeldLink) {
        let Some(message) = self.after(before) else { return };
        let HeldHead { uri_bytes, message_bytes, later } = self.heads[index(message)];
        match before {
            0 => self.first = later,
            before => self.heads[index(before)].later = later,
        }
        if self.last == message {
            self.last = before;
        }
        self.bytes -= uri_bytes + message_bytes;
        self.messages -= 1;
        self.free_chain(message);
    }

    fn free_chain(&mut self, first: HeldLink) {
        let mut block = first;
        while block != 0 {
            let following = self.next[index(block)];
            self.next[index(block)] = self.free;
            self.free = block;
            self.used_blocks -= 1;
            block = following;
        }
    }
}
