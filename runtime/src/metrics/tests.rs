//! What is counted stands in the text.

use std::io::{Read, Write};

use super::*;

fn text_of(metrics: &Metrics) -> String {
    metrics.text(&Census::default())
}

#[test]
fn calls_are_counted_by_service_method_and_code() {
    let metrics = Metrics::default();
    for (code, took) in [("OK", 3), ("OK", 30_000), ("NotFound", 1)] {
        let took = Duration::from_millis(took);
        metrics.rpc("RuntimeService", "PodSandboxStatus", code, took);
    }
    let text = text_of(&metrics);
    for line in [
        "podling_runtime_rpc_duration_seconds_count{service=\"RuntimeService\",method=\"PodSandboxStatus\",code=\"OK\"} 2",
        "podling_runtime_rpc_duration_seconds_count{service=\"RuntimeService\",method=\"PodSandboxStatus\",code=\"NotFound\"} 1",
        "podling_runtime_rpc_duration_seconds_bucket{le=\"0.004\",service=\"RuntimeService\",method=\"PodSandboxStatus\",code=\"OK\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_phase_is_measured_also_when_it_fails() {
    let metrics = Metrics::default();
    let failed = metrics
        .phase(Phase::StartLaunch, async { Err::<(), _>("no") })
        .await;
    assert_eq!(failed, Err("no"));
    let text = text_of(&metrics);
    let line = "podling_runtime_phase_duration_seconds_count{operation=\"StartContainer\",phase=\"launch\"} 1";
    assert!(text.contains(line), "{text}");
}

#[test]
fn sessions_and_pulls_are_counted_for_as_long_as_they_last() {
    let metrics = Metrics::default();
    let session = metrics.session(SessionKind::Exec);
    let pulling = metrics.pulling();
    let text = text_of(&metrics);
    assert!(
        text.contains("podling_runtime_sessions{kind=\"exec\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("podling_runtime_image_pulls_underway 1"),
        "{text}"
    );
    drop((session, pulling));
    metrics.pulled(Pulled::Whole, Duration::from_secs(1));
    metrics.fetched(512);
    let text = text_of(&metrics);
    for line in [
        "podling_runtime_sessions{kind=\"exec\"} 0",
        "podling_runtime_image_pulls_underway 0",
        "podling_runtime_image_pull_duration_seconds_count{result=\"ok\"} 1",
        "podling_runtime_image_pull_bytes_total 512",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn every_state_has_a_number_also_when_nothing_is_in_it() {
    let text = text_of(&Metrics::default());
    for line in [
        "podling_runtime_pods{state=\"ready\"} 0",
        "podling_runtime_containers{state=\"running\"} 0",
        "podling_runtime_monitors 0",
        "podling_runtime_event_subscribers 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn the_server_answers_one_path_until_it_is_told_to_stop() {
    let server = Server::listen("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let address = server.address();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server.serve(|| "all is well\n".to_owned(), shutdown.clone()));
    let asking = tokio::task::spawn_blocking(move || {
        ["GET /metrics", "GET /", "POST /metrics"].map(|line| {
            let mut socket = std::net::TcpStream::connect(address).unwrap();
            let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            socket.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            answer
        })
    });
    let [scraped, other, posted] = asking.await.unwrap();
    assert!(
        scraped.starts_with("HTTP/1.1 200") && scraped.ends_with("all is well\n"),
        "{scraped}"
    );
    assert!(other.starts_with("HTTP/1.1 404"), "{other}");
    assert!(posted.starts_with("HTTP/1.1 405"), "{posted}");
    shutdown.cancel();
    serving.await.unwrap();
}
use tokio_util::sync::CancellationToken;
