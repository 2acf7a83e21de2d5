//! Who leads: one Lease, held for 15 s and renewed every 5 s.
//!
//! Clocks of two machines are never compared: a Lease has run out when this process has watched it for its whole duration
//! without a change, by its own monotonic clock. Every write carries the version that was read, so of two that reach for the
//! Lease one fails. Whoever loses it ends (fail-stop); see `main`. Only the Lease is written here.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::client::chain;
use crate::fence::{Fence, LEASE_DURATION, WRITES_BEGIN_WITHIN};

/// How often the holder renews.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How often others look.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How soon the holder tries again after a failed renewal.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Longest time of one renewal, so that it has a second chance.
const RENEW_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest time to take the Lease or to look at it.
const STEP_TIMEOUT: Duration = Duration::from_secs(8);
/// Longest time of one attempt to release it; there are two.
const RELEASE_TIMEOUT: Duration = Duration::from_millis(1_200);
/// The chart's Role knows this name.
pub const LEASE_NAME: &str = "anomaly-operator";

/// Whose Lease, and who asks.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// This process; no other may have the same, nor may a former one of the same pod.
    pub identity: String,
}

impl LeaseSettings {
    /// Adds random letters to `name`, so that a restarted container is not mistaken for the one before it.
    pub fn unique(namespace: String, name: &str) -> Self {
        Self { namespace, identity: format!("{name}_{:08x}", rand::random::<u32>()) }
    }
}

/// A Lease as it was seen by this process.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedLease {
    /// Who holds it; nobody after a release.
    pub holder: Option<String>,
    /// How long it holds without a renewal.
    pub duration: Duration,
    /// When this process first saw this version of it.
    pub unchanged_since: Instant,
}

/// What to do about the Lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is ours: renew.
    Renew,
    /// It is free: take it.
    Take,
    /// Somebody holds it at least until then.
    Wait(Instant),
}

/// Decides on a Lease that exists.
pub fn evaluate(lease: &ObservedLease, me: &str, now: Instant) -> Decision {
    let end = lease.unchanged_since + lease.duration;
    match lease.holder.as_deref() {
        None | Some("") => Decision::Take,
        Some(holder) if holder == me => Decision::Renew,
        Some(_) if now >= end => Decision::Take,
        Some(_) => Decision::Wait(end),
    }
}

/// Why a leader must end.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// Another process leads.
    #[error("lost the Lease to {0}; this process ends, so that two never lead")]
    Lost(String),
    /// The Lease could not be renewed for too long.
    #[error("could not renew the Lease for 10 s; this process ends before another may lead; last error: {0}")]
    NotRenewed(String),
}

/// What the elector tells the rest of the process.
#[derive(Clone, Debug)]
pub struct Signals {
    /// Whether this process leads.
    pub leads: watch::Sender<bool>,
    /// Whether the API server has answered once.
    pub reached: watch::Sender<bool>,
}

/// Acquires the Lease and keeps it until `stop`, then releases it. An error means that this process no longer leads and
/// has to end at once.
pub async fn run(
    client: Client,
    settings: LeaseSettings,
    fence: Fence,
    signals: Signals,
    stop: CancellationToken,
) -> Result<(), LeaderError> {
    let mut elector = Elector::new(client, settings, fence, signals);
    tokio::select! {
        () = stop.cancelled() => {}
        () = elector.acquire() => {}
    }
    if elector.leads() {
        tokio::select! {
            () = stop.cancelled() => {}
            error = elector.keep() => {
                elector.step_down();
                return Err(error);
            }
        }
    }
    elector.step_down();
    elector.release().await;
    Ok(())
}

/// One process's view of the Lease.
struct Elector {
    api: Api<Lease>,
    me: String,
    fence: Fence,
    signals: Signals,
    /// The Lease as last read or written, and since when it has been unchanged.
    seen: Option<(Lease, Instant)>,
    /// When the last successful renewal was sent.
    renewed: Option<Instant>,
}

impl Elector {
    fn new(client: Client, settings: LeaseSettings, fence: Fence, signals: Signals) -> Self {
        let api = Api::namespaced(client, &settings.namespace);
        Self { api, me: settings.identity, fence, signals, seen: None, renewed: None }
    }

    fn leads(&self) -> bool {
        self.renewed.is_some()
    }

    /// Returns when the Lease is ours.
    async fn acquire(&mut self) {
        let mut last_error = String::new();
        while !self.leads() {
            let step = tokio::time::timeout(STEP_TIMEOUT, self.step()).await;
            let look_again = Instant::now() + LOOK_EVERY;
            match step.unwrap_or_else(|_| Err(Failure::timed_out())) {
                Ok(None) => {}
                Ok(Some(end)) => sleep_until(end.min(look_again)).await,
                Err(Failure(error)) => {
                    if error != last_error {
                        tracing::warn!(%error, "cannot acquire the Lease yet");
                        last_error = error;
                    }
                    sleep_until(look_again).await;
                }
            }
        }
        tracing::info!(identity = %self.me, "leading");
        self.signals.leads.send_replace(true);
    }

    /// Reads the Lease and takes it if that is allowed; else says when to look again at the latest.
    async fn step(&mut self) -> Result<Option<Instant>, Failure> {
        let Some(lease) = self.read().await? else {
            self.write(None, taken(None, &self.me)).await?;
            return Ok(None);
        };
        let observed = self.observe(lease.clone(), Instant::now());
        match evaluate(&observed, &self.me, Instant::now()) {
            Decision::Wait(end) => return Ok(Some(end)),
            Decision::Renew => self.write(Some(&lease), renewed(lease.spec.clone(), &self.me)).await?,
            Decision::Take => self.write(Some(&lease), taken(lease.spec.clone(), &self.me)).await?,
        }
        Ok(None)
    }

