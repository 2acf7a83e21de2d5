//! `Serving`: a revision answers, whichever it is. Pure.

use api::conditions::{Verdict, reason};

use super::view::problems;
use crate::desired::tls::Hold;
use crate::observed::Observed;

/// `wanted` tells whether there should be a Deployment, `hold` what it waits for.
pub(super) fn verdict(observed: &Observed, wanted: bool, hold: Option<&Hold>) -> Verdict {
    let replicas = observed.model.spec.serving.replicas;
    let Some(live) = observed.deployment.as_ref() else {
        return match wanted {
            false => {
                Verdict::no(reason::NO_REVISION, "nothing is served before the first revision is trained")
            }
            true if replicas == 0 => scaled_to_zero(),
            true if hold.is_some() => {
                Verdict::no(reason::NO_READY_PODS, hold.map(|h| h.message.clone()).unwrap_or_default())
            }
            true => Verdict::no(reason::NO_READY_PODS, "the pods are about to be made"),
        };
    };
    if replicas == 0 {
        return scaled_to_zero();
    }
    if live.ready > 0 {
        // While pods are exchanged there may be more.
        let ready = live.ready.min(replicas);
        let message = format!("{ready} of {replicas} pods are ready; revision {}", live.revision);
        return Verdict::yes(reason::PODS_READY, message);
    }
    let why = problems(observed, false).or_else(|| live.replica_failure.clone());
    let why = why.map(|why| format!("; {why}")).unwrap_or_default();
    Verdict::no(reason::NO_READY_PODS, format!("0 of {replicas} pods are ready{why}"))
}

fn scaled_to_zero() -> Verdict {
    Verdict::no(reason::SCALED_TO_ZERO, "spec.serving.replicas is 0: the model is kept and answers nothing")
}
