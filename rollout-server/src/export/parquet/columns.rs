//! The columns of the table, and their types.

use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{
    ArrayRef, RecordBatch, TimestampMicrosecondArray,
    builder::{
        Float64Builder, Int32Builder, Int64Builder, ListBuilder, MapBuilder, StringBuilder,
        TimestampMicrosecondBuilder,
    },
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use jiff::Timestamp;
use rollout_core::event::RawJson;

use crate::query::{ScoreRow, SpanDetail, TraceSummary};

/// A column that is being filled.
trait Column<V> {
    fn data_type() -> DataType;
    fn add(&mut self, value: V);
    fn done(&mut self) -> ArrayRef;
}

macro_rules! column {
    ($($builder:ty as $value:ty, $data_type:expr, |$column:ident, $given:ident| $add:expr;)*) => {$(
        impl Column<$value> for $builder {
            fn data_type() -> DataType {
                $data_type
            }

            fn add(&mut self, $given: $value) {
                let $column = self;
                $add;
            }

            fn done(&mut self) -> ArrayRef {
                Arc::new(self.finish())
            }
        }
    )*};
}

column! {
    StringBuilder as Option<&str>, DataType::Utf8, |column, value| column.append_option(value);
    Int32Builder as Option<i32>, DataType::Int32, |column, value| column.append_option(value);
    Int64Builder as Option<i64>, DataType::Int64, |column, value| column.append_option(value);
    Float64Builder as Option<f64>, DataType::Float64, |column, value| column.append_option(value);
    Times as Option<Timestamp>, DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        |column, value| column.0.append_option(value.map(Timestamp::as_microsecond));
    ListBuilder<StringBuilder> as &[String],
        DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        |column, value| column.append_value(value.iter().map(Some));
}

/// A count, as the type of its column has it: none is larger.
fn count(count: Option<u64>) -> Option<i64> {
    i64::try_from(count?).ok()
}

const UTC: &str = "UTC";

/// Times in UTC.
struct Times(TimestampMicrosecondBuilder);

impl Default for Times {
    fn default() -> Self {
        Self(TimestampMicrosecondBuilder::new().with_timezone(UTC))
    }
}

impl Times {
    fn finish(&mut self) -> TimestampMicrosecondArray {
        self.0.finish()
    }
}

/// Scores by their graders.
struct Scores(MapBuilder<StringBuilder, Float64Builder>);

impl Default for Scores {
    fn default() -> Self {
        Self(MapBuilder::new(
            None,
            StringBuilder::new(),
            Float64Builder::new(),
        ))
    }
}

impl Column<&[ScoreRow]> for Scores {
    fn data_type() -> DataType {
        let members = vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Float64, true),
        ];
        let entries = Field::new("entries", DataType::Struct(members.into()), false);
        DataType::Map(Arc::new(entries), false)
    }

    fn add(&mut self, scores: &[ScoreRow]) {
        for score in scores {
            self.0.keys().append_value(&score.grader);
            self.0.values().append_value(score.value);
        }
        // Fails where there are more of the one than of the other.
        let _ = self.0.append(true);
    }

    fn done(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

/// Lists of texts.
type Texts = ListBuilder<StringBuilder>;

/// Declares the columns, in order: a name, its builder, whether every row has a value, and which.
macro_rules! columns {
    ($($name:ident: $builder:ty, $nullable:literal, |$trace:ident, $span:ident| $value:expr;)*) => {
        /// Rows that are yet to be encoded.
        #[derive(Default)]
        pub(super) struct Columns {
            rows: usize,
            bytes: usize,
            $($name: $builder,)*
        }

        impl Columns {
            /// The types of the columns.
            pub(super) fn schema(&self) -> SchemaRef {
                Arc::new(Schema::new(vec![
                    $(Field::new(
                        stringify!($name).trim_start_matches("r#"),
                        <$builder as Column<_>>::data_type(),
                        $nullable,
                    ),)*
                ]))
            }

            /// Adds a row.
            pub(super) fn push(&mut self, trace: &TraceSummary, span: &SpanDetail) {
                self.rows += 1;
                self.bytes += weight(span);
                $({
                    let ($trace, $span) = (trace, span);
                    self.$name.add($value);
                })*
            }

            /// The rows, which are forgotten.
            pub(super) fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
                (self.rows, self.bytes) = (0, 0);
                RecordBatch::try_new(self.schema(), vec![$(self.$name.done(),)*])
            }
        }
    };
}

