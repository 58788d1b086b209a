//! Sidecars end last, as far as the grace period lets them.

use std::time::Duration;

use super::{Stage, web};
use crate::cri::fake::Program;
use crate::plan::end_pod;
use crate::plan::fixture::sidecar;
use crate::sync::Executor;

#[tokio::test(start_paused = true)]
async fn a_sidecar_is_told_to_end_when_what_it_serves_has_ended_or_time_is_up() {
    // How long the regular container takes, and what is left for the sidecar.
    for (program, left) in [(Program::RunsOn, 30), (Program::IgnoresStop, 2)] {
        let mut stage = Stage::new();
        stage.runtime.load("registry.test/web:1");
        stage.runtime.load("registry.test/proxy:1");
        stage.runtime.program("web", program);
        let mut pod = web();
        pod.spec.init_containers = vec![sidecar("proxy")];
        stage.settle(&pod).await;
        let observation = stage.observe(&pod).await;
        let ending = end_pod(Some(&pod), &observation, Some(Duration::from_secs(30)));
        stage
            .executor
            .terminate(&observation, &ending)
            .await
            .unwrap();
        let graces = stage.runtime.graces();
        let expected = [("web".to_owned(), 30), ("proxy".to_owned(), left)];
        assert_eq!(graces, expected, "{program:?}");
    }
}
