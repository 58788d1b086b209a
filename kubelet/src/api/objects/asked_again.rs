//! Claims and volumes, asked for again and again: a node may get one by its name, and neither list nor
//! watch them (the Node authorizer of Kubernetes 1.36).

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Seen;
use super::follow::{collection, seen};
use super::told::Told;
use crate::api::client::Client;
use crate::model::{Object, ObjectKind};

/// The first wait for a claim that is not bound, or for what is not there.
const SOON: Duration = Duration::from_millis(200);
/// The longest of such waits, each of which is twice the one before.
const LATER: Duration = Duration::from_secs(5);
/// Until what serves is looked at again: it may have grown.
const RARELY: Duration = Duration::from_secs(60);

/// Whether a node has to ask for objects of this kind.
pub(super) fn is_for(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::PersistentVolumeClaim | ObjectKind::PersistentVolume
    )
}

/// Asks until `end`, and tells what has changed.
pub(super) async fn ask(client: Client, told: Told, end: CancellationToken) {
    // A request that is given up has told nobody.
    end.run_until_cancelled(ask_again(&client, &told)).await;
}

async fn ask_again(client: &Client, told: &Told) {
    let key = &told.key;
    let collection = collection(key).expect("claims and volumes are in a collection");
    let path = format!("{collection}/{}", key.name);
    let mut wait = SOON;
    loop {
        let now = match client.get(&path).await {
            Ok(object) => Some(seen(key, object)),
            Err(error) if error.is_not_found() => Some(Seen::Missing),
            // What was known is better than nothing.
            Err(_) if told.has_one() => None,
            Err(error) => Some(Seen::Wrong(error.to_string())),
        };
        if let Some(now) = now {
            told.say(now);
        }
        let pause = if told.is(serves) {
            wait = SOON;
            RARELY
        } else {
            let longer = (2 * wait).min(LATER);
            std::mem::replace(&mut wait, longer)
        };
        sleep(pause).await;
    }
}

/// Whether a pod can use it as it is.
fn serves(seen: &Seen) -> bool {
    match seen {
        Seen::There(Object::PersistentVolumeClaim(claim)) => claim.is_bound,
        Seen::There(_) => true,
        _ => false,
    }
}
