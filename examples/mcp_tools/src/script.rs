//! The conversation, as the scripted model has it.

use scripted_model::{Reply, Script};
use serde_json::json;

/// What the script knows an answer to.
pub const QUESTION: &str = "How do I get from Vienna to Copenhagen by train?";

/// What the model answers to [`QUESTION`].
pub fn script() -> Script {
    let find = |id, from, to| Reply::call(id, "find_trains", &json!({ "from": from, "to": to }));
    Script::new()
        .when(
            "How do I get",
            find("call_1", "Vienna", "Copenhagen").tokens(186, 21),
        )
        .when(
            "No train goes",
            find("call_2", "Vienna", "Hamburg")
                .and_call(
                    "call_3",
                    "find_trains",
                    &json!({ "from": "Hamburg", "to": "Copenhagen" }),
                )
                .tokens(224, 43)
                .cached(128),
        )
        .when(
            "EC 398",
            Reply::text(
                "Take the night train NJ 40490 from Vienna at 20:13, and in Hamburg the EC 398 at \
                 9:53. You are in Copenhagen at 14:32.",
            )
            .tokens(371, 44)
            .cached(256),
        )
}
