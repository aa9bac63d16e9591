//! A disk in memory that fails when told to, fills up, and forgets what was not synced when its power is cut.

use crate::queue::spool::files::{Files, SegmentFile, Source};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Read,
    Write,
    SetSize,
    Sync,
    Open,
    Create,
    Remove,
    Rename,
    SyncDirectory,
}

/// How an act fails.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Not at all: it is let through.
    None,
    /// With an error, after nothing has happened.
    Error(Errno),
    /// A write takes so many bytes and says so.
    Short(usize),
    /// A write takes so many bytes and answers an error nevertheless, as when the process is stopped within.
    Torn(usize),
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    SetSize(u64),
}

#[derive(Default)]
struct Inode {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    changes: Vec<Change>,
    lock: Option<u64>,
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    name_changes: Vec<(String, Option<usize>)>,
    faults: Vec<(Act, Fault)>,
    unreadable: Option<(String, Range<u64>)>,
    capacity: Option<usize>,
    acts_left: Option<usize>,
    /// Handles of an earlier life are dead.
    life: u64,
    handles: u64,
}

/// The disk; clones are the same one.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

/// A process's view of the disk's one directory: dead as soon as the process is killed.
struct View {
    disk: Disk,
    life: u64,
}

struct Handle {
    disk: Disk,
    life: u64,
    number: u64,
    inode: usize,
    name: String,
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The directory, for a process that starts now.
    pub fn files(&self) -> Box<dyn Files> {
        Box::new(View { disk: self.clone(), life: self.state().life })
    }

    /// Makes the next acts of this kind fail, one for each fault.
    pub fn fail(&self, act: Act, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults.into_iter().map(|fault| (act, fault)));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        (state.unreadable, state.capacity, state.acts_left) = (None, None, None);
    }

    /// Bytes that all files may have together.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.state().capacity = bytes;
    }

    /// After so many acts that change something, none succeeds any more: the moment before power is cut.
    pub fn stop_after(&self, acts: usize) {
        self.state().acts_left = Some(acts);
    }

    /// Makes bytes of a file unreadable.
    pub fn set_unreadable(&self, name: &str, bytes: Range<u64>) {
        self.state().unreadable = Some((name.to_owned(), bytes));
    }

    /// Ends the process: nothing that it still does has an effect.
    pub fn kill(&self) {
        let mut state = self.state();
        state.life += 1;
        state.inodes.iter_mut().for_each(|inode| inode.lock = None);
    }

    /// Ends the process and the machine: of what was not synced, each change is there, or is not, or is torn, as
    /// `random` says.
    pub fn cut_power(&self, mut random: impl FnMut(usize) -> usize) {
        self.kill();
        let mut state = self.state();
        for inode in &mut state.inodes {
            inode.bytes = std::mem::take(&mut inode.synced);
            for change in std::mem::take(&mut inode.changes) {
                let change = match (random(4), change) {
                    (0, _) => continue,
                    (1, Change::Write(offset, mut bytes)) => {
                        bytes.truncate(random(bytes.len() + 1));
                        Change::Write(offset, bytes)
                    }
                    (_, change) => change,
                };
                inode.apply(&change);
            }
            inode.synced = inode.bytes.clone();
        }
        let mut names = std::mem::take(&mut state.synced_names);
        for (name, inode) in std::mem::take(&mut state.name_changes) {
            match inode {
                _ if random(3) == 0 => {}
                Some(inode) => drop(names.insert(name, inode)),
                None => drop(names.remove(&name)),
            }
        }
        state.names = names.clone();
        state.synced_names = names;
    }

    /// Names of the files.
    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// Names of the segments, oldest first.
    pub fn segments(&self) -> Vec<String> {
        self.names().into_iter().filter(|name| name.ends_with(".segment")).collect()
    }

    /// A file's bytes.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.inodes[state.names[name]].bytes.clone()
    }

    /// Puts a file there, synced.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let inode = state.inodes.len();
        state.inodes.push(Inode { bytes: bytes.to_vec(), synced: bytes.to_vec(), ..Inode::default() });
        state.names.insert(name.to_owned(), inode);
        state.synced_names.insert(name.to_owned(), inode);
    }

    /// Takes a file away.
    pub fn take(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.synced_names.remove(name);
    }

    /// Changes a file's bytes in place, those that a power cut would leave as well.
    pub fn damage(&self, name: &str, change: impl Fn(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.names[name];
        change(&mut state.inodes[inode].bytes);
        if !state.inodes[inode].synced.is_empty() {
            change(&mut state.inodes[inode].synced);
        }
    }
}

impl Inode {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write(offset, bytes) => {
                let (start, end) = (*offset as usize, *offset as usize + bytes.len());
                if self.bytes.len() < end {
                    self.bytes.resize(end, 0);
                }
                self.bytes[start..end].copy_from_slice(bytes);
            }
            Change::SetSize(size) => self.bytes.resize(*size as usize, 0),
        }
    }

    fn change(&mut self, change: Change) {
        self.apply(&change);
        self.changes.push(change);
    }
}

