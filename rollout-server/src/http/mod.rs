//! What the server answers over HTTP.

mod assets;
mod live;
pub mod pages;
