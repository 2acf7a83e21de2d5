//! The headers that were right, lately or once, and one check for all who ask about the same header at once.
//!
//! Kept are keyed digests, never a password, and only of headers that were right: wrong ones differ every time.
//! A cache belongs to one content of the password file. The next one knows which headers were right, and has each
//! checked again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

/// What a header is known by.
pub(super) type Digest = [u8; 32];

/// A header that is not used for so long is checked again; it is remembered as one that was right.
pub(super) const KEPT: Duration = Duration::from_secs(60);

/// More headers than this are not remembered at once.
const CAPACITY: usize = 1_024;

/// Digests are of no use outside this process.
static KEY: LazyLock<[u64; 2]> =
    LazyLock::new(|| [RandomState::new().hash_one(0), RandomState::new().hash_one(1)]);

/// What is known of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It needs no check.
    Lately,
    /// It was right longer ago, or with an earlier content of the password file: it needs a check, and deserves one
    /// before those that never were.
    Once,
    Never,
}

#[derive(Debug)]
pub(super) struct Cache {
    kept: Duration,
    /// When each was last used; never with this content of the password file.
    verified: Mutex<HashMap<Digest, Option<Instant>>>,
    checking: Mutex<HashMap<Digest, Arc<OnceCell<bool>>>>,
}

impl Cache {
    /// Empty.
    pub(super) fn new(kept: Duration) -> Self {
        Self { kept, verified: Mutex::default(), checking: Mutex::default() }
    }

    /// For another content of the password file: what was right is no longer known to be.
    pub(super) fn after(&self) -> Self {
        let once = lock(&self.verified).keys().map(|digest| (*digest, None)).collect();
        Self { verified: Mutex::new(once), ..Self::new(self.kept) }
    }

    pub(super) fn digest(&self, header: &[u8]) -> Digest {
        let mut hash = Sha256::new();
        KEY.iter().for_each(|part| hash.update(part.to_ne_bytes()));
        hash.update(header);
        hash.finalize().into()
    }

    /// Whether the header was right; being asked lately keeps it.
    pub(super) fn seen(&self, digest: &Digest) -> Seen {
        let now = Instant::now();
        match lock(&self.verified).get_mut(digest) {
            Some(Some(used)) if now.duration_since(*used) < self.kept => {
                *used = now;
                Seen::Lately
            }
            Some(_) => Seen::Once,
            None => Seen::Never,
        }
    }

    /// Remembers a header that is right; a full cache forgets the one unused for longest.
    pub(super) fn insert(&self, digest: Digest) {
        let mut verified = lock(&self.verified);
        if verified.len() >= CAPACITY
            && !verified.contains_key(&digest)
            && let Some(oldest) = verified.iter().min_by_key(|(_, used)| **used).map(|(digest, _)| *digest)
        {
            verified.remove(&oldest);
        }
        verified.insert(digest, Some(Instant::now()));
    }

    /// A header that was right once is not any more.
    pub(super) fn forget(&self, digest: &Digest) {
        lock(&self.verified).remove(digest);
    }

    /// Checks a header once for all who wait for it at the same time.
    pub(super) async fn once<F, E>(&self, digest: Digest, check: impl FnOnce() -> F) -> Result<bool, E>
    where
        F: Future<Output = Result<bool, E>>,
    {
        let cell = Arc::clone(lock(&self.checking).entry(digest).or_default());
        let waiting = Waiting { cache: self, digest, cell };
        waiting.cell.get_or_try_init(check).await.copied()
    }
}

/// One who waits for a check; the last to leave removes it, also when its client has gone.
struct Waiting<'a> {
    cache: &'a Cache,
    digest: Digest,
    cell: Arc<OnceCell<bool>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut checking = lock(&self.cache.checking);
        // (given up under the lock: of two that leave at once, one has to see that it is the last)
        drop(std::mem::take(&mut self.cell));
        if checking.get(&self.digest).is_some_and(|cell| Arc::strong_count(cell) == 1) {
            checking.remove(&self.digest);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_full_cache_forgets_the_header_unused_for_longest() {
        let cache = Cache::new(KEPT);
        let digests: Vec<Digest> = (0..=CAPACITY).map(|n| cache.digest(&n.to_be_bytes())).collect();
        digests[..CAPACITY].iter().for_each(|digest| cache.insert(*digest));
        assert_eq!(cache.seen(&digests[0]), Seen::Lately);
        cache.insert(digests[CAPACITY]);
        assert_eq!(cache.seen(&digests[0]), Seen::Lately);
        assert_eq!(cache.seen(&digests[CAPACITY]), Seen::Lately);
        assert_eq!(cache.seen(&digests[1]), Seen::Never);
        assert_eq!(lock(&cache.verified).len(), CAPACITY);
    }

    #[test]
    fn a_header_that_was_not_used_for_long_was_right_once() {
        let cache = Cache::new(Duration::ZERO);
        let digest = cache.digest(b"header");
        assert_eq!(cache.seen(&digest), Seen::Never);
        cache.insert(digest);
        assert_eq!(cache.seen(&digest), Seen::Once);

        let cache = Cache::new(KEPT);
        cache.insert(digest);
        let cache = cache.after();
        assert_eq!(cache.seen(&digest), Seen::Once);
        cache.insert(digest);
        assert_eq!(cache.seen(&digest), Seen::Lately);
        cache.forget(&digest);
        assert_eq!(cache.seen(&digest), Seen::Never);
    }

    #[tokio::test]
    async fn the_same_header_asked_for_many_times_at_once_is_checked_once() {
        let cache = Cache::new(KEPT);
        let checks = AtomicUsize::new(0);
        let digest = cache.digest(b"header");
        let ask = || {
            cache.once(digest, || async {
                checks.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok::<_, ()>(true)
            })
        };
        let answers = futures::future::join_all((0..50).map(|_| ask())).await;
        assert!(answers.iter().all(|answer| *answer == Ok(true)));
        assert_eq!(checks.load(Ordering::Relaxed), 1);
        assert!(lock(&cache.checking).is_empty());
    }

    #[tokio::test]
    async fn a_client_that_goes_away_leaves_nothing_behind() {
        let cache = Cache::new(KEPT);
        let digest = cache.digest(b"header");
        let never = cache.once(digest, std::future::pending::<Result<bool, ()>>);
        assert!(futures::FutureExt::now_or_never(never).is_none());
        assert!(lock(&cache.checking).is_empty());
    }
}