impl State {
    /// Lets an act of the process of `life` happen, or says how it fails.
    fn begin(&mut self, act: Act, life: u64) -> io::Result<Fault> {
        if life != self.life {
            return Err(Errno::IO.into());
        }
        if act != Act::Read && act != Act::Open {
            match &mut self.acts_left {
                Some(0) => return Err(Errno::IO.into()),
                Some(left) => *left -= 1,
                None => {}
            }
        }
        let Some(index) = self.faults.iter().position(|(kind, _)| *kind == act) else { return Ok(Fault::None) };
        match self.faults.remove(index).1 {
            Fault::Error(error) => Err(error.into()),
            fault => Ok(fault),
        }
    }

    fn rename_to(&mut self, name: &str, inode: Option<usize>) {
        match inode {
            Some(inode) => drop(self.names.insert(name.to_owned(), inode)),
            None => drop(self.names.remove(name)),
        }
        self.name_changes.push((name.to_owned(), inode));
    }

    fn room(&self) -> usize {
        let used: usize = self.names.values().map(|&inode| self.inodes[inode].bytes.len()).sum();
        self.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(used))
    }
}

impl View {
    fn handle(&self, state: &mut State, inode: usize, name: &str) -> Box<dyn SegmentFile> {
        state.handles += 1;
        let number = state.handles;
        Box::new(Handle { disk: self.disk.clone(), life: self.life, number, inode, name: name.to_owned() })
    }
}

impl Files for View {
    fn list(&self) -> io::Result<Vec<(String, Option<u64>)>> {
        let state = self.disk.state();
        let size = |inode: &usize| Some(state.inodes[*inode].bytes.len() as u64);
        Ok(state.names.iter().map(|(name, inode)| (name.clone(), size(inode))).collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        let mut state = self.disk.state();
        state.begin(Act::Open, self.life)?;
        let inode = *state.names.get(name).ok_or(Errno::NOENT)?;
        Ok(self.handle(&mut state, inode, name))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        let mut state = self.disk.state();
        state.begin(Act::Create, self.life)?;
        if state.names.contains_key(name) {
            return Err(Errno::EXIST.into());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.rename_to(name, Some(inode));
        Ok(self.handle(&mut state, inode, name))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Act::Remove, self.life)?;
        if !state.names.contains_key(name) {
            return Err(Errno::NOENT.into());
        }
        state.rename_to(name, None);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Act::Rename, self.life)?;
        let inode = *state.names.get(from).ok_or(Errno::NOENT)?;
        state.rename_to(to, Some(inode));
        state.rename_to(from, None);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Act::SyncDirectory, self.life)?;
        state.synced_names = state.names.clone();
        state.name_changes.clear();
        Ok(())
    }
}

impl Source for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.begin(Act::Read, self.life)?;
        if let Some((_, lost)) = state.unreadable.as_ref().filter(|(name, _)| *name == self.name)
            && offset < lost.end
            && lost.start < offset + buffer.len() as u64
        {
            return Err(Errno::IO.into());
        }
        (&state.inodes[self.inode].bytes[..]).read_at(buffer, offset)
    }
}

impl SegmentFile for Handle {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let fault = state.begin(Act::Write, self.life)?;
        let grows = (offset as usize + bytes.len()).saturating_sub(state.inodes[self.inode].bytes.len());
        let fits = bytes.len() - grows.saturating_sub(state.room()).min(bytes.len());
        if fits == 0 && !bytes.is_empty() {
            return Err(Errno::NOSPC.into());
        }
        let count = match fault {
            Fault::Short(count) | Fault::Torn(count) => count.min(fits),
            _ => fits,
        };
        state.inodes[self.inode].change(Change::Write(offset, bytes[..count].to_vec()));
        if matches!(fault, Fault::Torn(_)) { Err(Errno::IO.into()) } else { Ok(count) }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[self.inode].bytes.len() as u64)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Act::SetSize, self.life)?;
        state.inodes[self.inode].change(Change::SetSize(size));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Act::Sync, self.life)?;
        let inode = &mut state.inodes[self.inode];
        inode.synced = inode.bytes.clone();
        inode.changes.clear();
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut state = self.disk.state();
        let lock = &mut state.inodes[self.inode].lock;
        Ok(*lock.get_or_insert(self.number) == self.number)
    }

    fn unlock(&self) -> io::Result<()> {
        self.disk.state().inodes[self.inode].lock.take_if(|holder| *holder == self.number);
        Ok(())
    }

    fn is_linked(&self) -> io::Result<bool> {
        Ok(self.disk.state().names.values().any(|&inode| inode == self.inode))
    }

    fn owner(&self) -> io::Result<(u32, u32)> {
        Ok((0, 0))
    }

    fn set_owner(&self, _: (u32, u32)) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.unlock();
    }
}
