//! ExecSync, whose answer may be 32 MiB: its pieces are let go of one by one as they are written into the
//! message, so that nothing of it is there twice.
//!
//! The generated service would want the whole answer beside the message that is made of it. It is
//! asked everything else.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::BufMut;
use futures::future::BoxFuture;
use hyper::http::{Request, Response};
use podling_proto::runtime::v1 as cri;
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, UnaryService};
use tower::Service;

use super::decode::DecodeError;
use super::runtime_service::seconds;
use super::server::{ANSWER_LIMIT, MESSAGE_LIMIT};
use crate::lifecycle::{Captured, ExecOutcome, Lifecycle};

const PATH: &str = "/runtime.v1.RuntimeService/ExecSync";
/// Keys of `stdout` and `stderr`: fields 1 and 2, delimited by their length.
const STDOUT: u8 = 1 << 3 | 2;
const STDERR: u8 = 2 << 3 | 2;
/// A key and a length.
const FIELD_HEADER: usize = 6;

/// A service that answers ExecSync itself, and leaves the rest to `inner`.
#[derive(Clone, Debug)]
pub(super) struct WithExecSync<S> {
    pub(super) inner: S,
    pub(super) lifecycle: Lifecycle,
}

impl<S: NamedService> NamedService for WithExecSync<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for WithExecSync<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != PATH {
            return Box::pin(self.inner.call(request));
        }
        let method = ExecSync(self.lifecycle.clone());
        Box::pin(async move {
            let limits = (Some(MESSAGE_LIMIT), Some(ANSWER_LIMIT));
            let grpc = Grpc::new(AnswerCodec);
            let mut grpc = grpc.apply_max_message_size_config(limits.0, limits.1);
            Ok(grpc.unary(method, request).await)
        })
    }
}

struct ExecSync(Lifecycle);

impl UnaryService<cri::ExecSyncRequest> for ExecSync {
    type Response = ExecOutcome;
    type Future = BoxFuture<'static, Result<tonic::Response<ExecOutcome>, Status>>;

    fn call(&mut self, request: tonic::Request<cri::ExecSyncRequest>) -> Self::Future {
        let lifecycle = self.0.clone();
        Box::pin(async move {
            let cri::ExecSyncRequest {
                container_id,
                cmd,
                timeout,
            } = request.into_inner();
            if cmd.is_empty() {
                return Err(DecodeError::Missing("cmd").into());
            }
            // Zero and less set no limit, as the contract has it.
            let limit = Some(seconds(timeout)).filter(|limit| !limit.is_zero());
            let outcome = lifecycle.exec_sync(&container_id, cmd, limit).await?;
            Ok(tonic::Response::new(outcome))
        })
    }
}

/// Reads requests as usual, and writes answers in pieces.
#[derive(Clone, Copy, Debug)]
struct AnswerCodec;

impl Codec for AnswerCodec {
    type Encode = ExecOutcome;
    type Decode = cri::ExecSyncRequest;
    type Encoder = AnswerEncoder;
    type Decoder = RequestDecoder;

    fn encoder(&mut self) -> AnswerEncoder {
        AnswerEncoder
    }

    fn decoder(&mut self) -> RequestDecoder {
        RequestDecoder
    }
}

#[derive(Clone, Copy, Debug)]
struct RequestDecoder;

impl Decoder for RequestDecoder {
    type Item = cri::ExecSyncRequest;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let decoded = cri::ExecSyncRequest::decode(message);
        decoded
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

#[derive(Clone, Copy, Debug)]
struct AnswerEncoder;

impl Encoder for AnswerEncoder {
    type Item = ExecOutcome;
    type Error = Status;

    fn encode(&mut self, answer: ExecOutcome, message: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.reserve(answer.stdout.len() + answer.stderr.len() + 3 * FIELD_HEADER);
        write(answer, message);
        Ok(())
    }
}

/// The message is a concatenation of its fields.
fn write(answer: ExecOutcome, message: &mut impl BufMut) {
    let ExecOutcome {
        stdout,
        stderr,
        exit_code,
    } = answer;
    write_field(STDOUT, stdout, message);
    write_field(STDERR, stderr, message);
    let code = cri::ExecSyncResponse {
        exit_code,
        ..Default::default()
    };
    message.put_slice(&code.encode_to_vec());
}

fn write_field(key: u8, value: Captured, message: &mut impl BufMut) {
    if value.is_empty() {
        return;
    }
    message.put_u8(key);
    let mut length = Vec::with_capacity(FIELD_HEADER);
    prost::encode_length_delimiter(value.len(), &mut length).expect("a vector grows");
    message.put_slice(&length);
    for piece in value.into_pieces() {
        message.put_slice(&piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_pieces_is_the_message_that_clients_read() {
        for (stdout, stderr, exit_code) in [
            (&[&b"a"[..], b"bc"][..], &[][..], 0),
            (&[], &[&b"x"[..]], 137),
            (&[&[7; 300][..], &[8; 40_000]], &[&[9; 200][..]], 255),
            (&[], &[], 0),
        ] {
            let captured = |pieces: &[&[u8]]| {
                let pieces = pieces.iter().map(|piece| piece.to_vec());
                pieces.collect::<Captured>()
            };
            let mut message = Vec::new();
            let answer = ExecOutcome {
                stdout: captured(stdout),
                stderr: captured(stderr),
                exit_code,
            };
            write(answer, &mut message);
            let expected = cri::ExecSyncResponse {
                stdout: stdout.concat(),
                stderr: stderr.concat(),
                exit_code,
            };
            assert_eq!(
                cri::ExecSyncResponse::decode(&message[..]).unwrap(),
                expected
            );
        }
    }
}
