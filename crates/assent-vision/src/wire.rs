//! Protocol buffers field by field, so that a file can be changed in one place and kept as it is in all others.
//!
//! # Source
//!
//! "Encoding" in the documentation of protocol buffers: a key is `number << 3 | type`; type 0 is a varint, 1 has eight
//! bytes, 2 a length and as many bytes, 5 four bytes.

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// Its number in the message's definition.
    pub(crate) number: u64,
    /// Key and value as they stand in the file.
    pub(crate) whole: &'a [u8],
    /// The content of text, bytes and messages.
    pub(crate) content: Option<&'a [u8]>,
}

/// The fields of a message in their order; `None` if it is none.
pub(crate) fn fields(message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut all = Vec::new();
    each(message, |field| all.push(field))?;
    Some(all)
}

/// Hands on the fields of a message in their order; `None` if it is none, after those that come before the fault.
pub(crate) fn each<'a>(mut rest: &'a [u8], mut take_field: impl FnMut(Field<'a>)) -> Option<()> {
    while !rest.is_empty() {
        let start = rest;
        let key = varint(&mut rest)?;
        let mut content = None;
        match key & 7 {
            0 => drop(varint(&mut rest)?),
            1 => drop(take(&mut rest, 8)?),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                content = Some(take(&mut rest, length)?);
            }
            5 => drop(take(&mut rest, 4)?),
            _ => return None,
        }
        take_field(Field { number: key >> 3, whole: &start[..start.len() - rest.len()], content });
    }
    Some(())
}

/// Writes a field of text, bytes or a message.
pub(crate) fn put(to: &mut Vec<u8>, number: u64, content: &[u8]) {
    put_varint(to, number << 3 | 2);
    put_varint(to, content.len() as u64);
    to.extend_from_slice(content);
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (first, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    Some(first)
}

/// Seven bits a byte, the lowest first; all bytes but the last have the highest bit set.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7F) << (7 * place);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn put_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_put_together_again_are_the_message() {
        let mut message = vec![0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1D, 1, 2, 3, 4];
        put(&mut message, 300, &[7; 200]);
        put(&mut message, 4, &[]);
        let fields = fields(&message).unwrap();
        assert_eq!(fields.iter().map(|f| f.number).collect::<Vec<_>>(), [1, 2, 3, 300, 4]);
        assert_eq!(
            fields.iter().map(|f| f.content).collect::<Vec<_>>(),
            [None, None, None, Some(&[7; 200][..]), Some(&[][..])]
        );
        assert_eq!(fields.iter().flat_map(|f| f.whole).copied().collect::<Vec<_>>(), message);
    }

    #[test]
    fn what_is_cut_off_is_no_message() {
        let check = |name: &str, bytes: &[u8]| assert!(fields(bytes).is_none(), "{name}");
        check("a key", &[0x80]);
        check("a number", &[0x08, 0x80]);
        check("eight bytes", &[0x09, 1, 2, 3]);
        check("four bytes", &[0x0D, 1, 2, 3]);
        check("text", &[0x0A, 3, 1, 2]);
        check("a group", &[0x0B]);
        check("a number without an end", &[0xFF; 11]);
    }
}
