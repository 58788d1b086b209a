//! What is there, cut into messages that can be sent.

use podling_proto::nri as wire;
use prost::Message;

/// The longest Synchronize request that is sent; the rest of 4 MiB is for what goes around it.
pub(in crate::nri) const LONGEST_REQUEST: usize = (4 << 20) - (4 << 10);

/// Requests no longer than `limit`, as far as one pod or container allows that. All but the last say
/// that there is more.
pub(in crate::nri) fn requests(
    pods: Vec<wire::PodSandbox>,
    containers: Vec<wire::Container>,
    limit: usize,
) -> Vec<wire::SynchronizeRequest> {
    let mut requests = vec![wire::SynchronizeRequest::default()];
    let mut length = 0;
    let mut with_room = |requests: &mut Vec<wire::SynchronizeRequest>, size: usize| {
        // The number of the field and the length of what follows.
        let size = size + 1 + prost::length_delimiter_len(size);
        if length > 0 && length + size > limit {
            if let Some(full) = requests.last_mut() {
                full.more = true;
            }
            requests.push(wire::SynchronizeRequest::default());
            length = 0;
        }
        length += size;
    };
    for pod in pods {
        with_room(&mut requests, pod.encoded_len());
        if let Some(last) = requests.last_mut() {
            last.pods.push(pod);
        }
    }
    for container in containers {
        with_room(&mut requests, container.encoded_len());
        if let Some(last) = requests.last_mut() {
            last.containers.push(container);
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(id: &str) -> wire::PodSandbox {
        wire::PodSandbox {
            id: id.to_owned(),
            ..Default::default()
        }
    }

    fn container(id: &str) -> wire::Container {
        wire::Container {
            id: id.to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn what_fits_is_one_request_even_when_there_is_nothing() {
        assert_eq!(requests(Vec::new(), Vec::new(), 100).len(), 1);
        let one = requests(vec![pod("a")], vec![container("b")], 100);
        assert_eq!((one.len(), one[0].more), (1, false));
    }

    #[test]
    fn what_does_not_fit_goes_on_in_order_and_only_the_last_ends_it() {
        let pods: Vec<_> = (0..10).map(|n| pod(&format!("pod-{n}"))).collect();
        let containers: Vec<_> = (0..10).map(|n| container(&format!("con-{n}"))).collect();
        let split = requests(pods.clone(), containers.clone(), 64);
        assert!(split.len() > 2);
        let longest = split.iter().map(Message::encoded_len).max();
        assert!(longest <= Some(64 + 2), "{longest:?}");
        let more: Vec<bool> = split.iter().map(|request| request.more).collect();
        assert_eq!(more.iter().filter(|more| !**more).count(), 1);
        assert_eq!(more.last(), Some(&false));
        let all_pods: Vec<_> = split.iter().flat_map(|one| one.pods.clone()).collect();
        let all: Vec<_> = split
            .iter()
            .flat_map(|one| one.containers.clone())
            .collect();
        assert_eq!((all_pods, all), (pods, containers));
    }
}
