//! A server that answers at once, and each chunk by a write of its own: as fast as it can, or at a pace.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Chunks of a stream.
const CHUNKS: usize = 2_000;

/// Between two chunks of a stream with a pace: enough for the reader to have read the one before.
const PACE: Duration = Duration::from_micros(50);

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"It rains in Oslo, as it does most days at this time of the year."}}],"usage":{"prompt_tokens":25000,"completion_tokens":16,"total_tokens":25016}}"#;

/// Serves for as long as the program runs.
pub(crate) fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || serve(connection));
        }
    });
    address
}

fn serve(mut connection: TcpStream) -> Option<()> {
    connection.set_nodelay(true).ok()?;
    let mut requests = BufReader::new(connection.try_clone().ok()?);
    loop {
        let asked = take_request(&mut requests)?;
        if asked == Asked::Whole {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                ANSWER.len()
            );
            connection.write_all((head + ANSWER).as_bytes()).ok()?;
        } else {
            connection
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                .ok()?;
            for n in 0..CHUNKS {
                let event = format!(
                    "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"word{n} \"}}}}]}}\n\n"
                );
                let chunk = format!("{:x}\r\n{event}\r\n", event.len());
                connection.write_all(chunk.as_bytes()).ok()?;
                if asked == Asked::Paced {
                    std::thread::sleep(PACE);
                }
            }
            connection
                .write_all(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
                .ok()?;
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Whole,
    Burst,
    Paced,
}

/// Reads a request.
fn take_request(requests: &mut BufReader<TcpStream>) -> Option<Asked> {
    let (mut asked, mut length) = (Asked::Whole, 0);
    for index in 0.. {
        let mut line = String::new();
        requests
            .read_line(&mut line)
            .ok()
            .filter(|read| *read > 0)?;
        if index == 0 {
            if line.contains("/burst/") {
                asked = Asked::Burst;
            } else if line.contains("/paced/") {
                asked = Asked::Paced;
            }
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    requests.read_exact(&mut body).ok()?;
    Some(asked)
}
