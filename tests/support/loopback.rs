//! A scripted HTTP server on this machine that can misbehave at any byte.
//!
//! One reply for one request, in order; every request is recorded. It speaks HTTP/1.1 over
//! plain threads, because a mock library cannot pause inside a frame or cut one.
//!
//! ```ignore
//! let server = Loopback::start(vec![Reply::status(429).header("retry-after", "1"),
//!                                   Reply::sse(anthropic_text("hello"))]);
//! // point `providers.<id>.baseURL` at server.url(), run, then:
//! assert_eq!(server.requests()[0].header("x-api-key"), Some("key"));
//! ```

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the server does with one request.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunk: usize,
    end: End,
    repeat: usize,
    verbatim: bool,
}

/// How a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Properly.
    Clean,
    /// The connection closes inside the body.
    Cut,
    /// Nothing more is sent and the connection stays open.
    Stall,
    /// Comments for ever, which are no content.
    KeepAlives,
    /// The last piece of the body for ever.
    Endless,
}

impl Reply {
    /// `200` with a stream of events.
    pub fn sse(body: impl Into<Vec<u8>>) -> Reply {
        let reply = Reply {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
            chunk: usize::MAX,
            end: End::Clean,
            repeat: 1,
            verbatim: false,
        };
        reply.header("content-type", "text/event-stream")
    }

    /// Any status with an empty JSON object.
    pub fn status(status: u16) -> Reply {
        Reply::json(status, &json!({}))
    }

    /// Any status with a JSON body.
    pub fn json(status: u16, body: &Value) -> Reply {
        let mut reply = Reply::sse(body.to_string());
        reply.status = status;
        reply.headers.clear();
        reply.header("content-type", "application/json")
    }

    /// A page, as proxies and portals send it.
    pub fn html(status: u16, body: &str) -> Reply {
        let mut reply = Reply::sse(body);
        reply.status = status;
        reply.headers.clear();
        reply.header("content-type", "text/html; charset=utf-8")
    }

    /// A redirect.
    pub fn redirect(to: &str) -> Reply {
        Reply::status(307).header("location", to)
    }

    /// Bytes written as they are, status line included; the connection closes after them.
    pub fn verbatim(bytes: impl Into<Vec<u8>>) -> Reply {
        Reply { verbatim: true, ..Reply::sse(bytes) }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends the body in HTTP chunks of at most `size` bytes.
    pub fn chunks_of(mut self, size: usize) -> Reply {
        self.chunk = size.max(1);
        self
    }

    /// Sends only the first `bytes` of the body, then closes the connection in mid-air.
    pub fn cut_at(mut self, bytes: usize) -> Reply {
        self.body.truncate(bytes);
        self.end = End::Cut;
        self
    }

    /// Sends only the first `bytes` of the body, then ends it as if that were all.
    pub fn ends_at(mut self, bytes: usize) -> Reply {
        self.body.truncate(bytes);
        self
    }

    /// Sends the first `bytes` of the body, then nothing while the connection stays open.
    pub fn stalls_at(mut self, bytes: usize) -> Reply {
        self.body.truncate(bytes);
        self.end = End::Stall;
        self
    }

    /// Sends the first `bytes` of the body, then comments that say nothing.
    pub fn keeps_alive_at(mut self, bytes: usize) -> Reply {
        self.body.truncate(bytes);
        self.end = End::KeepAlives;
        self
    }

    /// Sends the body and then `piece` until the client has had enough.
    pub fn then_endless(mut self, piece: &str) -> Reply {
        self.end = End::Endless;
        self.chunk = self.body.len().max(1);
        self.body.extend_from_slice(piece.as_bytes());
        self
    }

    /// Gives this reply `times` times.
    pub fn times(mut self, times: usize) -> Reply {
        self.repeat = times;
        self
    }
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// For example `POST`.
    pub method: String,
    /// The request target: a path, or a whole URL when Ion talks to a proxy.
    pub target: String,
    /// Header names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Recorded {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// A running server. Stops when dropped.
pub struct Loopback {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// Makes a reply from a request.
type Handler = Box<dyn Fn(&Recorded) -> Reply + Send + Sync>;

struct Shared {
    handler: Option<Handler>,
    replies: Mutex<std::collections::VecDeque<Reply>>,
    requests: Mutex<Vec<Recorded>>,
    stopped: AtomicBool,
    open: AtomicUsize,
}

impl Loopback {
    /// Starts a server on a free port. When the replies are used up it answers 500.
    pub fn start(replies: Vec<Reply>) -> Loopback {
        Loopback::serve(replies, None)
    }

    /// Starts a server that makes each reply from its request.
    pub fn answering(handler: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Loopback {
        Loopback::serve(Vec::new(), Some(Box::new(handler)))
    }

    fn serve(replies: Vec<Reply>, handler: Option<Handler>) -> Loopback {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            handler,
            replies: Mutex::new(replies.into()),
            requests: Mutex::new(Vec::new()),
            stopped: AtomicBool::new(false),
            open: AtomicUsize::new(0),
        });
        let for_thread = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if for_thread.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&for_thread);
                shared.open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    drop(shared.serve(stream));
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Loopback { address, shared, acceptor: Some(acceptor) }
    }

    /// `http://127.0.0.1:PORT`, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().expect("requests").clone()
    }

    /// How many connections are open now, to see whether a client has hung up.
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which is waiting for a connection.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

impl Shared {
    /// Serves the requests of one connection until it ends.
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        while let Some(request) = read_request(&mut stream)? {
            self.requests.lock().expect("requests").push(request.clone());
            let reply = match &self.handler {
                Some(handler) => handler(&request),
                None => self.next_reply(),
            };
            if !self.answer(&reply, &mut stream)? {
                return stream.shutdown(Shutdown::Both);
            }
        }
        Ok(())
    }

