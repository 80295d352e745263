//! What ClickHouse says when it does not do what it is asked to, and what follows from it.

use std::error::Error as _;

use clickhouse::error::Error;

use crate::config::secret::REDACTED;
use crate::error::ExportError;

/// How much of a refusal's text goes into a warning.
const REASON_CHARS: usize = 300;

/// The key is wrong, or may not do this: `READONLY`, `UNKNOWN_USER`, `WRONG_PASSWORD`, `REQUIRED_PASSWORD`,
/// `IP_ADDRESS_NOT_ALLOWED`, `ACCESS_DENIED`, `AUTHENTICATION_FAILED`.
const NO_ACCESS: [u32; 7] = [164, 192, 193, 194, 195, 497, 516];

/// The tables are not those of this program, and no waiting makes them so: `NO_SUCH_COLUMN_IN_TABLE`,
/// `UNKNOWN_IDENTIFIER`, `TYPE_MISMATCH`, `NOT_IMPLEMENTED`, `UNKNOWN_TYPE`, `UNKNOWN_STORAGE`, `ILLEGAL_COLUMN`,
/// `SYNTAX_ERROR`, `UNKNOWN_SETTING`.
const OTHER_TABLES: [u32; 9] = [16, 47, 48, 50, 53, 56, 44, 62, 115];

/// `CLUSTER_DOESNT_EXIST`; `UNKNOWN_ELEMENT_IN_CONFIG`, where a cluster has no macros.
const NO_CLUSTER: [u32; 3] = [139, 170, 701];

/// Something in the rows is wrong: `CANNOT_PARSE_TEXT`, `CANNOT_PARSE_INPUT_ASSERTION_FAILED`,
/// `CANNOT_READ_ALL_DATA`, `ARGUMENT_OUT_OF_BOUND`, `INCORRECT_DATA`, `TOO_LARGE_STRING_SIZE`, `VALUE_IS_OUT_OF_RANGE`,
/// `CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN`.
const BAD_ROWS: [u32; 8] = [6, 27, 33, 69, 117, 131, 321, 349];

/// Why it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server's code for it.
    Code(u32),
    /// The connection did not come about, or broke, or took too long; or somebody else has answered.
    NoAnswer,
    /// A table has not the columns that rows have.
    Columns,
}

/// A refusal.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) cause: Cause,
    reason: String,
}

impl Refusal {
    pub(super) fn of(error: &Error) -> Self {
        let cause = match error {
            Error::SchemaMismatch(_) | Error::InvalidColumnsHeader(_) => Cause::Columns,
            _ => code(error).map_or(Cause::NoAnswer, Cause::Code),
        };
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !reason.contains(&cause_text) {
                reason = format!("{reason}: {cause_text}");
            }
            source = cause.source();
        }
        Self { cause, reason }
    }

    /// What becomes of the batch. What nobody has foreseen is tried again: the events stay in the spool, and the
    /// warning says why.
    pub(super) fn into_export_error(self, password: &str) -> ExportError {
        let mut reason = self.reason;
        if !password.is_empty() {
            reason = reason.replace(password, REDACTED);
        }
        let mut reason: String = reason
            .trim()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(REASON_CHARS)
            .collect();
        let mut stop = |hint: &str| {
            reason.push_str(hint);
            ExportError::Stop {
                reason: std::mem::take(&mut reason),
            }
        };
        match self.cause {
            Cause::Code(code) if NO_ACCESS.contains(&code) => {
                stop("; check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD, and what that user may do")
            }
            Cause::Code(code) if NO_CLUSTER.contains(&code) => stop("; check CLICKHOUSE_CLUSTER"),
            Cause::Code(code) if OTHER_TABLES.contains(&code) => stop(
                "; are these tables somebody else's? CLICKHOUSE_DATABASE names another database",
            ),
            Cause::Columns => stop(
                "; are these tables somebody else's? CLICKHOUSE_DATABASE names another database",
            ),
            Cause::Code(code) if BAD_ROWS.contains(&code) => ExportError::Invalid {
                code: format!("clickhouse_{code}"),
                reason,
            },
            Cause::Code(_) | Cause::NoAnswer => ExportError::retry(reason),
        }
    }
}

/// The server's code for an error, if it is one of the server's.
pub(super) fn code(error: &Error) -> Option<u32> {
    let Error::BadResponse(text) = error else {
        return None;
    };
    let (_, after) = text.split_once("Code: ")?;
    let digits = after.find(|c: char| !c.is_ascii_digit());
    after[..digits.unwrap_or(after.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn becomes(code: u32) -> ExportError {
        let text = format!("Code: {code}. DB::Exception: no, s3cret\nis wrong");
        Refusal::of(&Error::BadResponse(text)).into_export_error("s3cret")
    }

    #[test]
    fn what_waiting_cures_is_tried_again() {
        // Memory, time, too many queries, too many parts, a table that is read-only for now, no Keeper.
        for code in [241, 159, 202, 252, 242, 999, 225, 319, 209, 745] {
            assert!(matches!(becomes(code), ExportError::Retry { .. }), "{code}");
        }
        let proxy = Error::BadResponse("<html>502 Bad Gateway</html>".to_owned());
        let proxy = Refusal::of(&proxy).into_export_error("");
        assert!(matches!(proxy, ExportError::Retry { .. }));
    }

    #[test]
    fn what_it_does_not_cure_stops_with_advice() {
        for (code, advice) in [
            (516, "CLICKHOUSE_PASSWORD"),
            (497, "what that user may do"),
            (701, "CLICKHOUSE_CLUSTER"),
            (16, "CLICKHOUSE_DATABASE"),
        ] {
            let error = becomes(code);
            assert!(matches!(error, ExportError::Stop { .. }), "{code}");
            let reason = error.reason();
            assert!(reason.contains(advice), "{reason}");
            assert!(
                !reason.contains("s3cret") && !reason.contains('\n'),
                "{reason}"
            );
        }
    }

    #[test]
    fn a_bad_row_is_looked_for() {
        let error = becomes(117);
        assert!(
            matches!(&error, ExportError::Invalid { code, .. } if code == "clickhouse_117"),
            "{error:?}"
        );
    }
}
