//! Numbers that are kept from use to use and begin where vectors are read at one go.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{Ordering, compiler_fence};

/// A cache line of x86-64, bytes: a vector that lies across two of them takes two reads.
const LINE_BYTES: usize = 64;

/// Numbers in a row, the first at the start of a cache line; they are read and written as a slice.
///
/// ```
/// let mut numbers = assent_kernels::Buffer::<f32>::default();
/// numbers.resized(3).copy_from_slice(&[1.0, 2.0, 3.0]);
/// assert_eq!(numbers.resized(2), [1.0, 2.0]);
/// assert_eq!(numbers[..], [1.0, 2.0]);
/// ```
#[derive(Default)]
pub struct Buffer<T> {
    numbers: Vec<T>,
    start: usize,
    length: usize,
}

impl<T: Copy + Default> Buffer<T> {
    /// Makes it `length` numbers long. What stood there stays, and what was never there is 0; memory is only ever added.
    pub fn resized(&mut self, length: usize) -> &mut [T] {
        let line = LINE_BYTES / size_of::<T>();
        let held = self.numbers.len() - self.start;
        if held < length {
            let mut numbers = vec![T::default(); length + line];
            let start = numbers.as_ptr().align_offset(LINE_BYTES).min(line);
            numbers[start..start + held].copy_from_slice(&self.numbers[self.start..]);
            self.wipe();
            (self.numbers, self.start) = (numbers, start);
        }
        self.length = length;
        self
    }

    /// Overwrites all that it holds with 0, also what lies beyond its end from an earlier use. Volatile writes, one by one,
    /// would take a hundredth of a scan; the compiler does not see who uses the memory next, and cannot leave these out.
    #[inline(never)]
    pub fn wipe(&mut self) {
        self.numbers.fill(T::default());
        compiler_fence(Ordering::SeqCst);
    }
}

impl<T: Copy + Default> From<&[T]> for Buffer<T> {
    fn from(numbers: &[T]) -> Buffer<T> {
        let mut buffer = Buffer::default();
        buffer.resized(numbers.len()).copy_from_slice(numbers);
        buffer
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.numbers[self.start..][..self.length]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.numbers[self.start..][..self.length]
    }
}

/// Not the numbers: they may be a face's.
impl<T> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Longer and shorter by turns: what was written stays, and the first number begins a cache line.
        #[test]
        fn what_was_written_stays(lengths in prop::collection::vec(0usize..5000, 1..12)) {
            let (mut buffer, mut written) = (Buffer::<u16>::default(), Vec::new());
            for length in lengths {
                let room = buffer.resized(length);
                prop_assert_eq!(room.len(), length);
                prop_assert!(length == 0 || (room.as_ptr() as usize).is_multiple_of(LINE_BYTES));
                let known = written.len().min(length);
                prop_assert_eq!(&room[..known], &written[..known]);
                prop_assert!(room[known..].iter().all(|n| *n == 0));
                if written.len() < length {
                    written.extend((known..length).map(|i| i as u16 | 1));
                    room.copy_from_slice(&written);
                }
                prop_assert_eq!(&buffer[..], &written[..length]);
            }
            buffer.wipe();
            let whole = written.len();
            prop_assert!(buffer.resized(whole).iter().all(|n| *n == 0));
        }
    }

    #[test]
    fn a_copy_of_numbers_is_equal() {
        assert_eq!(Buffer::from([1, 2, 3].as_slice())[..], [1, 2, 3]);
        assert_eq!(format!("{:?}", Buffer::from([7i16].as_slice())), "Buffer { length: 1, .. }");
    }
}
