//! A plugin of the Node Resource Interface, played by a test: it speaks the real protocol over the
//! node's socket, remembers what it is asked, and answers as the test says.
//!
//! ```text
//! socket:      | connection 32 | length 32 | payload ... |
//! connection:  | length 32 | stream 32 | kind 8 | flags 8 | data |
//! ```

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use podling_proto::nri::{
    ConfigureResponse, RegisterPluginRequest, SynchronizeRequest, SynchronizeResponse,
    UpdateContainersRequest, UpdateContainersResponse,
};
use podling_proto::ttrpc::{Request, Response, Status};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::wait::{DEADLINE, wait_for, wait_until};

/// The connection on which the plugin is asked.
const PLUGIN: u32 = 1;
/// The connection on which it asks.
const RUNTIME: u32 = 2;
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;

/// Something that the plugin was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The encoded request.
    pub payload: Vec<u8>,
}

impl Asked {
    /// The request as what it is.
    pub fn request<T: Message + Default>(&self) -> T {
        T::decode(self.payload.as_slice()).expect("podling sends what the contract says")
    }
}

/// How the plugin answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// As one that wants nothing.
    Fine,
    /// With this message.
    Message(Vec<u8>),
    /// With an error.
    Refusal(&'static str),
    /// Never.
    Silence,
    /// By closing its socket.
    Death,
    /// With bytes that are no frame.
    Garbage,
}

impl Answer {
    /// With this message.
    pub fn with(message: &impl Message) -> Self {
        Self::Message(message.encode_to_vec())
    }
}

/// A plugin that is connected.
#[derive(Debug)]
pub struct Plugin {
    asked: Arc<Mutex<Vec<Asked>>>,
    calls: mpsc::UnboundedSender<(Request, oneshot::Sender<Response>)>,
    task: JoinHandle<()>,
}

/// Where a node's plugins connect.
pub fn socket(root: &Path) -> PathBuf {
    root.join("var/run/nri/nri.sock")
}

impl Plugin {
    /// Connects a plugin named as `10-name`, and waits until it knows what is there.
    pub async fn connect(
        root: &Path,
        name: &str,
        answer: impl FnMut(&Asked) -> Answer + Send + 'static,
    ) -> Self {
        let plugin = Self::register(root, name, answer)
            .await
            .expect("the socket is there");
        plugin.wait_asked("Synchronize").await;
        plugin
    }

    /// Connects one and registers it.
    pub async fn register(
        root: &Path,
        name: &str,
        answer: impl FnMut(&Asked) -> Answer + Send + 'static,
    ) -> io::Result<Self> {
        let stream = UnixStream::connect(socket(root)).await?;
        Ok(Self::over(stream, name, answer).await)
    }

