//! Numbers as digits. The machinery of `fmt` would cost more than all the rest of a small event (measured,
//! `benches/span.rs`, by the processor time of the worker).

/// Appends a number in decimal digits.
pub(super) fn decimal(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the last six decimal digits of a number, with zeros in front.
pub(super) fn six(value: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 6];
    let mut left = value;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Appends 16 hexadecimal digits.
pub(super) fn hex(value: u64, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles: [u8; 16] =
        std::array::from_fn(|place| DIGITS[(value >> (60 - 4 * place)) as usize & 0xf]);
    out.extend_from_slice(&nibbles);
}

/// Appends 32 hexadecimal digits.
pub(super) fn hex_wide(value: u128, out: &mut Vec<u8>) {
    hex((value >> 64) as u64, out);
    hex(value as u64, out);
}

#[cfg(test)]
mod tests {
    use super::{hex, hex_wide, six};

    #[test]
    fn are_those_of_fmt() {
        let numbers = [0, 1, 9, 10, 0xdead_beef, 123_456_789, u64::MAX];
        for value in numbers {
            let mut out = Vec::new();
            six(value, &mut out);
            hex(value, &mut out);
            hex_wide(u128::from(value) << 32 | 5, &mut out);
            let wide = u128::from(value) << 32 | 5;
            let expected = format!("{:06}{value:016x}{wide:032x}", value % 1_000_000);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
