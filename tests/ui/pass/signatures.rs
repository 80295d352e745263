//! Generics, lifetimes, patterns, return kinds.
#![deny(warnings, unused, unreachable_code, clippy::pedantic)]

use std::fmt::{Debug, Display};

#[rollout::span]
fn generic<T: serde::Serialize + Clone, const N: usize>(items: &[T]) -> [T; N]
where
    [T; N]: serde::Serialize,
{
    std::array::from_fn(|index| items[index].clone())
}

#[rollout::span]
fn argument_impl(text: impl AsRef<str> + serde::Serialize) -> usize {
    text.as_ref().len()
}

#[rollout::span(capture_input = false, capture_output = false)]
fn returned_impl<'a, T: Debug>(value: &'a T) -> impl Display + use<'a, T> {
    format!("{value:?}")
}

#[rollout::span(skip(apply))]
fn higher_ranked(apply: impl for<'a> Fn(&'a str) -> &'a str, text: &str) -> String {
    apply(text).into()
}

#[rollout::span]
fn patterns((a, _): (u32, String), [b, .., c]: [u32; 3], _: String, &d: &u32, mut e: u32) -> u32 {
    e += 1;
    a + b + c + d + e
}

struct Order {
    id: u32,
    lines: Vec<u32>,
}

#[rollout::span]
async fn async_patterns(Order { id, ref lines }: Order, _: (), mut more @ 0..: u32) -> u32 {
    more += 1;
    std::future::ready(id + more + u32::try_from(lines.len()).unwrap_or(0)).await
}

#[rollout::span]
fn elided(first: &str) -> &str {
    first.trim()
}

#[rollout::span]
async fn two_lifetimes<'a>(first: &'a str, second: &str) -> &'a str {
    if second.is_empty() {
        return "";
    }
    std::future::ready(first).await
}

#[rollout::span]
fn inferred() -> Vec<u8> {
    "12".bytes().collect()
}

#[rollout::span]
async fn async_inferred(text: &str) -> Result<Vec<u8>, std::num::ParseIntError> {
    let numbers = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
    Ok(numbers)
}

#[rollout::span]
async fn async_coerced(ok: bool) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if ok {
        return Ok(());
    }
    Err("no")?
}

#[rollout::span(capture_output = false)]
fn coerced(n: u32) -> Box<dyn Fn(u32) -> u32> {
    Box::new(move |m| n + m)
}

#[rollout::span]
fn labelled(limit: u32) -> u32 {
    let mut sum = 0;
    'outer: for a in 0.. {
        for b in 0..a {
            if a + b > limit {
                break 'outer;
            }
            sum += b;
        }
    }
    sum
}

#[rollout::span]
fn diverging(code: u32) -> ! {
    panic!("{code}")
}

#[rollout::span]
async fn async_diverging(code: u32) -> ! {
    panic!("{code}")
}

#[rollout::span]
fn body_diverges(code: u32) -> u32 {
    panic!("{code}")
}

#[rollout::span]
async fn async_body_diverges(code: u32) -> u32 {
    panic!("{code}")
}

#[rollout::span]
async fn async_todo() -> Result<u32, String> {
    unreachable!()
}

/// # Safety
/// None needed.
#[rollout::span]
#[allow(unsafe_code)]
unsafe fn not_safe(n: u32) -> u32 {
    n
}

#[rollout::span]
extern "C" fn foreign_abi(n: u32) -> u32 {
    n
}

#[rollout::span]
fn conditional(#[cfg(any())] gone: Missing, #[allow(unused_variables)] kept: u32) -> u32 {
    1
}

#[rollout::span]
fn inner_attributes() -> u32 {
    #![allow(clippy::let_and_return)]
    use std::convert::identity;
    let one = identity(1);
    one
}

#[rollout::span]
fn items_inside() -> u32 {
    const ONE: u32 = 1;
    fn two() -> u32 {
        ONE + 1
    }
    two()
}

#[must_use]
#[rollout::span]
async fn must_use() -> u32 {
    1
}

