//! The locks: the standard library's, or a model checker's that tries every order of their steps.

#[cfg(not(feature = "model"))]
pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};
#[cfg(not(feature = "model"))]
pub(crate) use std::thread;

#[cfg(feature = "model")]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};
#[cfg(feature = "model")]
pub(crate) use shuttle::thread;

use std::sync::PoisonError;

// A thread that died while it held a lock died between two whole steps or in an allocation: what it left can be read,
// and a removal must go on in any case.

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` on so many threads, this one among them (0 is taken as 1), and gives what each made.
pub(crate) fn on_threads<A: Send>(threads: usize, work: impl Fn() -> A + Sync) -> Vec<A> {
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(&work)).collect();
        let mut all = vec![work()];
        // A thread that panicked has missed rows: an answer without them would be wrong.
        let panicked = |panic| std::panic::resume_unwind(panic);
        all.extend(others.into_iter().map(|other| other.join().unwrap_or_else(panicked)));
        all
    })
}
