//! The conversations, as the scripted model has them.

use scripted_model::{Reply, Script};

/// The question that the script knows.
pub const QUESTION: &str = "Which storage engine suits a write-heavy event log?";

/// What the model answers to [`QUESTION`] and to what follows from it.
pub fn script() -> Script {
    Script::new()
        .when(
            "Please review:",
            Reply::text("Sound: both claims follow from the findings.").tokens(96, 11),
        )
        .when(
            "Findings on",
            Reply::text(
                "An LSM tree suits a write-heavy event log. Choose a B-tree where reads count more.",
            )
            .tokens(141, 21),
        )
        .when(
            "Topic: B-trees.",
            Reply::text("B-trees read fast and pay for each write with a whole page.")
                .tokens(88, 14),
        )
        .when(
            "Topic: LSM trees.",
            Reply::text("LSM trees write in sequence and sort later.").tokens(83, 11),
        )
        .when(QUESTION, Reply::text("B-trees\nLSM trees").tokens(64, 8))
}