#[rollout::span]
fn raw(r#type: u32) -> u32 {
    r#type
}

#[rollout::span]
fn recursive(n: u32) -> u32 {
    if n == 0 { 0 } else { recursive(n - 1) + 1 }
}

#[rollout::span]
async fn async_recursive(n: u32) -> u32 {
    if n == 0 { 0 } else { Box::pin(async_recursive(n - 1)).await + 1 }
}

#[rollout::span]
fn temporaries(cell: &std::cell::RefCell<Vec<u32>>) -> usize {
    cell.borrow().len()
}

#[rollout::span]
async fn temporaries_of_own(cell: std::sync::Mutex<Vec<u32>>) -> usize {
    cell.lock().unwrap().len()
}

#[rollout::span(skip(cell))]
fn temporaries_of_argument(cell: std::sync::Mutex<Vec<u32>>) -> usize {
    cell.lock().unwrap().len()
}

macro_rules! make {
    ($(#[$meta:meta])* $vis:vis $name:ident, $label:literal, $body:block, $ty:ty) => {
        $(#[$meta])*
        #[rollout::span(name = $label)]
        $vis fn $name(_: $ty) -> $ty $body
    };
}

make!(#[allow(clippy::must_use_candidate)] pub made, "from a macro", { 7 }, u32);

macro_rules! make_async {
    ($name:ident, |$argument:ident| $body:expr) => {
        #[rollout::span(name = stringify!($name), attributes(argument = $argument))]
        async fn $name($argument: u32) -> u32 {
            $body
        }
    };
}

make_async!(made_async, |n| n + 1);

fn main() {
    use futures::executor::block_on;
    use std::panic::catch_unwind;

    assert_eq!(generic::<_, 2>(&[1, 2, 3]), [1, 2]);
    assert_eq!(argument_impl("ab"), 2);
    assert_eq!(returned_impl(&"a").to_string(), "\"a\"");
    assert_eq!(higher_ranked(str::trim, " a "), "a");
    assert_eq!(patterns((1, String::new()), [1, 9, 1], String::new(), &1, 0), 5);
    assert_eq!(block_on(async_patterns(Order { id: 1, lines: vec![1] }, (), 0)), 3);
    assert_eq!(elided(" a"), "a");
    assert_eq!(block_on(two_lifetimes("a", "b")), "a");
    assert_eq!(inferred(), b"12");
    assert_eq!(block_on(async_inferred("1,2")).unwrap(), [1, 2]);
    assert!(block_on(async_coerced(true)).is_ok());
    assert!(block_on(async_coerced(false)).is_err());
    assert_eq!(coerced(1)(1), 2);
    assert_eq!(labelled(4), 2);
    std::panic::set_hook(Box::new(|_| {}));
    assert!(catch_unwind(|| diverging(1)).is_err());
    assert!(catch_unwind(|| block_on(async_diverging(1))).is_err());
    assert!(catch_unwind(|| body_diverges(1)).is_err());
    assert!(catch_unwind(|| block_on(async_body_diverges(1))).is_err());
    assert!(catch_unwind(|| block_on(async_todo())).is_err());
    let _ = std::panic::take_hook();
    #[allow(unsafe_code)]
    // SAFETY: it does nothing.
    let n = unsafe { not_safe(1) };
    assert_eq!(n, foreign_abi(1));
    assert_eq!(conditional(1), 1);
    assert_eq!(inner_attributes() + items_inside(), 3);
    assert_eq!(block_on(must_use()), 1);
    assert_eq!(raw(1), 1);
    assert_eq!(recursive(10), 10);
    assert_eq!(block_on(async_recursive(10)), 10);
    assert_eq!(temporaries(&std::cell::RefCell::default()), 0);
    assert_eq!(block_on(temporaries_of_own(std::sync::Mutex::default())), 0);
    assert_eq!(temporaries_of_argument(std::sync::Mutex::default()), 0);
    assert_eq!(made(1), 7);
    assert_eq!(block_on(made_async(1)), 2);
}
