//! Exec, Attach and PortForward: checked here, and carried out when the client comes to the URL.

use podling_proto::runtime::v1 as cri;
use tonic::Status;

use super::decode::DecodeError;
use crate::lifecycle::Lifecycle;
use crate::streaming::{
    AttachCall, Call, ExecCall, PortForwardCall, TooManyInFlight, Urls, Wanted,
};

impl From<TooManyInFlight> for Status {
    fn from(error: TooManyInFlight) -> Self {
        Status::resource_exhausted(error.to_string())
    }
}

pub(super) fn exec(
    lifecycle: &Lifecycle,
    urls: &Urls,
    request: cri::ExecRequest,
) -> Result<cri::ExecResponse, Status> {
    let cri::ExecRequest {
        container_id,
        cmd,
        tty,
        stdin,
        stdout,
        stderr,
    } = request;
    let wanted = check(Wanted {
        stdin,
        stdout,
        stderr,
        tty,
    })?;
    if cmd.is_empty() {
        return Err(DecodeError::Missing("cmd").into());
    }
    let call = Call::Exec(ExecCall {
        container: lifecycle.running_container(&container_id)?.to_string(),
        command: cmd,
        wanted,
    });
    let url = urls.issue(call)?;
    Ok(cri::ExecResponse { url })
}

pub(super) fn attach(
    lifecycle: &Lifecycle,
    urls: &Urls,
    request: cri::AttachRequest,
) -> Result<cri::AttachResponse, Status> {
    let cri::AttachRequest {
        container_id,
        stdin,
        tty,
        stdout,
        stderr,
    } = request;
    let wanted = check(Wanted {
        stdin,
        stdout,
        stderr,
        tty,
    })?;
    let call = Call::Attach(AttachCall {
        container: lifecycle.running_container(&container_id)?.to_string(),
        wanted,
    });
    let url = urls.issue(call)?;
    Ok(cri::AttachResponse { url })
}

pub(super) fn port_forward(
    lifecycle: &Lifecycle,
    urls: &Urls,
    request: cri::PortForwardRequest,
) -> Result<cri::PortForwardResponse, Status> {
    let cri::PortForwardRequest {
        pod_sandbox_id,
        port,
    } = request;
    let ports = port.into_iter().map(number).collect::<Result<_, _>>()?;
    let call = Call::PortForward(PortForwardCall {
        sandbox: lifecycle.ready_sandbox(&pod_sandbox_id)?.to_string(),
        ports,
    });
    let url = urls.issue(call)?;
    Ok(cri::PortForwardResponse { url })
}

/// At least one stream, and no standard error beside a terminal, which has but one output.
fn check(wanted: Wanted) -> Result<Wanted, DecodeError> {
    let invalid = |field, rule| {
        Err(DecodeError::Invalid {
            field,
            value: format!("{wanted:?}"),
            rule,
        })
    };
    match wanted {
        Wanted {
            tty: true,
            stderr: true,
            ..
        } => invalid("stderr", "it is not told from stdout on a tty"),
        Wanted {
            stdin: false,
            stdout: false,
            stderr: false,
            ..
        } => invalid("stdin, stdout, stderr", "at least one is expected"),
        wanted => Ok(wanted),
    }
}

fn number(port: i32) -> Result<u16, DecodeError> {
    match u16::try_from(port) {
        Ok(port @ 1..) => Ok(port),
        Ok(0) | Err(_) => Err(DecodeError::Invalid {
            field: "port",
            value: port.to_string(),
            rule: "a port is 1 to 65535",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(streams: [bool; 4]) -> bool {
        let [stdin, stdout, stderr, tty] = streams;
        let wanted = Wanted {
            stdin,
            stdout,
            stderr,
            tty,
        };
        check(wanted).is_ok()
    }

    #[test]
    fn a_stream_must_be_asked_for_and_a_tty_has_no_stderr() {
        assert!(is_allowed([true, true, true, false]));
        assert!(is_allowed([true, false, false, false]));
        assert!(is_allowed([true, true, false, true]));
        assert!(!is_allowed([false, false, false, false]));
        assert!(!is_allowed([false, false, false, true]));
        assert!(!is_allowed([true, true, true, true]));
    }

    #[test]
    fn ports_are_those_of_tcp() {
        assert_eq!(number(65535), Ok(65535));
        for port in [0, -1, 65536] {
            assert!(number(port).is_err(), "{port}");
        }
    }
}
