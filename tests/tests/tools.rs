//! Tools that a program keeps in maps and lists: wrapped, they do what they did, and each call is recorded.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "that is how a test fails, and a tool"
)]

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, LocalBoxFuture};
use rollout::testing::{CapturedSpan, capture, capture_async};
use rollout::{
    ToolCalls, agent, task, with_tool_call_id, wrap_async_tool, wrap_tool, wrap_tools,
    wrap_tools_with,
};
use serde::Serialize;
use serde_json::{Value, json};

#[agent(capture_input = false, capture_output = false)]
fn run<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// The calls that were recorded inside an agent.
fn calls<R>(body: impl FnOnce() -> R) -> (R, Vec<CapturedSpan>) {
    let (value, captured) = capture(|| run(body));
    (value, captured.span("run").unwrap().children.clone())
}

#[agent(name = "run", capture_input = false, capture_output = false)]
async fn run_async<F: Future>(future: F) -> F::Output {
    future.await
}

async fn calls_async<F: Future>(future: F) -> (F::Output, Vec<CapturedSpan>) {
    let (value, captured) = capture_async(run_async(future)).await;
    (value, captured.span("run").unwrap().children.clone())
}

#[derive(Debug, PartialEq)]
struct NoSuchOrder(u32);

impl fmt::Display for NoSuchOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no order {}", self.0)
    }
}

#[task]
fn look(id: u32) -> bool {
    id == 7
}

type Tool = Box<dyn Fn(Value) -> Result<Value, NoSuchOrder> + Send + Sync>;

fn order() -> Tool {
    Box::new(|arguments| {
        let id = arguments["id"].as_u64().unwrap() as u32;
        if look(id) {
            Ok(json!({ "id": id, "item": "kettle" }))
        } else {
            Err(NoSuchOrder(id))
        }
    })
}

#[test]
fn calls_with_arguments_results_and_errors() {
    let tools: HashMap<String, Tool> = wrap_tools(HashMap::from([("order".to_owned(), order())]));
    let ((found, missed), calls) = calls(|| {
        let found = tools["order"](json!({ "id": 7, "api_key": "secret-of-the-caller" }));
        (found, tools["order"](json!({ "id": 8 })))
    });
    assert_eq!(found, Ok(json!({ "id": 7, "item": "kettle" })));
    assert_eq!(missed, Err(NoSuchOrder(8)));
    assert_eq!(calls.len(), 2);
    let call = &calls[0];
    assert_eq!(
        (call.name.as_str(), call.span_type.as_str()),
        ("order", "tool")
    );
    assert_eq!(
        call.input,
        Some(json!({ "id": 7, "api_key": "[redacted]" }))
    );
    assert_eq!(call.output, Some(json!({ "id": 7, "item": "kettle" })));
    assert_eq!(call.tool["name"], "order");
    assert_eq!(
        call.children[0].name, "look",
        "what a tool does is inside its call"
    );
    let error = calls[1].error.as_ref().unwrap();
    assert_eq!(
        (calls[1].status.as_str(), calls[1].output.as_ref()),
        ("error", None)
    );
    assert_eq!(error.message, "there is no order 8");
    assert!(error.error_type.ends_with("NoSuchOrder"));
}

#[test]
fn a_panic_goes_on() {
    type Tool = Rc<dyn Fn()>;
    let tools: [(&str, Tool); 1] = wrap_tools([("broken", Rc::new(|| panic!("broken")))]);
    let (panicked, calls) =
        calls(|| catch_unwind(AssertUnwindSafe(|| (tools[0].1)())).unwrap_err());
    assert_eq!(panicked.downcast_ref(), Some(&"broken"));
    assert_eq!(calls[0].status, "error");
    assert_eq!(calls[0].error.as_ref().unwrap().error_type, "panic");
}

type AsyncTool = Arc<dyn Fn(u32) -> BoxFuture<'static, Result<String, NoSuchOrder>> + Send + Sync>;

fn slow_order() -> AsyncTool {
    Arc::new(|id| {
        async move {
            tokio::task::yield_now().await;
            match id {
                0 => pending().await,
                1 => panic!("broken"),
                id if look(id) => Ok("kettle".to_owned()),
                id => Err(NoSuchOrder(id)),
            }
        }
        .boxed()
    })
}

#[tokio::test]
async fn futures_in_boxes() {
    let tools: BTreeMap<&str, AsyncTool> = wrap_tools(BTreeMap::from([("order", slow_order())]));
    let tool = Arc::clone(&tools["order"]);
    let (values, calls) = calls_async(async move {
        // Two at once, on other threads.
        let found = tokio::spawn(tool(7));
        let missed = tokio::spawn(tool(8));
        let values = (found.await.unwrap(), missed.await.unwrap());
        assert!(AssertUnwindSafe(tool(1)).catch_unwind().await.is_err());
        assert!(
            tool(0).now_or_never().is_none(),
            "given up before it is done"
        );
        drop(tool(9)); // never polled, so nothing happened
        values
    })
    .await;
    assert_eq!(values, (Ok("kettle".to_owned()), Err(NoSuchOrder(8))));
    let mut seen: Vec<_> = calls
        .iter()
        .map(|call| {
            (
                call.input.clone().unwrap().as_u64().unwrap(),
                call.status.as_str(),
                call.children.len(),
            )
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            (0, "cancelled", 0),
            (1, "error", 0),
            (7, "ok", 1),
            (8, "error", 1)
        ]
    );
    let panicked = calls.iter().find(|call| call.input == Some(json!(1)));
    assert_eq!(
        panicked.unwrap().error.as_ref().unwrap().error_type,
        "panic"
    );
}

