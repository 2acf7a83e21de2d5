//! Decisions on the Lease, and electors against an API server that holds exactly one of them.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};
use tower::{BoxError, service_fn};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn held_by(holder: Option<&str>, unchanged_since: Instant) -> ObservedLease {
    ObservedLease { holder: holder.map(str::to_owned), duration: LEASE_DURATION, unchanged_since }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_holds_is_taken() {
    let now = Instant::now();
    for holder in [None, Some("")] {
        assert_eq!(evaluate(&held_by(holder, now), "me", now), Decision::Take);
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_lease_is_renewed_however_old_it_is() {
    let then = Instant::now();
    advance(60 * SECOND).await;
    assert_eq!(evaluate(&held_by(Some("me"), then), "me", Instant::now()), Decision::Renew);
}

#[tokio::test(start_paused = true)]
async fn anothers_lease_is_left_alone_until_it_was_watched_unchanged_for_its_whole_duration() {
    let then = Instant::now();
    let lease = held_by(Some("other"), then);
    let end = then + LEASE_DURATION;
    advance(Duration::from_millis(14_999)).await;
    assert_eq!(evaluate(&lease, "me", Instant::now()), Decision::Wait(end));
    advance(Duration::from_millis(1)).await;
    assert_eq!(evaluate(&lease, "me", Instant::now()), Decision::Take);
}

/// An API server with optimistic concurrency, the Lease and nothing else.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<ServerState>>);

#[derive(Default)]
struct ServerState {
    lease: Option<Value>,
    version: u64,
    writes: usize,
    /// No request is answered; what is written is written all the same.
    mute: bool,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { server.answer(request).await }
        });
        Client::new(service, "default")
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let method = request.method().clone();
        let base = "/apis/coordination.k8s.io/v1/namespaces/anomaly-system/leases";
        let expected = if method == Method::POST { base.to_owned() } else { format!("{base}/{LEASE_NAME}") };
        assert_eq!(request.uri().path(), expected);
        let body = request.into_body().collect().await?.to_bytes();
        let (status, answer) = self.carry_out(&method, serde_json::from_slice(&body).unwrap_or_default());
        if self.state().mute {
            sleep(3600 * SECOND).await;
        }
        Ok(Response::builder().status(status).body(Body::from(serde_json::to_vec(&answer)?))?)
    }

    fn carry_out(&self, method: &Method, mut sent: Value) -> (StatusCode, Value) {
        let mut state = self.state();
        let existing = state.lease.clone();
        let version_of = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        match (method, existing) {
            (&Method::GET, Some(lease)) => return (StatusCode::OK, lease),
            (&Method::POST, None) => {}
            (&Method::PUT, Some(lease)) if version_of(&lease) == version_of(&sent) => {}
            (&Method::GET | &Method::PUT, None) => return failure(StatusCode::NOT_FOUND, "NotFound"),
            _ => return failure(StatusCode::CONFLICT, "Conflict"),
        }
        state.version += 1;
        state.writes += 1;
        sent["metadata"]["resourceVersion"] = json!(state.version.to_string());
        state.lease = Some(sent.clone());
        (StatusCode::OK, sent)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, ServerState> {
        self.0.lock().unwrap()
    }

    fn spec(&self) -> Value {
        self.state().lease.clone().unwrap_or_default()["spec"].clone()
    }

    fn holder(&self) -> Option<String> {
        self.spec()["holderIdentity"].as_str().map(str::to_owned)
    }

    /// Somebody writes the Lease by hand.
    fn overwrite(&self, holder: &str) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version.to_string();
        if let Some(lease) = &mut state.lease {
            lease["spec"]["holderIdentity"] = json!(holder);
            lease["metadata"]["resourceVersion"] = json!(version);
        }
    }
}

fn failure(status: StatusCode, reason: &str) -> (StatusCode, Value) {
    (
        status,
        json!({"kind": "Status", "status": "Failure", "reason": reason, "message": reason, "code": status.as_u16()}),
    )
}

/// A process that wants to lead.
struct Process {
    fence: Fence,
    leads: watch::Receiver<bool>,
    reached: watch::Receiver<bool>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), LeaderError>>,
}

fn start(server: &Server, identity: &str) -> Process {
    let settings = LeaseSettings { namespace: "anomaly-system".into(), identity: identity.into() };
    let (fence, stop) = (Fence::closed(), CancellationToken::new());
    let ((leads, leading), (reached, was_reached)) = (watch::channel(false), watch::channel(false));
    let signals = Signals { leads, reached };
    let task = tokio::spawn(run(server.client(), settings, fence.clone(), signals, stop.clone()));
    Process { fence, leads: leading, reached: was_reached, stop, task }
}

impl Process {
    fn leads(&self) -> bool {
        *self.leads.borrow()
    }

    fn may_write(&self) -> bool {
        self.fence.admits(Instant::now()).is_ok()
    }