    /// Registers one over a socket to podling.
    pub async fn over(
        stream: UnixStream,
        name: &str,
        answer: impl FnMut(&Asked) -> Answer + Send + 'static,
    ) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (calls, to_call) = mpsc::unbounded_channel();
        let play = Play {
            asked: Arc::clone(&asked),
            answer: Box::new(answer),
            streams: HashMap::new(),
            waiting: HashMap::new(),
            last_stream: 1,
        };
        let plugin = Self {
            asked,
            calls,
            task: tokio::spawn(play.run(stream, to_call)),
        };
        let (index, name) = name.split_once('-').expect("a name is 10-name");
        let request = RegisterPluginRequest {
            plugin_name: name.to_owned(),
            plugin_idx: index.to_owned(),
            nri_version: "test".to_owned(),
        };
        // One that is refused is closed.
        let _ = plugin.call("RegisterPlugin", &request).await;
        plugin
    }

    /// Asks for updates, unasked; gives those that failed.
    pub async fn update(&self, request: UpdateContainersRequest) -> UpdateContainersResponse {
        let response = self.call("UpdateContainers", &request).await;
        let response = response.expect("podling answers");
        assert_eq!(response.status, None, "podling refuses");
        UpdateContainersResponse::decode(response.payload.as_slice()).expect("an answer")
    }

    async fn call(&self, method: &str, request: &impl Message) -> Option<Response> {
        let request = Request {
            service: "nri.pkg.api.v1alpha1.Runtime".to_owned(),
            method: method.to_owned(),
            payload: request.encode_to_vec(),
            ..Request::default()
        };
        let (reply, answer) = oneshot::channel();
        self.calls.send((request, reply)).ok()?;
        answer.await.ok()
    }

    /// Everything that it was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The methods that were called, in order.
    pub fn methods(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.method).collect()
    }

    /// Waits until a method has been called; gives the first call.
    pub async fn wait_asked(&self, method: &str) -> Asked {
        let what = format!("the plugin is asked {method}");
        wait_for(DEADLINE, &what, async || {
            self.asked()
                .into_iter()
                .find(|asked| asked.method == method)
        })
        .await
    }

    /// Waits, for however long, until podling has closed the connection.
    pub async fn run(mut self) {
        // A plugin that breaks has ended too.
        let _ = (&mut self.task).await;
    }

    /// Waits until podling has closed the connection, or the plugin has.
    pub async fn wait_closed(&self) {
        wait_until(DEADLINE, "the plugin is left alone", || {
            self.task.is_finished()
        })
        .await;
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Play {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Box<dyn FnMut(&Asked) -> Answer + Send>,
    streams: HashMap<u32, Vec<u8>>,
    waiting: HashMap<u32, oneshot::Sender<Response>>,
    last_stream: u32,
}

impl Play {
    async fn run(
        mut self,
        stream: UnixStream,
        mut calls: mpsc::UnboundedReceiver<(Request, oneshot::Sender<Response>)>,
    ) {
        let (mut reading, mut writing) = stream.into_split();
        let (frames, mut to_take) = mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            while let Ok(frame) = read_frame(&mut reading).await {
                if frames.send(frame).is_err() {
                    return;
                }
            }
        });
        loop {
            let going_on = tokio::select! {
                frame = to_take.recv() => match frame {
                    Some((connection, payload)) => self.take(connection, &payload, &mut writing).await,
                    None => break,
                },
                Some((request, reply)) = calls.recv() => {
                    let stream = self.last_stream;
                    self.last_stream += 2;
                    self.waiting.insert(stream, reply);
                    send(&mut writing, RUNTIME, stream, REQUEST, &request.encode_to_vec()).await
                }
            };
            if going_on.is_err() {
                break;
            }
        }
        reader.abort();
    }

    /// Takes a piece of a connection; an error ends the plugin.
    async fn take(
        &mut self,
        connection: u32,
        payload: &[u8],
        writing: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        self.streams
            .entry(connection)
            .or_default()
            .extend_from_slice(payload);
        while let Some((stream, kind, data)) = self.message(connection) {
            match (connection, kind) {
                (PLUGIN, REQUEST) => self.play(stream, &data, writing).await?,
                (RUNTIME, RESPONSE) => {
                    let response = Response::decode(data.as_slice()).expect("podling's answer");
                    if let Some(waiting) = self.waiting.remove(&stream) {
                        let _ = waiting.send(response);
                    }
                }
                _ => panic!("podling sent kind {kind} on connection {connection}"),
            }
        }
        Ok(())
    }

    /// The next whole message of a connection.
    fn message(&mut self, connection: u32) -> Option<(u32, u8, Vec<u8>)> {
        let buffer = self.streams.get_mut(&connection)?;
        let header = buffer.get(..10)?;
        let (length, stream, kind) = (number(header), number(&header[4..]), header[8]);
        let end = 10 + length as usize;
        let data = buffer.get(10..end)?.to_vec();
        buffer.drain(..end);
        Some((stream, kind, data))
    }

    async fn play(
        &mut self,
        stream: u32,
        data: &[u8],
        writing: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        let request = Request::decode(data).expect("podling's request");
        assert_eq!(request.service, "nri.pkg.api.v1alpha1.Plugin");
        let asked = Asked {
            method: request.method,
            payload: request.payload,
        };
        let answer = (self.answer)(&asked);
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked.clone());
        let response = match answer {
            Answer::Fine => of(fine(&asked)),
            Answer::Message(payload) => of(payload),
            Answer::Refusal(message) => Response {
                status: Some(Status {
                    code: 2,
                    message: message.to_owned(),
                }),
                payload: Vec::new(),
            },
            Answer::Silence => return Ok(()),
            Answer::Death => return Err(io::ErrorKind::ConnectionAborted.into()),
            Answer::Garbage => return writing.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await,
        };
        send(writing, PLUGIN, stream, RESPONSE, &response.encode_to_vec()).await
    }
}

fn of(payload: Vec<u8>) -> Response {
    Response {
        status: None,
        payload,
    }
}

/// What a plugin answers that wants nothing, and wants to hear of everything.
fn fine(asked: &Asked) -> Vec<u8> {
    match asked.method.as_str() {
        "Configure" => ConfigureResponse { events: 0 }.encode_to_vec(),
        "Synchronize" => SynchronizeResponse {
            more: asked.request::<SynchronizeRequest>().more,
            ..SynchronizeResponse::default()
        }
        .encode_to_vec(),
        _ => Vec::new(),
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

async fn read_frame(reading: &mut (impl AsyncReadExt + Unpin)) -> io::Result<(u32, Vec<u8>)> {
    let connection = reading.read_u32().await?;
    let mut payload = vec![0; reading.read_u32().await? as usize];
    reading.read_exact(&mut payload).await?;
    Ok((connection, payload))
}

async fn send(
    writing: &mut OwnedWriteHalf,
    connection: u32,
    stream: u32,
    kind: u8,
    data: &[u8],
) -> io::Result<()> {
    let length = u32::try_from(data.len()).expect("messages of tests are short");
    let mut bytes = Vec::new();
    for word in [connection, length + 10, length, stream] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend([kind, 0]);
    bytes.extend(data);
    writing.write_all(&bytes).await
}