#[tokio::test]
async fn a_future_is_in_the_span_that_polls_it() {
    #[task(skip(order), capture_output = false)]
    async fn ship<F: Future>(order: F) -> F::Output {
        order.await
    }

    let tools: [(&str, AsyncTool); 1] = wrap_tools([("order", slow_order())]);
    let (_, calls) = calls_async(async { ship(tools[0].1(7)).await }).await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].name, "ship");
    assert_eq!(calls[0].children[0].name, "order");
}

/// What a program hands to all of its tools, and cannot be serialized.
struct Shop(Cell<u32>);

impl rollout::tools::ToolArgument for Shop {}

#[derive(Serialize)]
struct Till {
    cents: u32,
}

impl rollout::tools::ToolOutput for Till {}

#[test]
fn borrowed_arguments_and_types_of_ones_own() {
    type Sell = Box<dyn Fn(&Shop, u32) -> Till>;
    type Length = Box<dyn FnMut(&str) -> usize>;

    let sell: Vec<(&str, Sell)> = wrap_tools(vec![(
        "sell",
        Box::new(|shop, cents| {
            shop.0.set(shop.0.get() + cents);
            Till {
                cents: shop.0.get(),
            }
        }),
    )]);
    let mut times = 0;
    let mut length: Vec<(&str, Length)> = wrap_tools(vec![(
        "length",
        Box::new(move |text| {
            times += 1;
            text.len() + times
        }),
    )]);
    let shop = Shop(Cell::new(100));
    let (sum, calls) = calls(|| sell[0].1(&shop, 20).cents as usize + length[0].1("four"));
    assert_eq!(sum, 125);
    assert_eq!(
        calls[0].input,
        Some(json!(20)),
        "the context is no argument"
    );
    assert_eq!(calls[0].output, Some(json!({ "cents": 120 })));
    assert_eq!(
        (&calls[1].input, &calls[1].output),
        (&Some(json!("four")), &Some(json!(5)))
    );
}

#[tokio::test]
async fn arguments_that_a_tool_changes() {
    type Add = Box<dyn Fn(&mut Vec<u32>, u32) -> usize + Send + Sync>;
    type Count = Box<dyn FnMut(&mut u32) -> u32>;
    type Later<'a> = Pin<Box<dyn Future<Output = Result<u32, String>> + Send + 'a>>;
    type Take = Arc<dyn for<'a> Fn(&'a mut Vec<u32>, &'a str) -> Later<'a> + Send + Sync>;

    let add: Vec<(&str, Add)> = wrap_tools(vec![(
        "add",
        Box::new(|list, number| {
            list.push(number);
            list.len()
        }),
    )]);
    let mut seen = 0;
    let mut count: Vec<(&str, Count)> = wrap_tools(vec![(
        "count",
        Box::new(move |number| {
            seen += *number;
            *number = 0;
            seen
        }),
    )]);
    let take: Vec<(&str, Take)> = wrap_tools(vec![(
        "take",
        Arc::new(|list, why| {
            Box::pin(async move { list.pop().ok_or_else(|| format!("nothing to {why}")) })
        }),
    )]);
    let ((), calls) = calls_async(async {
        let mut list = vec![1];
        assert_eq!(add[0].1(&mut list, 7), 2);
        let mut number = 4;
        assert_eq!(count[0].1(&mut number), 4);
        assert_eq!(number, 0);
        assert_eq!(take[0].1(&mut list, "eat").await, Ok(7));
        assert_eq!(take[0].1(&mut list, "eat").await, Ok(1));
        assert!(take[0].1(&mut list, "eat").await.is_err());
    })
    .await;
    let inputs: Vec<_> = calls.iter().filter_map(|call| call.input.clone()).collect();
    let before = [
        json!([[1], 7]),
        json!(4),
        json!([[1, 7], "eat"]),
        json!([[1], "eat"]),
        json!([[], "eat"]),
    ];
    assert_eq!(
        inputs, before,
        "they are recorded as they are before the call"
    );
    assert_eq!(calls[2].output, Some(json!(7)));
    assert_eq!(calls[4].error.as_ref().unwrap().message, "nothing to eat");
}

