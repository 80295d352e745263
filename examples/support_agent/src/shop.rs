//! The shop: its help pages, its orders, its money. In a program of yours, these would be calls of
//! your own services.

use std::time::Duration;

use anyhow::bail;
use rollout::{Secret, span, tool};
use scripted_model::chat::{Tool, ToolCall};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::sleep;

/// A page of the help centre, and how well it fits the question.
#[derive(Debug, Serialize)]
pub(crate) struct Article {
    title: &'static str,
    text: &'static str,
    score: usize,
}

const HELP_CENTER: [(&str, &str); 3] = [
    (
        "Late parcels",
        "The shipping fee of an order that is late is refunded on request.",
    ),
    (
        "Refunds",
        "A refund goes to the card that paid. Where that fails, offer store credit.",
    ),
    (
        "Gift wrapping",
        "Gifts can be wrapped until the parcel is handed over.",
    ),
];

/// The two help pages that share most words with the question.
#[span(type = "retrieval")]
pub(crate) fn search_help_center(question: &str) -> Vec<Article> {
    let question = question.to_lowercase();
    let score = |text: &str| {
        let text = text.to_lowercase();
        let words = text.split(|c: char| !c.is_alphanumeric());
        words
            .filter(|word| word.len() > 3 && question.contains(word))
            .count()
    };
    let mut found: Vec<_> = HELP_CENTER
        .into_iter()
        .map(|(title, text)| Article {
            title,
            text,
            score: score(text),
        })
        .collect();
    found.sort_by_key(|article| std::cmp::Reverse(article.score));
    found.truncate(2);
    found
}

/// What the model is told about its work.
pub(crate) fn instructions(customer_id: &str, articles: &[Article]) -> String {
    let mut text = format!(
        "You answer customers of an online shop. The customer is {customer_id}. \
         Look up what you do not know. Keep to the rules of the help centre:"
    );
    for article in articles {
        text.push_str("\n- ");
        text.push_str(article.text);
    }
    text
}

/// What the model may call.
pub(crate) fn tools() -> [Tool; 3] {
    let order_id = json!({ "type": "integer" });
    let cents = json!({ "type": "integer", "description": "euro cents" });
    [
        Tool::new(
            "lookup_order",
            "Find out where an order is.",
            &json!({ "order_id": order_id }),
        ),
        Tool::new(
            "refund_shipping",
            "Pay the shipping fee back to the card.",
            &json!({ "order_id": order_id, "amount_cents": cents }),
        ),
        Tool::new(
            "issue_store_credit",
            "Put money on the customer's account.",
            &json!({ "customer_id": { "type": "string" }, "amount_cents": cents }),
        ),
    ]
}

/// Calls the tool that the model asks for.
pub(crate) async fn call(call: &ToolCall) -> anyhow::Result<Value> {
    match call.function.name.as_str() {
        "lookup_order" => {
            let order = lookup_order(call.argument("order_id")?).await?;
            Ok(serde_json::to_value(order)?)
        }
        "refund_shipping" => {
            let (order_id, amount) = (call.argument("order_id")?, call.argument("amount_cents")?);
            let refund_id = refund_shipping(&call.id, order_id, amount).await?;
            Ok(json!({ "refund_id": refund_id }))
        }
        "issue_store_credit" => {
            let customer_id: String = call.argument("customer_id")?;
            let amount = call.argument("amount_cents")?;
            let credit_id = issue_store_credit(&call.id, &customer_id, amount).await;
            Ok(json!({ "credit_id": credit_id }))
        }
        other => bail!("there is no tool {other}"),
    }
}

#[derive(Debug, Serialize)]
struct Order {
    id: u32,
    status: &'static str,
    location: &'static str,
    expected: &'static str,
    shipping_fee_cents: u32,
    /// The program uses it; traces never see it, and neither does the model.
    email: Secret<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("there is no order {0}")]
struct NoSuchOrder(u32);

#[tool]
async fn lookup_order(order_id: u32) -> Result<Order, NoSuchOrder> {
    sleep(Duration::from_millis(20)).await;
    if order_id != 1042 {
        return Err(NoSuchOrder(order_id));
    }
    Ok(Order {
        id: order_id,
        status: "in_transit",
        location: "Leipzig",
        expected: "Thursday",
        shipping_fee_cents: 490,
        email: Secret::new("ada@example.com".to_owned()),
    })
}

#[derive(Debug, thiserror::Error)]
#[error("the refund for order {order_id} was declined")]
struct RefundError {
    order_id: u32,
    source: PaymentError,
}

#[derive(Debug, thiserror::Error)]
enum PaymentError {
    #[error("the card expired in {0}")]
    CardExpired(&'static str),
}

#[tool(tool_call_id = call_id, skip(call_id))]
async fn refund_shipping(
    call_id: &str,
    order_id: u32,
    amount_cents: u32,
) -> Result<String, RefundError> {
    match pay_back(call_id, amount_cents).await {
        Ok(refund_id) => Ok(refund_id),
        Err(source) => Err(RefundError { order_id, source }),
    }
}

/// The bank's part, which pays once however often it is asked with the same key. The card of the
/// sample's customer has expired.
async fn pay_back(key: &str, amount_cents: u32) -> Result<String, PaymentError> {
    sleep(Duration::from_millis(30)).await;
    if amount_cents > 0 {
        return Err(PaymentError::CardExpired("May 2026"));
    }
    Ok(format!("refund_{key}"))
}

#[tool(tool_call_id = call_id, skip(call_id))]
async fn issue_store_credit(call_id: &str, customer_id: &str, amount_cents: u32) -> String {
    sleep(Duration::from_millis(10)).await;
    format!("{customer_id}/{call_id}/{amount_cents}")
}
