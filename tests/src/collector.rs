//! A receiver of spans that answers as it is told, and keeps what it was sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What it answers.
pub enum Reply {
    /// An empty answer of OTLP, which takes all.
    Ok,
    /// So many spans refused, and why.
    Partial(i64, &'static str),
    /// A status, headers and a body.
    Status(u16, &'static [(&'static str, &'static str)], &'static str),
    /// As [`Reply::Ok`], once the gate is open.
    OkWhen(watch::Receiver<bool>),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// From 0.
    pub number: usize,
    /// Where to.
    pub path: String,
    /// With what.
    pub headers: HeaderMap,
    /// The bytes as they came, which may be compressed.
    pub body: Bytes,
    /// What they say.
    pub request: ExportTraceServiceRequest,
}

type Script = Box<dyn Fn(&Received) -> Reply + Send + Sync>;

struct Shared {
    script: Script,
    received: Mutex<Vec<Received>>,
    taken: Mutex<Vec<ExportTraceServiceRequest>>,
}

/// Runs until it is dropped.
pub struct Collector {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

impl Collector {
    /// One that takes everything.
    pub fn start() -> Self {
        Self::scripted(|_| Reply::Ok)
    }

    /// One that answers so.
    pub fn scripted(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            received: Mutex::default(),
            taken: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let app = Router::new()
            .fallback(answer)
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await
        });
        Self {
            addr,
            shared,
            _runtime: runtime,
        }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// The spans of the requests that were taken, as they came.
    pub fn spans(&self) -> Vec<Sent> {
        let taken = self.shared.taken.lock().unwrap();
        taken.iter().flat_map(sent).collect()
    }

    /// The one span of a name that was taken.
    #[track_caller]
    pub fn span(&self, name: &str) -> Sent {
        let spans = self.spans();
        let mut found = spans.iter().filter(|span| span.name() == name);
        match (found.next(), found.next()) {
            (Some(span), None) => span.clone(),
            (None, _) => {
                let names: Vec<_> = spans.iter().map(Sent::name).collect();
                panic!("no span {name:?} among {names:?}")
            }
            _ => panic!("span {name:?} came twice"),
        }
    }

    /// The names of the spans that were taken, as they came.
    pub fn names(&self) -> Vec<String> {
        let spans = self.spans();
        spans.iter().map(|span| span.name().to_owned()).collect()
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let mut plain = Vec::new();
    if headers.get("content-encoding").is_some_and(|e| e == "gzip") {
        flate2::read::GzDecoder::new(&body[..])
            .read_to_end(&mut plain)
            .unwrap();
    } else {
        plain.extend_from_slice(&body);
    }
    let request = ExportTraceServiceRequest::decode(&plain[..]).unwrap();
    let received = {
        let mut all = shared.received.lock().unwrap();
        let received = Received {
            number: all.len(),
            path: uri.path().to_owned(),
            headers,
            body,
            request,
        };
        all.push(received.clone());
        received
    };
    let (status, headers, body) = match (shared.script)(&received) {
        Reply::Ok => (200, [].as_slice(), Vec::new()),
        Reply::OkWhen(mut gate) => {
            let _ = gate.wait_for(|open| *open).await;
            (200, [].as_slice(), Vec::new())
        }
        Reply::Partial(rejected_spans, message) => {
            let partial_success = Some(ExportTracePartialSuccess {
                rejected_spans,
                error_message: message.to_owned(),
            });
            let body = ExportTraceServiceResponse { partial_success };
            let kind = &[("content-type", "application/x-protobuf")];
            (200, kind.as_slice(), body.encode_to_vec())
        }
        Reply::Status(status, headers, body) => (status, headers, body.as_bytes().to_vec()),
    };
    if status < 300 {
        shared.taken.lock().unwrap().push(received.request);
    }
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body)).unwrap()
}

/// A span as it was sent, with who sent it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The program.
    pub resource: BTreeMap<String, Any>,
    /// The library and its version.
    pub scope: (String, String),
    /// The span itself.
    pub span: Span,
}

/// The spans of a request.
pub fn sent(request: &ExportTraceServiceRequest) -> Vec<Sent> {
    let mut found = Vec::new();
    for of_resource in &request.resource_spans {
        let resource = of_resource.resource.clone().unwrap_or_default();
        for of_scope in &of_resource.scope_spans {
            let scope = of_scope.scope.clone().unwrap_or_default();
            for span in &of_scope.spans {
                found.push(Sent {
                    resource: by_name(&resource.attributes),
                    scope: (scope.name.clone(), scope.version.clone()),
                    span: span.clone(),
                });
            }
        }
    }
    found
}

/// Attributes by their names, of which there is one each.
#[track_caller]
pub fn by_name(attributes: &[KeyValue]) -> BTreeMap<String, Any> {
    let mut found = BTreeMap::new();
    for attribute in attributes {
        let value = attribute.value.as_ref().and_then(|v| v.value.clone());
        let value = value.expect("an attribute has a value");
        let twice = found.insert(attribute.key.clone(), value);
        assert!(twice.is_none(), "{} is there twice", attribute.key);
    }
    found
}

/// A value as JSON; integers and floats are told apart as OTLP's JSON does.
pub fn plain(value: &Any) -> Value {
    match value {
        Any::StringValue(text) => json!(text),
        Any::BoolValue(flag) => json!(flag),
        Any::IntValue(number) => json!(number),
        Any::DoubleValue(number) => json!(number),
        Any::ArrayValue(list) => list.values.iter().map(plain_any).collect(),
        other => panic!("{other:?} is no value that readers understand"),
    }
}

fn plain_any(value: &AnyValue) -> Value {
    plain(value.value.as_ref().expect("an item has a value"))
}

impl Sent {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.span.name
    }

    /// Its attributes.
    #[track_caller]
    pub fn attributes(&self) -> BTreeMap<String, Any> {
        by_name(&self.span.attributes)
    }

    /// An attribute as JSON; `null` where there is none.
    #[track_caller]
    pub fn get(&self, name: &str) -> Value {
        self.attributes().get(name).map_or(Value::Null, plain)
    }

    /// An attribute that is a text of JSON, as what it says.
    #[track_caller]
    pub fn json(&self, name: &str) -> Value {
        let text = self.get(name);
        let text = text.as_str().unwrap_or_else(|| panic!("{name}: {text}"));
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{name} is {text:?}: {error}"))
    }

    /// Its id, in hex.
    pub fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    /// Its parent's id; empty where there is none.
    pub fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// Its trace's id.
    pub fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    /// The code and message of its status.
    pub fn status(&self) -> (i32, String) {
        let status = self.span.status.clone().unwrap_or_default();
        (status.code, status.message)
    }

    /// Its events: names, and attributes as JSON.
    #[track_caller]
    pub fn events(&self) -> Vec<(String, Value)> {
        let events = self.span.events.iter();
        events
            .map(|event| {
                let attributes = by_name(&event.attributes);
                let members = attributes
                    .iter()
                    .map(|(name, value)| (name.clone(), plain(value)));
                (event.name.clone(), Value::Object(members.collect()))
            })
            .collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
