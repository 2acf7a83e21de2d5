use futures::stream;
use kube::core::Status;

use super::*;
use crate::kinds::Kind;

/// Remembers what arrives, by name.
#[derive(Default)]
struct Names(Mutex<Vec<String>>);

impl Names {
    fn add(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Names {
    type Item = String;

    fn reduce(&self, object: DynamicObject) -> Option<String> {
        object.metadata.name.filter(|name| name != "dropped")
    }

    fn listed(&self, items: Vec<String>) {
        self.add(format!("listed {}", items.join(" ")));
    }

    fn changed(&self, item: String) {
        self.add(format!("changed {item}"));
    }

    fn deleted(&self, item: String) {
        self.add(format!("deleted {item}"));
    }
}

fn target() -> Target {
    Target {
        resource: Kind::Deployment.resource(),
        scope: None,
        selector: None,
        metadata_only: false,
        page_size: 500,
    }
}

fn object(name: &str) -> DynamicObject {
    DynamicObject::new(name, &Kind::Deployment.resource())
}

fn refused(code: u16) -> ClientError {
    let status = Status { code, message: format!("code {code}"), ..Status::default() };
    ClientError::Api(Box::new(status))
}

impl Health {
    /// As if this watch had failed for a minute.
    pub(crate) fn has_failed_for_long(&self, target: &Target) {
        self.failed(target, &watcher::Error::WatchStartFailed(refused(403)));
        self.lock().values_mut().for_each(|failure| failure.since -= FAILING_AFTER);
    }
}

async fn followed(events: Vec<watcher::Result<Event<DynamicObject>>>) -> (Vec<String>, Health) {
    let (names, health) = (Names::default(), Health::default());
    follow(stream::iter(events), &target(), &names, &health, &mut 0).await;
    (names.all(), health)
}

#[tokio::test(start_paused = true)]
async fn a_list_is_handed_over_whole_and_changes_one_by_one() {
    let (seen, _) = followed(vec![
        Ok(Event::Init),
        Ok(Event::InitApply(object("a"))),
        Ok(Event::InitApply(object("dropped"))),
        Ok(Event::InitApply(object("b"))),
        Ok(Event::InitDone),
        Ok(Event::Apply(object("c"))),
        Ok(Event::Delete(object("a"))),
    ])
    .await;
    assert_eq!(seen, ["listed a b", "changed c", "deleted a"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_is_not_handed_over() {
    let (seen, _) = followed(vec![
        Ok(Event::Init),
        Ok(Event::InitApply(object("a"))),
        Err(watcher::Error::InitialListFailed(refused(500))),
        Ok(Event::Init),
        Ok(Event::InitApply(object("b"))),
        Ok(Event::InitDone),
    ])
    .await;
    assert_eq!(seen, ["listed b"]);
}

#[tokio::test(start_paused = true)]
async fn asking_for_a_list_is_no_sign_of_recovery() {
    let (_, health) =
        followed(vec![Err(watcher::Error::InitialListFailed(refused(403))), Ok(Event::Init)]).await;
    assert!(!health.lock().is_empty());
    let (_, health) = followed(vec![
        Err(watcher::Error::InitialListFailed(refused(403))),
        Ok(Event::Init),
        Ok(Event::InitDone),
    ])
    .await;
    assert!(health.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_quiet_after_an_error_works_again() {
    let (names, health) = (Names::default(), Health::default());
    let events = stream::iter([Err(watcher::Error::WatchStartFailed(refused(500)))]).chain(stream::pending());
    let target = target();
    let mut failures = 0;
    let quiet = follow(events, &target, &names, &health, &mut failures);
    let long = Duration::from_secs(1) + RECOVERED_AFTER;
    assert!(tokio::time::timeout(long, quiet).await.is_err(), "it goes on watching");
    assert!(health.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_too_old_starts_over() {
    let gone = || Err(watcher::Error::WatchStartFailed(refused(410)));
    let (seen, _) = followed(vec![gone(), Ok(Event::Apply(object("never seen")))]).await;
    assert_eq!(seen, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_list_after_a_version_that_is_too_old_is_a_recovery() {
    let (names, health, mut failures) = (Names::default(), Health::default(), 0);
    for events in [
        vec![Err(watcher::Error::WatchStartFailed(refused(410)))],
        vec![Ok(Event::Init), Ok(Event::InitApply(object("a"))), Ok(Event::InitDone)],
    ] {
        follow(stream::iter(events), &target(), &names, &health, &mut failures).await;
    }
    assert_eq!((names.all(), failures), (vec!["listed a".to_owned()], 0));
    assert!(health.lock().is_empty());
}

#[test]
fn a_failure_is_told_after_a_minute_with_verb_and_resource() {
    let health = Health::default();
    let scoped = Target { scope: Some("demo".into()), ..target() };
    health.failed(&scoped, &watcher::Error::WatchStartFailed(refused(403)));
    assert!(health.failing(None).is_empty(), "not for a minute yet");
    health.lock().values_mut().for_each(|failure| failure.since -= FAILING_AFTER);
    let told: Vec<String> = health.failing(Some("demo")).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["cannot watch deployments.apps: code 403"]);
    assert!(health.failing(Some("elsewhere")).is_empty());
    health.failed(&scoped, &watcher::Error::InitialListFailed(refused(403)));
    assert_eq!(health.failing(None)[0].verb, "list", "the last error, since the first one");
}

#[test]
fn a_namespace_that_cannot_be_listed_holds_up_no_other_for_more_than_a_minute() {
    use crate::memory::{Memory, ModelSink};
    let (memory, _) = Memory::new();
    let scopes = [Some("here".to_owned()), Some("gone".to_owned())];
    ModelSink { memory: Arc::clone(&memory), scope: scopes[0].clone() }.listed(Vec::new());
    let models = Target {
        resource: ApiResource::erase::<crate::models::Stored>(&()),
        scope: scopes[1].clone(),
        ..target()
    };
    memory.health.failed(&models, &watcher::Error::InitialListFailed(refused(403)));
    assert!(!memory.models_listed(&scopes), "it may come in a moment");
    memory.health.lock().values_mut().for_each(|failure| failure.since -= FAILING_AFTER);
    assert!(memory.models_listed(&scopes));
    assert!(!memory.models_listed(&[None]), "without any list nothing is known");
}
