//! No prelude, and every name that an expansion could lean on taken.
#![no_implicit_prelude]
#![deny(warnings, missing_docs, unused, unreachable_code, clippy::pedantic)]
#![allow(non_camel_case_types, clippy::used_underscore_binding)]

#[allow(dead_code)]
mod taken {
    pub struct Result;
    pub struct Option;
    pub struct Some;
    pub struct None;
    pub struct Ok;
    pub struct Err;
    pub struct Box;
    pub mod core {}
    pub mod std {}
    pub mod rollout {}
    pub mod serde {}
    pub trait Future {}
    pub trait Iterator {}
}

#[allow(unused_imports)]
use taken::*;

#[allow(dead_code)]
fn span() {}
#[allow(dead_code)]
fn tool() {}
#[allow(dead_code)]
fn enter() {}
#[allow(dead_code)]
static SITE: u8 = 3;

#[allow(unused_macros)]
macro_rules! line { () => { compile_error!("shadowed") } }
#[allow(unused_macros)]
macro_rules! file { () => { compile_error!("shadowed") } }
#[allow(unused_macros)]
macro_rules! module_path { () => { compile_error!("shadowed") } }

#[::rollout::observe("named", user_id = start, tags = ["a"], attributes(SITE = SITE))]
fn value(start: u32, end: u32, value: u32, late: u32, site: u32) -> u32 {
    start + end + value + late + site + <u32 as ::std::convert::From<u8>>::from(SITE)
}

#[::rollout::agent]
async fn future(start: u32, end: u32, value: u32, (late, site): (u32, u32)) -> ::std::result::Result<u32, u32> {
    ::std::result::Result::Ok(start + end + value + late + site + <u32 as ::std::convert::From<u8>>::from(SITE))
}

#[::rollout::span]
fn guarded(__guard: u32) {
    ::std::assert_eq!(__guard, 1);
}

#[::rollout::span]
fn pattern((__argument0, _): (u32, u32)) -> u32 {
    __argument0
}

#[::rollout::span]
fn boxed(n: u32) -> ::std::pin::Pin<::std::boxed::Box<dyn ::std::future::Future<Output = u32>>> {
    ::std::boxed::Box::pin(::std::future::ready(n))
}

#[::rollout::span]
fn iterator(n: u32) -> impl ::std::iter::Iterator<Item = u32> {
    0..n
}

fn main() {
    ::std::assert_eq!(value(1, 1, 1, 1, 1), 8);
    ::std::assert_eq!(::futures::executor::block_on(future(1, 1, 1, (1, 1))), ::std::result::Result::Ok(8));
    guarded(1);
    ::std::assert_eq!(pattern((1, 2)), 1);
    ::std::assert_eq!(::futures::executor::block_on(boxed(1)), 1);
    ::std::assert_eq!(::std::iter::Iterator::count(iterator(1)), 1);
}
