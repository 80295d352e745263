//! Programs of `../pass` in edition 2021.