#[tokio::test]
async fn futures_that_borrow() {
    type Later<'a> = Pin<Box<dyn Future<Output = usize> + Send + 'a>>;
    type Length = Box<dyn for<'a> Fn(&'a str, &'a str) -> Later<'a> + Send + Sync>;
    type Local = Box<dyn Fn(u32, u32, u32) -> LocalBoxFuture<'static, u32>>;

    let tools: Vec<(&str, Length)> = wrap_tools(vec![(
        "length",
        Box::new(|a, b| Box::pin(async move { a.len() + b.len() })),
    )]);
    let local: Vec<(&str, Local)> = wrap_tools(vec![(
        "sum",
        Box::new(|a, b, c| Box::pin(async move { a + b + c })),
    )]);
    let text = String::from("four");
    let (sum, calls) =
        calls_async(async { tools[0].1(&text, "six").await as u32 + local[0].1(1, 2, 3).await })
            .await;
    assert_eq!(sum, 13);
    assert_eq!(calls[0].input, Some(json!(["four", "six"])));
    assert_eq!(calls[1].input, Some(json!([1, 2, 3])));
}

#[test]
fn wrapping_twice_records_once() {
    let once = wrap_tools(vec![("order", order())]);
    let twice = wrap_tools(wrap_tools(once));
    let (_, calls) = calls(|| twice[0].1(json!({ "id": 7 })));
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].children.len(), 1);
    assert_eq!(
        calls[0].children[0].name, "look",
        "not a call inside the call"
    );
}

#[tokio::test]
async fn closures_and_functions_by_themselves() {
    async fn triple(number: u32) -> Result<u32, NoSuchOrder> {
        if look(number) {
            Err(NoSuchOrder(number))
        } else {
            Ok(number * 3)
        }
    }
    fn assert_send<F: Future + Send>(future: F) -> F {
        future
    }

    let double = wrap_tool("double", |number: u32| number * 2);
    let boxed: BTreeMap<&str, Box<dyn Fn(u32) -> u32>> =
        BTreeMap::from([("double", Box::new(double) as _)]);
    let triple = wrap_async_tool("triple", triple);
    let add = wrap_async_tool("add", async |(a, b): (u32, u32)| a + b);
    let (values, calls) = calls_async(async {
        let tripled = assert_send(triple(2)).await;
        (
            boxed["double"](1),
            tripled,
            triple(7).await,
            add((3, 4)).await,
        )
    })
    .await;
    assert_eq!(values, (2, Ok(6), Err(NoSuchOrder(7)), 7));
    let mut seen: Vec<_> = calls
        .iter()
        .map(|call| (call.name.as_str(), call.status.as_str()))
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("add", "ok"),
            ("double", "ok"),
            ("triple", "error"),
            ("triple", "ok")
        ]
    );
}

#[test]
fn the_models_id_goes_to_the_call_that_it_is_for() {
    let tools = wrap_tools(vec![("order", order())]);
    let (_, calls) = calls(|| {
        let _ = with_tool_call_id("call_1", || tools[0].1(json!({ "id": 7 })));
        let _ = with_tool_call_id("call_2", || {
            let _ = tools[0].1(json!({ "id": 7 }));
            tools[0].1(json!({ "id": 7 }))
        });
        tools[0].1(json!({ "id": 7 }))
    });
    let ids: Vec<_> = calls
        .iter()
        .map(|call| call.tool["tool_call_id"].as_str().unwrap())
        .collect();
    assert_eq!(&ids[..2], ["call_1", "call_2"]);
    assert!(
        ids[2].starts_with("tool_") && ids[3].starts_with("tool_"),
        "{ids:?}"
    );
}

#[test]
fn a_say_in_what_is_recorded() {
    let quiet = ToolCalls::new()
        .capture_input(false)
        .capture_output(false)
        .attribute("team", "support");
    let tools = wrap_tools_with(vec![("order", order())], quiet);
    let (_, calls) = calls(|| {
        let _ = tools[0].1(json!({ "id": 7 }));
        tools[0].1(json!({ "id": 8 }))
    });
    assert_eq!((&calls[0].input, &calls[0].output), (&None, &None));
    assert_eq!(calls[0].attributes["team"], "support");
    assert_eq!(
        calls[1].error.as_ref().unwrap().message,
        "there is no order 8"
    );
}

#[test]
fn where_nothing_records_they_are_as_they_were() {
    let tools = wrap_tools(vec![("order", order())]);
    assert_eq!(tools[0].1(json!({ "id": 8 })), Err(NoSuchOrder(8)));
    let add = wrap_async_tool("add", async |(a, b): (u32, u32)| a + b);
    assert_eq!(add((1, 2)).now_or_never(), Some(3));
}

#[test]
fn a_result_that_panics_at_being_serialized_costs_itself() {
    struct Bad;

    impl Serialize for Bad {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("no")
        }
    }

    impl rollout::tools::ToolOutput for Bad {}
    type Tool = Box<dyn Fn(Bad) -> Bad>;

    let tools: Vec<(&str, Tool)> = wrap_tools(vec![("bad", Box::new(|bad| bad))]);
    let (_, calls) = calls(|| tools[0].1(Bad));
    assert_eq!(
        calls[0].output,
        Some(json!("[not recorded: its Serialize panicked]"))
    );
    assert_eq!(calls[0].input, calls[0].output);
    assert_eq!(calls[0].status, "ok");
}