    async fn ended(self) -> Result<(), String> {
        self.task.await.unwrap().map_err(|error| error.to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_process_leads_at_once_and_renews_every_5_seconds() {
    let server = Server::default();
    let process = start(&server, "a");
    sleep(SECOND).await;
    assert!(process.leads() && process.may_write());
    assert_eq!(server.spec()["leaseDurationSeconds"], 15);
    assert_eq!(server.spec()["leaseTransitions"], 0);
    sleep(60 * SECOND).await;
    assert!(process.leads() && process.may_write());
    assert_eq!(server.state().writes, 13);
}

#[tokio::test(start_paused = true)]
async fn a_standby_reaches_the_api_server_and_writes_nothing() {
    let server = Server::default();
    let _leader = start(&server, "a");
    sleep(SECOND).await;
    let standby = start(&server, "b");
    sleep(60 * SECOND).await;
    assert!(*standby.reached.borrow());
    assert!(!standby.leads() && !standby.may_write());
    assert_eq!(server.holder().as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_within_seconds_and_the_transition_is_counted() {
    let server = Server::default();
    let leader = start(&server, "a");
    sleep(SECOND).await;
    let standby = start(&server, "b");
    sleep(20 * SECOND).await;
    leader.stop.cancel();
    assert_eq!(leader.ended().await, Ok(()));
    assert_eq!(server.holder(), None);
    sleep(3 * SECOND).await;
    assert!(standby.leads() && standby.may_write());
    assert_eq!(server.spec()["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_is_followed_after_its_lease_has_run_out_and_not_before() {
    let server = Server::default();
    let leader = start(&server, "a");
    sleep(SECOND).await;
    let standby = start(&server, "b");
    sleep(20 * SECOND).await;
    leader.task.abort();
    sleep(9 * SECOND).await;
    assert!(!standby.leads());
    sleep(9 * SECOND).await;
    assert!(standby.leads());
    assert_eq!(server.holder().as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_clock_is_wrong_keeps_its_lease_while_it_renews() {
    let server = Server::default();
    let _leader = start(&server, "a");
    sleep(SECOND).await;
    let standby = start(&server, "b");
    for _ in 0..20 {
        // What stands in the Lease is decades old at every look.
        if let Some(lease) = &mut server.state().lease {
            lease["spec"]["renewTime"] = json!("1999-12-31T23:59:59.000000Z");
        }
        sleep(SECOND).await;
        assert!(!standby.leads());
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_writing_and_ends_with_an_error_after_10_seconds() {
    let server = Server::default();
    let process = start(&server, "a");
    sleep(SECOND).await;
    server.state().mute = true;
    sleep(8 * SECOND).await;
    assert!(process.leads() && process.may_write());
    sleep(8 * SECOND).await;
    assert!(!process.leads() && !process.may_write());
    let error = process.ended().await.unwrap_err();
    assert!(error.contains("could not renew the Lease for 10 s"), "{error}");
    assert!(error.contains("did not answer in time"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_was_lost_costs_nothing() {
    let server = Server::default();
    let process = start(&server, "a");
    sleep(4 * SECOND).await;
    server.state().mute = true;
    sleep(4 * SECOND).await;
    server.state().mute = false;
    sleep(60 * SECOND).await;
    assert!(process.leads() && process.may_write());
    assert_eq!(server.spec()["leaseTransitions"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_is_held_by_another_ends_with_an_error() {
    let server = Server::default();
    let process = start(&server, "a");
    sleep(SECOND).await;
    server.overwrite("b");
    let fence = process.fence.clone();
    let error = process.ended().await.unwrap_err();
    assert!(error.contains("lost the Lease to b"), "{error}");
    assert!(fence.admits(Instant::now()).is_err());
    assert_eq!(server.holder().as_deref(), Some("b"), "a lost Lease is not touched");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_annotates_stays_ours() {
    let server = Server::default();
    let process = start(&server, "a");
    sleep(SECOND).await;
    server.overwrite("a");
    sleep(60 * SECOND).await;
    assert!(process.leads() && process.may_write());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_deletes_is_made_again() {
    let server = Server::default();
    let process = start(&server, "a");
    sleep(SECOND).await;
    server.state().lease = None;
    sleep(9 * SECOND).await;
    assert!(process.leads() && process.may_write());
    assert_eq!(server.holder().as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn of_many_that_reach_for_a_free_lease_one_leads() {
    let server = Server::default();
    let processes: Vec<Process> = (0..8).map(|i| start(&server, &format!("p{i}"))).collect();
    for _ in 0..30 {
        sleep(SECOND).await;
        assert_eq!(processes.iter().filter(|process| process.leads()).count(), 1);
    }
}

#[test]
fn a_restarted_container_is_not_mistaken_for_the_one_before_it() {
    let identity = || LeaseSettings::unique("anomaly-system".into(), "pod-7").identity;
    assert!(identity().starts_with("pod-7_"));
    assert_ne!(identity(), identity());
}
