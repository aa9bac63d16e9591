//! The values that are alive behind pointers which the host holds. A pointer is only looked at once the register knows
//! it, and a value that is ended while other threads use it lives until the last of them is done.
//!
//! Each value has an entry, which the host's pointer points to. Entries are never freed nor used again, so an old
//! pointer is always known for what it is; that costs a few words for each value that was ever made.
//!
//! ```text
//! state of an entry    number of threads that use the value | ENDED: no more of them get it | GONE: it is freed
//! ```
//!
//! Nothing here waits or locks, so a process that is forked while other threads are in it can go on; what those have
//! used is then never freed.

use std::cell::UnsafeCell;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

const ENDED: usize = 1 << (usize::BITS - 1);
const GONE: usize = 1 << (usize::BITS - 2);

/// The entries of all values, the last one first.
pub(super) struct Register<T: 'static>(AtomicPtr<Entry<T>>);

/// One value, or what is left of it.
pub(super) struct Entry<T: 'static> {
    state: AtomicUsize,
    next: *mut Entry<T>,
    /// `None` once it is freed.
    value: UnsafeCell<Option<Box<T>>>,
}

/// A value that this thread uses: it is not freed before this is dropped.
pub(super) struct InUse<T: 'static>(NonNull<Entry<T>>);

impl<T> Register<T> {
    /// An empty one.
    pub const fn new() -> Register<T> {
        Register(AtomicPtr::new(null_mut()))
    }

    /// Puts `value` in.
    pub fn put(&'static self, value: T) -> NonNull<Entry<T>> {
        let mut next = self.0.load(Ordering::Acquire);
        let value = UnsafeCell::new(Some(Box::new(value)));
        let entry = NonNull::from(Box::leak(Box::new(Entry { state: AtomicUsize::new(0), next, value })));
        while let Err(other) = self.0.compare_exchange(next, entry.as_ptr(), Ordering::AcqRel, Ordering::Acquire) {
            next = other;
            // SAFETY: the entry was made above, and nobody else knows it before the exchange.
            unsafe { (*entry.as_ptr()).next = next };
        }
        entry
    }

    /// The value of the entry that `pointer` points to, if there is such an entry and the value is not ended.
    pub fn find(&'static self, pointer: *mut Entry<T>) -> Option<InUse<T>> {
        let mut entry = NonNull::new(self.0.load(Ordering::Acquire))?;
        while entry.as_ptr() != pointer {
            // SAFETY: entries are never freed, and `next` does not change once the register knows them.
            entry = NonNull::new(unsafe { entry.as_ref() }.next)?;
        }
        let found = InUse(entry);
        let before = found.entry().state.fetch_add(1, Ordering::Acquire);
        (before & (ENDED | GONE) == 0).then_some(found)
    }
}

impl<T> InUse<T> {
    fn entry(&self) -> &Entry<T> {
        // SAFETY: entries are never freed, and nothing but the value in them changes without atomics.
        unsafe { self.0.as_ref() }
    }

    /// The value.
    pub fn get(&self) -> &T {
        // SAFETY: this user was counted before the value was ended (`find`), and it is freed when none is counted any
        // more.
        let value = unsafe { &*self.entry().value.get() };
        value.as_deref().expect("a value in use is not freed")
    }

    /// Ends the value: nobody finds it any more. It is freed when its last user is done; false when another thread has
    /// ended it.
    pub fn end(self) -> bool {
        self.entry().state.fetch_or(ENDED, Ordering::AcqRel) & ENDED == 0
    }
}

impl<T> Drop for InUse<T> {
    fn drop(&mut self) {
        let state = &self.entry().state;
        let is_last = state.fetch_sub(1, Ordering::AcqRel) == ENDED + 1;
        // A thread that looks for the value just now, in vain, is counted for a moment, and comes here in its turn.
        if is_last && state.compare_exchange(ENDED, GONE, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            // SAFETY: the state has become GONE in this thread alone, when no user was counted, and none gets the value
            // after ENDED.
            drop(unsafe { (*self.entry().value.get()).take() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::Barrier;

    #[test]
    fn what_was_put_in_is_found_until_it_is_ended_and_nothing_else_is() {
        static REGISTER: Register<u32> = Register::new();
        let (one, two) = (REGISTER.put(1).as_ptr(), REGISTER.put(2).as_ptr());
        assert_eq!([one, two].map(|pointer| *REGISTER.find(pointer).unwrap().get()), [1, 2]);
        assert!(REGISTER.find(null_mut()).is_none() && REGISTER.find(std::ptr::dangling_mut()).is_none());
        assert!(REGISTER.find(one).unwrap().end());
        assert!(REGISTER.find(one).is_none());
        assert_eq!(*REGISTER.find(two).unwrap().get(), 2);
        let three = REGISTER.put(3).as_ptr();
        assert!(three != one && REGISTER.find(one).is_none(), "an old pointer never means a new value");
    }

    #[test]
    fn a_value_that_is_ended_lives_until_its_last_user_is_done() {
        static REGISTER: Register<Arc<u32>> = Register::new();
        let value = Arc::new(1);
        let pointer = REGISTER.put(Arc::clone(&value)).as_ptr();
        let (user, other) = (REGISTER.find(pointer).unwrap(), REGISTER.find(pointer).unwrap());
        assert!(REGISTER.find(pointer).unwrap().end());
        assert!(!other.end(), "it is ended once");
        assert!(REGISTER.find(pointer).is_none());
        assert_eq!((**user.get(), Arc::strong_count(&value)), (1, 2));
        drop(user);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn threads_that_use_and_end_one_value_free_it_once() {
        static REGISTER: Register<Arc<u32>> = Register::new();
        for _ in 0..200 {
            let value = Arc::new(1);
            let entry = REGISTER.put(Arc::clone(&value)).as_ptr() as usize;
            let (start, ended) = (Barrier::new(4), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (start, ended) = (&start, &ended);
                    scope.spawn(move || {
                        start.wait();
                        while let Some(user) = REGISTER.find(entry as *mut Entry<Arc<u32>>) {
                            assert_eq!(**user.get(), 1);
                            if thread % 2 == 0 {
                                ended.fetch_add(usize::from(user.end()), Ordering::Relaxed);
                            }
                        }
                    });
                }
            });
            assert_eq!((ended.into_inner(), Arc::strong_count(&value)), (1, 1));
        }
    }
}