    fn next_reply(&self) -> Reply {
        let mut replies = self.replies.lock().expect("replies");
        match replies.front_mut() {
            Some(reply) if reply.repeat > 1 => {
                reply.repeat -= 1;
                reply.clone()
            }
            Some(_) => replies.pop_front().expect("a reply"),
            None => Reply::json(500, &json!({"error": {"message": "no further reply"}})),
        }
    }

    /// Writes a reply; `true` when the connection can be used again.
    fn answer(&self, reply: &Reply, stream: &mut TcpStream) -> std::io::Result<bool> {
        if reply.verbatim {
            stream.write_all(&reply.body)?;
            return Ok(false);
        }
        let mut head =
            format!("HTTP/1.1 {} Scripted\r\ntransfer-encoding: chunked\r\n", reply.status);
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        for piece in reply.body.chunks(reply.chunk) {
            write_chunk(stream, piece)?;
        }
        match reply.end {
            End::Clean => {
                stream.write_all(b"0\r\n\r\n")?;
                return Ok(true);
            }
            End::Cut => {}
            End::Stall => self.until_stopped(|| Ok(()))?,
            End::KeepAlives => self.until_stopped(|| write_chunk(stream, b": still here\n\n"))?,
            End::Endless => {
                let piece = reply.body.chunks(reply.chunk).next_back().unwrap_or(b"x").to_vec();
                while !self.stopped.load(Ordering::SeqCst) {
                    write_chunk(stream, &piece)?;
                }
            }
        }
        Ok(false)
    }

    fn until_stopped(&self, mut step: impl FnMut() -> std::io::Result<()>) -> std::io::Result<()> {
        while !self.stopped.load(Ordering::SeqCst) {
            step()?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn write_chunk(stream: &mut TcpStream, piece: &[u8]) -> std::io::Result<()> {
    let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
    framed.extend_from_slice(piece);
    framed.extend_from_slice(b"\r\n");
    stream.write_all(&framed)
}

/// Reads one request; `None` when the client has closed the connection.
fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<Recorded>> {
    let mut bytes = Vec::new();
    let mut piece = [0u8; 16 * 1024];
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        match stream.read(&mut piece)? {
            0 => return Ok(None),
            n => bytes.extend_from_slice(&piece[..n]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        match stream.read(&mut piece)? {
            0 => return Ok(None),
            n => body.extend_from_slice(&piece[..n]),
        }
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(Recorded { method, target, headers, body }))
}

fn events(events: &[Value]) -> String {
    let named =
        |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    events.iter().map(named).collect()
}

fn anthropic(blocks: &[Value], stop: &str) -> String {
    let mut all = vec![json!({"type": "message_start", "message": {
        "id": "msg_loopback", "type": "message", "role": "assistant", "content": [],
        "usage": {"input_tokens": 20, "cache_read_input_tokens": 8, "output_tokens": 1},
    }})];
    all.push(json!({"type": "ping"}));
    all.extend_from_slice(blocks);
    all.push(json!({"type": "message_delta", "delta": {"stop_reason": stop},
        "usage": {"output_tokens": 9}}));
    all.push(json!({"type": "message_stop"}));
    events(&all)
}

fn anthropic_words(index: usize, text: &str) -> Vec<Value> {
    let mut all = vec![json!({"type": "content_block_start", "index": index,
        "content_block": {"type": "text", "text": ""}})];
    for piece in text.split_inclusive(' ') {
        all.push(json!({"type": "content_block_delta", "index": index,
            "delta": {"type": "text_delta", "text": piece}}));
    }
    all.push(json!({"type": "content_block_stop", "index": index}));
    all
}

/// A Messages answer of text: 20 input, 8 cached and 9 output tokens.
pub fn anthropic_text(text: &str) -> String {
    anthropic(&anthropic_words(0, text), "end_turn")
}

/// A Messages answer with some text and one call, its input in pieces of three characters.
pub fn anthropic_tool_call(name: &str, input: &Value) -> String {
    let mut all = anthropic_words(0, "Let me see.");
    all.push(json!({"type": "content_block_start", "index": 1,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}}));
    for piece in pieces(&input.to_string()) {
        all.push(json!({"type": "content_block_delta", "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": piece}}));
    }
    all.push(json!({"type": "content_block_stop", "index": 1}));
    anthropic(&all, "tool_use")
}

fn openai(deltas: &[Value], finish: &str) -> String {
    let chunk = |choices: Value| {
        json!({"id": "chatcmpl-loopback", "object": "chat.completion.chunk",
        "choices": choices, "usage": null})
    };
    let mut all: Vec<Value> =
        deltas.iter().map(|delta| chunk(json!([{"index": 0, "delta": delta}]))).collect();
    all.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": finish}])));
    let mut last = chunk(json!([]));
    last["usage"] = json!({"prompt_tokens": 28, "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 8}});
    all.push(last);
    let mut body: String = all.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    body.push_str("data: [DONE]\n\n");
    body
}

/// A Chat Completions answer of text: 20 input, 8 cached and 9 output tokens.
pub fn openai_text(text: &str) -> String {
    let deltas: Vec<Value> =
        text.split_inclusive(' ').map(|piece| json!({"content": piece})).collect();
    openai(&deltas, "stop")
}

/// A Chat Completions answer with one call, its input in pieces of three characters.
pub fn openai_tool_call(name: &str, input: &Value) -> String {
    let mut deltas = vec![
        json!({"role": "assistant", "content": null}),
        json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
            "function": {"name": name, "arguments": ""}}]}),
    ];
    for piece in pieces(&input.to_string()) {
        deltas.push(json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}));
    }
    openai(&deltas, "tool_calls")
}

fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(3).map(|piece| piece.iter().collect()).collect()
}
