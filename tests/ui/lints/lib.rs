//! Functions that rustc and clippy have something to say about, and others.
#![warn(
    missing_docs,
    unused,
    unreachable_code,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]

use std::rc::Rc;

/// Serializable.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Order {
    /// Its number.
    pub id: u32,
    lines: Vec<String>,
}

/// Large.
#[derive(Clone, Copy, Debug)]
pub struct Large([u64; 100]);

#[cfg_attr(feature = "annotated", rollout::span)]
pub fn undocumented(id: u32) -> u32 {
    id
}

/// needless_pass_by_value
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn by_value(text: String, orders: Vec<Order>) -> usize {
    text.len() + orders.len()
}

/// needless_pass_by_value
#[cfg_attr(feature = "annotated", rollout::span(skip(text)))]
pub fn by_value_skipped(text: String) -> Result<usize, std::fmt::Error> {
    if text.is_empty() {
        return Err(std::fmt::Error);
    }
    Ok(text.len())
}

/// unused_async
#[cfg_attr(feature = "annotated", rollout::span)]
pub async fn not_async(id: u32) -> u32 {
    id + 1
}

/// too_many_arguments
#[allow(clippy::must_use_candidate)]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn many(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32) -> u32 {
    a + b + c + d + e + f + g + h
}

/// must_use_candidate, trivially_copy_pass_by_ref
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn by_reference(id: &u32, flag: &bool) -> u32 {
    if *flag { *id } else { 0 }
}

/// ptr_arg
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn pointers(text: &String, orders: &Vec<Order>) -> usize {
    text.len() + orders.len()
}

/// fn_params_excessive_bools
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn flags(a: bool, b: bool, c: bool, d: bool) -> bool {
    a && b && c && d
}

/// large_types_passed_by_value
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span(capture_input = false))]
pub fn large(large: Large) -> u64 {
    large.0[1]
}

/// missing_errors_doc, unnecessary_wraps is for private functions
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn fails(id: u32) -> Result<u32, String> {
    if id == 0 {
        return Err("no".to_owned());
    }
    Ok(id)
}

/// missing_panics_doc
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn panics(text: &str) -> u32 {
    text.parse().unwrap()
}

/// result_unit_err
#[cfg_attr(feature = "annotated", rollout::span(capture_output = false))]
pub fn unit_error(id: u32) -> Result<u32, ()> {
    if id == 0 { Err(()) } else { Ok(id) }
}

#[cfg_attr(feature = "annotated", rollout::span)]
fn wraps(id: u32) -> Option<u32> {
    Some(id)
}

#[cfg_attr(feature = "annotated", rollout::span)]
fn never_called(id: u32) -> u32 {
    id
}

/// needless_return
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn returns(id: u32) -> u32 {
    return wraps(id).unwrap_or(0);
}

/// let_and_return
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn lets(id: u32) -> u32 {
    let next = id + 1;
    next
}

/// needless_lifetimes
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn lifetimes<'a>(text: &'a str) -> &'a str {
    text.trim()
}

/// unused_variables, unused_mut, unused_assignments
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn unused(id: u32, unused: u32, mut not_mutated: u32) -> u32 {
    let local = id;
    not_mutated
}

/// unused_variables
#[cfg_attr(feature = "annotated", rollout::span)]
pub async fn unused_later(id: u32, unused: u32) -> u32 {
    std::future::ready(()).await;
    id
}

/// unreachable_code
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn unreachable(id: u32) -> u32 {
    return id;
    id + 1
}

/// Nothing.
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn diverges(id: u32) -> u32 {
    std::process::exit(i32::from(id == 0))
}

/// Nothing.
#[cfg_attr(feature = "annotated", rollout::span)]
pub async fn diverges_later(id: u32) -> u32 {
    std::future::ready(()).await;
    std::process::exit(i32::from(id == 0))
}

/// used_underscore_binding
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span(capture_input = false))]
pub fn underscored(_id: u32) -> u32 {
    _id
}

/// future_not_send
#[cfg_attr(feature = "annotated", rollout::span(skip(text)))]
pub async fn not_send(text: Rc<str>) -> usize {
    std::future::ready(()).await;
    text.len()
}

/// large_futures
#[cfg_attr(feature = "annotated", rollout::span(capture_input = false))]
pub async fn large_future(id: u32) -> u8 {
    let buffer = [1_u8; 20_000];
    std::future::ready(id).await;
    buffer[1]
}

/// large_futures, at the await
#[cfg_attr(feature = "annotated", rollout::span)]
pub async fn awaits_large(id: u32) -> u8 {
    large_future(id).await
}

/// boxed_local
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn boxed(order: Box<Order>) -> u32 {
    order.id
}

/// redundant_clone
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn clones(order: &Order) -> Vec<String> {
    let lines = order.lines.clone();
    lines.clone()
}

/// type_complexity
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn complex(id: u32) -> Vec<Vec<Box<Option<(u32, Vec<Box<Option<(u32, u32)>>>)>>>> {
    vec![vec![Box::new(Some((id, vec![])))]]
}

/// implicit_hasher
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn hasher(orders: &std::collections::HashMap<u32, Order>) -> usize {
    orders.len()
}

/// impl_trait_in_params is a restriction; option_option
#[must_use]
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn options(id: Option<Option<u32>>, text: &Option<String>) -> Option<u32> {
    text.as_ref()?;
    id.flatten()
}

/// Nothing.
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn iterates(last: u32) -> impl Iterator<Item = u32> {
    0..last
}

/// Nothing.
#[cfg_attr(feature = "annotated", rollout::span)]
pub fn future(id: u32) -> impl Future<Output = u32> {
    async move { id }
}

/// Nothing.
#[cfg_attr(feature = "annotated", rollout::agent)]
pub async fn agent(id: u32, (left, right): (u32, u32)) -> Result<u32, std::fmt::Error> {
    let sum = std::future::ready(id).await + left + right;
    if sum == 0 {
        return Err(std::fmt::Error);
    }
    Ok(sum)
}

impl Order {
    /// return_self_not_must_use, use_self
    #[cfg_attr(feature = "annotated", rollout::span)]
    pub fn with_id(mut self, id: u32) -> Order {
        self.id = id;
        self
    }

    /// unused_self
    #[must_use]
    #[cfg_attr(feature = "annotated", rollout::span)]
    pub fn unused_self(&self, id: u32) -> u32 {
        id
    }

    /// wrong_self_convention
    #[must_use]
    #[cfg_attr(feature = "annotated", rollout::span)]
    pub fn into_lines(&self) -> Vec<String> {
        self.lines.clone()
    }

    /// should_implement_trait
    #[must_use]
    #[cfg_attr(feature = "annotated", rollout::span)]
    pub fn not(self) -> bool {
        self.id == 0
    }

    /// needless_pass_by_ref_mut
    #[cfg_attr(feature = "annotated", rollout::span)]
    pub fn read(&mut self) -> u32 {
        self.id
    }

    #[cfg_attr(feature = "annotated", rollout::span)]
    fn not_mutated(order: &mut Self) -> u32 {
        order.id
    }

    /// Nothing.
    #[cfg_attr(feature = "annotated", rollout::span)]
    pub async fn later(&mut self, by: u32) -> u32 {
        std::future::ready(()).await;
        self.id += by;
        Self::not_mutated(self)
    }
}
