//! Every receiver, in inherent impls, traits and their default methods.
#![deny(warnings, unused, unreachable_code, clippy::pedantic)]

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

struct Toolbox {
    size: u32,
    name: String,
}

#[rollout::tool(skip_fn(left_out))]
impl Toolbox {
    const LIMIT: u32 = 8;

    fn by_ref(&self, by: u32) -> u32 {
        self.size + by
    }

    fn by_mut(&mut self, by: u32) -> &mut Self {
        self.size += by;
        self
    }

    fn by_value(self) -> String {
        self.name
    }

    fn by_mut_value(mut self) -> Self
    where
        Self: Sized + serde::Serialize,
    {
        self.size += 1;
        self
    }

    fn by_box(self: Box<Self>) -> u32 {
        self.size
    }

    fn by_rc(self: Rc<Self>) -> u32 {
        self.size
    }

    fn by_arc(self: Arc<Self>) -> u32 {
        self.size
    }

    fn by_pin(mut self: Pin<&mut Self>) -> u32 {
        self.size += 1;
        self.size
    }

    async fn async_by_mut(&mut self, by: u32) -> Result<&str, std::fmt::Error> {
        self.size += by;
        std::future::ready(()).await;
        Ok(&self.name)
    }

    async fn async_by_value(mut self) -> String {
        self.name.push('!');
        self.name
    }

    fn left_out(&self) -> *const Self {
        std::ptr::from_ref(self)
    }

    const fn constant() -> u32 {
        Self::LIMIT
    }

    #[rollout::task("itself", capture_output = false)]
    fn own_attribute(&self) -> *const Self {
        std::ptr::from_ref(self)
    }
}

impl serde::Serialize for Toolbox {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.size)
    }
}

trait Search {
    fn required(&self, query: &str) -> usize;

    #[rollout::tool]
    fn provided(&self, query: &str) -> usize {
        self.required(query) + 1
    }

    fn future(&self, query: &str) -> impl Future<Output = usize> + Send;
}

impl Search for Toolbox {
    #[rollout::tool]
    fn required(&self, query: &str) -> usize {
        query.len()
    }

    #[rollout::tool]
    fn future(&self, query: &str) -> impl Future<Output = usize> + Send {
        std::future::ready(query.len())
    }
}

trait AsyncSearch {
    #[allow(async_fn_in_trait)]
    async fn search(&self, query: &str) -> usize;
}

impl AsyncSearch for Toolbox {
    #[rollout::tool]
    async fn search(&self, query: &str) -> usize {
        query.len()
    }
}

#[rollout::span]
mod inner {
    pub fn free(by: u8) -> u8 {
        deeper::free(by)
    }

    mod deeper {
        pub fn free(by: u8) -> u8 {
            super::Unit.method(by)
        }
    }

    struct Unit;

    impl Unit {
        #[allow(clippy::unused_self)]
        fn method(&self, by: u8) -> u8 {
            by
        }
    }
}

fn toolbox() -> Toolbox {
    Toolbox { size: 1, name: "a".into() }
}

fn main() {
    let mut own = toolbox();
    assert_eq!(own.by_ref(1), 2);
    assert_eq!(own.by_mut(1).by_mut(1).size, 3);
    assert_eq!(own.by_mut_value().size, 4);
    assert_eq!(toolbox().by_value(), "a");
    assert_eq!(Box::new(toolbox()).by_box(), 1);
    assert_eq!(Rc::new(toolbox()).by_rc(), 1);
    assert_eq!(Arc::new(toolbox()).by_arc(), 1);
    assert_eq!(Box::pin(toolbox()).as_mut().by_pin(), 2);
    assert_eq!(futures::executor::block_on(toolbox().async_by_mut(1)).unwrap(), "a");
    assert_eq!(futures::executor::block_on(toolbox().async_by_value()), "a!");
    assert!(!toolbox().left_out().is_null());
    assert!(!toolbox().own_attribute().is_null());
    assert_eq!(Toolbox::constant(), 8);
    assert_eq!(toolbox().provided("ab"), 3);
    assert_eq!(futures::executor::block_on(Search::future(&toolbox(), "ab")), 2);
    assert_eq!(futures::executor::block_on(toolbox().search("ab")), 2);
    assert_eq!(inner::free(3), 3);
}
