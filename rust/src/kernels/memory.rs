//! Memory that the system may refuse: an array that it has no room for would end the process.

use std::hint::black_box;

use super::error::Error;

/// The most rows, columns, users or items that indices of 32 bits can tell apart.
pub const MOST: usize = i32::MAX as usize;

/// Fails if there are more rows, columns, users or items than indices can name.
///
/// # Errors
/// [`Error::Invalid`] with the number and what it counts.
pub fn countable(n: usize, name: &str) -> Result<(), Error> {
    if n > MOST {
        return Err(Error::invalid(format!("at most 2^31 - 1 {name} fit the index type, got {n}")));
    }
    Ok(())
}

/// Fails if the system would not give an array of `len` of `T`; to be asked before arrays are made whose length no
/// array of the caller's bounds.
///
/// # Errors
/// [`Error::Invalid`] with the number of bytes.
pub fn room_for<T>(len: usize) -> Result<(), Error> {
    let mut array = Vec::<T>::new();
    let found = array.try_reserve_exact(len);
    // An array that nobody looks at would be optimised away, and with it the question.
    black_box(array.as_ptr());
    found.map_err(|_| {
        let bytes = len.saturating_mul(size_of::<T>());
        Error::invalid(format!("there is no memory for {len} numbers, {bytes} bytes; a count is too large"))
    })
}

/// `len` zeros.
///
/// # Errors
/// As [`room_for`].
pub fn zeros<T: Default + Clone>(len: usize) -> Result<Vec<T>, Error> {
    room_for::<T>(len)?;
    Ok(vec![T::default(); len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused() {
        for len in [1 << 50, usize::MAX] {
            assert!(room_for::<u64>(len).is_err());
            assert!(zeros::<f32>(len).is_err());
        }
        assert_eq!(zeros::<i32>(3).unwrap(), [0, 0, 0]);
        assert!(countable(MOST, "users").is_ok());
        assert_eq!(
            countable(MOST + 1, "users"),
            Err(Error::invalid("at most 2^31 - 1 users fit the index type, got 2147483648"))
        );
    }
}
