//! Whose an object is. Pure: no I/O here.

use crate::facts::Owner;

/// Whose an object with a name of ours is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This model controls it.
    Ours,
    /// Nobody controls it, and it carries our label for this model: a backup or an orphaning delete lost the owner
    /// reference. It becomes ours again.
    Adoptable,
    /// Of a model of the same name that is gone, and so it will be in a moment.
    Former,
    /// Somebody else's; never touched. Says whose.
    Foreign(String),
}

/// Decides by the owner that controls an object and by the model that its label names.
pub fn decide(owner: Option<&Owner>, label: &str, model: &str, uid: &str) -> Ownership {
    match owner {
        Some(owner) if owner.uid == uid => Ownership::Ours,
        Some(owner) if owner.kind == api::KIND && owner.name == model => Ownership::Former,
        Some(Owner { kind, name, .. }) => Ownership::Foreign(format!("controlled by {kind} {name}")),
        None if label == model => Ownership::Adoptable,
        None => Ownership::Foreign("not made by this operator".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(kind: &str, name: &str, uid: &str) -> Owner {
        Owner { kind: kind.into(), name: name.into(), uid: uid.into() }
    }

    #[test]
    fn only_what_this_model_controls_or_has_lost_is_touched() {
        let ours = owner("AnomalyModel", "x", "1");
        assert_eq!(decide(Some(&ours), "x", "x", "1"), Ownership::Ours);
        assert_eq!(
            decide(Some(&ours), "", "x", "1"),
            Ownership::Ours,
            "a lost label does not change the owner"
        );
        assert_eq!(decide(None, "x", "x", "1"), Ownership::Adoptable);
        assert_eq!(decide(Some(&owner("AnomalyModel", "x", "0")), "x", "x", "1"), Ownership::Former);
        for (owner, label) in [
            (Some(owner("AnomalyModel", "y", "0")), "x"),
            (Some(owner("Deployment", "x", "7")), "x"),
            (None, "other"),
            (None, ""),
        ] {
            assert!(
                matches!(decide(owner.as_ref(), label, "x", "1"), Ownership::Foreign(_)),
                "{owner:?} {label}"
            );
        }
    }
}
