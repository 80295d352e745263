//! Model calls through a plain `reqwest` client, of either version that is in use. What differs
//! in types and not in words is written once, in [`glue`].

mod glue;

use crate::calls::ModelCalls;

#[cfg(any(feature = "openai", feature = "reqwest-middleware"))]
pub(super) use current::{begin, carry, told, watch};

/// Sends requests that are model calls inside a span: those of `reqwest` 0.13 (feature `reqwest`) and 0.12 (feature
/// `reqwest-012`).
///
/// OpenAI, Anthropic and Gemini are known by the path, at any address, and so is whoever speaks like them. The request
/// and the answer are what they are without it: bytes, headers, errors, and each chunk of a stream at the time it
/// comes. What is no model call passes unrecorded; it carries the trace along in `traceparent`, so that the server that
/// gets it can go on with it, which [`ModelCalls::propagate`] has a say in.
///
/// ```no_run
/// # #[cfg(feature = "reqwest")]
/// # async fn run(request: &serde_json::Value) -> Result<(), reqwest::Error> {
/// use rollout::SendTraced as _;
///
/// let answer = reqwest::Client::new()
///     .post("https://api.anthropic.com/v1/messages")
///     .body(request.to_string())
///     .send_traced()
///     .await?;
/// # Ok(()) }
/// ```
pub trait SendTraced: Sized + sealed::Sealed {
    /// What `send` gives.
    type Response;
    /// What `send` fails with.
    type Error;

    /// Sends the request, as `send` does.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    fn send_traced(self) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send {
        self.send_traced_with(ModelCalls::new())
    }

    /// The same, with a say in what is recorded.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    fn send_traced_with(
        self,
        calls: ModelCalls,
    ) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send;
}

mod sealed {
    pub trait Sealed {}
}

#[cfg(feature = "reqwest")]
glue::glue!(current, reqwest, "reqwest");
#[cfg(feature = "reqwest-012")]
glue::glue!(before, reqwest_012, "reqwest-012");

/// What went wrong, without the address, whose query may hold a key: of a chain of errors, only those of the HTTP
/// client itself tell it.
fn message<E: std::error::Error + 'static>(kind: &str, error: &E) -> String {
    let mut message = kind.to_owned();
    let mut source = error.source();
    while let Some(error) = source {
        if !error.is::<E>() {
            message.push_str(": ");
            message.push_str(&error.to_string());
        }
        source = error.source();
    }
    message
}