columns! {
    trace_id: StringBuilder, false, |trace, _span| Some(trace.trace_id.as_str());
    external_trace_id: StringBuilder, true, |trace, _span| trace.external_trace_id.as_deref();
    trace_name: StringBuilder, true, |trace, _span| trace.name.as_deref();
    trace_status: StringBuilder, false, |trace, _span| Some(trace.status.as_str());
    user_id: StringBuilder, true, |trace, _span| trace.user_id.as_deref();
    session_id: StringBuilder, true, |trace, _span| trace.session_id.as_deref();
    conversation_id: StringBuilder, true, |trace, _span| trace.conversation_id.as_deref();
    agent_name: StringBuilder, true, |trace, _span| trace.agent_name.as_deref();
    tags: Texts, false, |trace, _span| trace.tags.as_slice();
    run_id: StringBuilder, true, |trace, _span| trace.rollout.as_ref().and_then(|run| run.run_id.as_deref());
    phase: StringBuilder, true, |trace, _span| trace.rollout.as_ref().and_then(|run| run.phase.as_deref());
    step_number: Int64Builder, true, |trace, _span| trace.rollout.as_ref().and_then(|run| run.step_number);
    datapoint_id: StringBuilder, true, |trace, _span| trace.rollout.as_ref().and_then(|run| run.datapoint_id.as_deref());
    group_id: StringBuilder, true, |trace, _span| trace.rollout.as_ref().and_then(|run| run.group_id.as_deref());
    scores: Scores, false, |trace, _span| trace.scores.as_slice();
    span_id: StringBuilder, false, |_trace, span| Some(span.row.span_id.as_str());
    parent_span_id: StringBuilder, true, |_trace, span| span.row.parent_span_id.as_deref();
    depth: Int32Builder, false, |_trace, span| Some(span.row.depth.cast_signed());
    r#type: StringBuilder, false, |_trace, span| Some(span.row.kind.as_str());
    name: StringBuilder, true, |_trace, span| span.row.name.as_deref();
    status: StringBuilder, false, |_trace, span| Some(span.row.status.as_str());
    started_at: Times, true, |_trace, span| span.row.started_at;
    ended_at: Times, true, |_trace, span| span.ended_at;
    duration_ms: Float64Builder, true, |_trace, span| span.row.duration_ms;
    provider: StringBuilder, true, |_trace, span| span.row.provider.as_deref();
    model: StringBuilder, true, |_trace, span| span.row.model.as_deref();
    input_tokens: Int64Builder, true, |_trace, span| count(span.row.usage.input_tokens);
    output_tokens: Int64Builder, true, |_trace, span| count(span.row.usage.output_tokens);
    cached_tokens: Int64Builder, true, |_trace, span| count(span.row.usage.cached_tokens);
    cache_creation_tokens: Int64Builder, true, |_trace, span| count(span.row.usage.cache_creation_tokens);
    reasoning_tokens: Int64Builder, true, |_trace, span| count(span.row.usage.reasoning_tokens);
    total_tokens: Int64Builder, true, |_trace, span| count(span.row.usage.total_tokens);
    cost_usd: Float64Builder, true, |_trace, span| span.row.cost_usd;
    tool_call_id: StringBuilder, true, |_trace, span| span.tool_call_id.as_deref();
    error_type: StringBuilder, true, |_trace, span| span.row.error.as_ref().and_then(|error| error.kind.as_deref());
    error_message: StringBuilder, true,
        |_trace, span| span.row.error.as_ref().and_then(|error| error.message.as_deref());
    error_chain: Texts, false,
        |_trace, span| span.row.error.as_ref().map(|error| error.chain.as_slice()).unwrap_or_default();
    code_file: StringBuilder, true, |_trace, span| span.code.as_ref().and_then(|code| code.file.as_deref());
    code_line: Int32Builder, true,
        |_trace, span| span.code.as_ref().and_then(|code| i32::try_from(code.line?).ok());
    code_function: StringBuilder, true, |_trace, span| span.code.as_ref().and_then(|code| code.function.as_deref());
    input: StringBuilder, true, |_trace, span| span.input.as_ref().map(RawJson::as_str);
    output: StringBuilder, true, |_trace, span| span.output.as_ref().map(RawJson::as_str);
    attributes: StringBuilder, false, |_trace, span| Some(json(&span.attributes)).as_deref();
}

impl Columns {
    /// Rows that are yet to be encoded.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// What they take, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Bytes that a row takes, about.
fn weight(span: &SpanDetail) -> usize {
    let payloads = [&span.input, &span.output];
    let payloads = payloads.into_iter().flatten();
    let payloads = payloads.chain(span.attributes.values());
    512 + payloads.map(|json| json.as_str().len()).sum::<usize>()
}

/// Attributes as one JSON object.
fn json(attributes: &BTreeMap<String, RawJson>) -> String {
    // Names are texts, and what is carried as JSON is JSON.
    serde_json::to_string(attributes).unwrap_or_else(|_| "{}".to_owned())
}
