//! Programs under `pass` compile and run; those under `fail` are refused with the words beside them.
