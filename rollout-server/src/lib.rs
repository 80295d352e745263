//! Stores and shows traces.
