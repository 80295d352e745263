//! The conversation, as the scripted model has it.

use scripted_model::{Reply, Script};
use serde_json::json;

/// What the model answers to [`Ticket::sample`](crate::Ticket::sample).
pub fn script() -> Script {
    Script::new()
        .when(
            "Where is it?",
            Reply::call("call_1", "lookup_order", &json!({ "order_id": 1042 })).tokens(312, 17),
        )
        .when(
            "in_transit",
            Reply::call(
                "call_2",
                "refund_shipping",
                &json!({ "order_id": 1042, "amount_cents": 490 }),
            )
            .tokens(398, 24)
            .cached(256),
        )
        .when(
            "was declined",
            Reply::call(
                "call_3",
                "issue_store_credit",
                &json!({ "customer_id": "cus_8812", "amount_cents": 490 }),
            )
            .tokens(451, 26)
            .cached(384),
        )
        .when(
            "credit_id",
            Reply::text(
                "Your order 1042 is in Leipzig and arrives on Thursday. The card you paid with \
                 has expired, so the shipping fee of 4.90 euros is on your account as store credit.",
            )
            .tokens(502, 41)
            .cached(448),
        )
}