    /// Renews until that is no longer possible.
    async fn keep(&mut self) -> LeaderError {
        let mut failed: Option<String> = None;
        loop {
            let renewed = self.renewed.unwrap_or_else(Instant::now);
            let deadline = renewed + WRITES_BEGIN_WITHIN;
            let next = if failed.is_some() { Instant::now() + RETRY_AFTER } else { renewed + RENEW_EVERY };
            sleep_until(next.min(deadline)).await;
            if Instant::now() >= deadline {
                return LeaderError::NotRenewed(
                    failed.unwrap_or_else(|| "this process was stopped or starved".into()),
                );
            }
            let attempt = timeout_at(deadline.min(Instant::now() + RENEW_TIMEOUT), self.renew()).await;
            failed = match attempt.unwrap_or_else(|_| Err(Failure::timed_out())) {
                Ok(None) => None,
                Ok(Some(holder)) => return LeaderError::Lost(holder),
                Err(Failure(error)) => {
                    tracing::warn!(%error, "cannot renew the Lease, trying again");
                    // Its version is unknown now: the write may have been made although no answer came.
                    self.seen = None;
                    Some(error)
                }
            };
        }
    }

    /// Renews what we know; what we do not know is read first. `Some` is another holder.
    async fn renew(&mut self) -> Result<Option<String>, Failure> {
        let Some(lease) = self.known().await? else {
            // Deleted by somebody. Of all who create it now, one succeeds.
            self.write(None, taken(None, &self.me)).await?;
            return Ok(None);
        };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        if holder != self.me {
            return Ok(Some(if holder.is_empty() { "nobody".to_owned() } else { holder }));
        }
        self.write(Some(&lease), renewed(lease.spec.clone(), &self.me)).await?;
        Ok(None)
    }

    /// The Lease as we know it, read if we do not.
    async fn known(&self) -> Result<Option<Lease>, Failure> {
        match &self.seen {
            Some((lease, _)) => Ok(Some(lease.clone())),
            None => self.read().await,
        }
    }

    /// No write begins from here on.
    fn step_down(&mut self) {
        self.fence.close();
        self.signals.leads.send_replace(false);
    }

    /// Clears the holder, so that the next leader need not wait. Failing costs that wait and nothing else.
    async fn release(&mut self) {
        if !self.leads() {
            return;
        }
        for _ in 0..2 {
            let attempt = tokio::time::timeout(RELEASE_TIMEOUT, self.release_once()).await;
            match attempt.unwrap_or_else(|_| Err(Failure::timed_out())) {
                Ok(()) => return tracing::info!(identity = %self.me, "released the Lease"),
                Err(Failure(error)) => tracing::warn!(%error, "cannot release the Lease"),
            }
            // A renewal may have been cut off by the end of the process, and its version is unknown.
            self.seen = None;
        }
    }

    async fn release_once(&mut self) -> Result<(), Failure> {
        let Some(mut lease) = self.known().await? else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.me) {
            spec.holder_identity = None;
            self.api.replace(LEASE_NAME, &PostParams::default(), &lease).await?;
        }
        Ok(())
    }

    async fn read(&self) -> Result<Option<Lease>, Failure> {
        let lease = self.api.get_opt(LEASE_NAME).await?;
        self.signals.reached.send_replace(true);
        Ok(lease)
    }

    /// Remembers since when this version has been there.
    fn observe(&mut self, lease: Lease, now: Instant) -> ObservedLease {
        let unchanged_since = match &self.seen {
            Some((before, since)) if before.resource_version() == lease.resource_version() => *since,
            _ => now,
        };
        let spec = lease.spec.clone().unwrap_or_default();
        self.seen = Some((lease, unchanged_since));
        let seconds = spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
        ObservedLease {
            holder: spec.holder_identity,
            duration: seconds.map_or(LEASE_DURATION, Duration::from_secs),
            unchanged_since,
        }
    }

    /// Creates or replaces the Lease; fails if it is not the one that was read. The time of *sending* counts as renewal.
    async fn write(&mut self, before: Option<&Lease>, spec: LeaseSpec) -> Result<(), Failure> {
        let sent = Instant::now();
        let written = match before {
            Some(lease) => {
                let lease = Lease { spec: Some(spec), ..lease.clone() };
                self.api.replace(LEASE_NAME, &PostParams::default(), &lease).await?
            }
            None => {
                let metadata = ObjectMeta { name: Some(LEASE_NAME.to_owned()), ..ObjectMeta::default() };
                let lease = Lease { metadata, spec: Some(spec) };
                self.api.create(&PostParams::default(), &lease).await?
            }
        };
        self.seen = Some((written, sent));
        self.renewed = Some(sent);
        self.fence.renewed(sent);
        Ok(())
    }
}

/// The spec of a Lease that `me` takes.
fn taken(before: Option<LeaseSpec>, me: &str) -> LeaseSpec {
    let transitions =
        before.as_ref().map(|spec| spec.lease_transitions.unwrap_or_default().saturating_add(1));
    let spec = renewed(before, me);
    LeaseSpec {
        acquire_time: spec.renew_time.clone(),
        lease_transitions: Some(transitions.unwrap_or(0)),
        ..spec
    }
}

/// The spec of a Lease that `me` goes on holding. The time in it is for people.
fn renewed(before: Option<LeaseSpec>, me: &str) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
        renew_time: Some(MicroTime(Timestamp::now())),
        ..before.unwrap_or_default()
    }
}

/// A call about the Lease failed.
struct Failure(String);

impl Failure {
    fn timed_out() -> Self {
        Self("the API server did not answer in time".to_owned())
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) => Self(status.message.clone()),
            _ => Self(chain(&error)),
        }
    }
}

#[cfg(test)]
mod tests;
