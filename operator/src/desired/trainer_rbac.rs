//! Who the training pod is and what it may do: write the one ConfigMap that the operator chose, and nothing else. Pure.

use api::{labels, names};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::metadata;
use crate::validate::Validated;

/// Identity of the training pod. Pods get its token only when they ask for it, as the training pod does.
pub(super) fn service_account(model: &Validated) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata::child(model, names::trainer(&model.name), labels::COMPONENT_TRAINER),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// `create` and `patch` of the ConfigMap `revision`. For a server-side apply that creates, permission is checked with
/// the name in the URL, so the name binds `create` too; a POST has no name there and is refused.
pub(super) fn role(model: &Validated, revision: &str) -> Role {
    Role {
        metadata: metadata::child(model, names::trainer(&model.name), labels::COMPONENT_TRAINER),
        rules: Some(vec![PolicyRule {
            api_groups: Some(vec![String::new()]),
            resources: Some(vec!["configmaps".into()]),
            resource_names: Some(vec![revision.into()]),
            verbs: vec!["create".into(), "patch".into()],
            ..PolicyRule::default()
        }]),
    }
}

/// Gives the role to the identity.
pub(super) fn role_binding(model: &Validated) -> RoleBinding {
    let name = names::trainer(&model.name);
    RoleBinding {
        metadata: metadata::child(model, name.clone(), labels::COMPONENT_TRAINER),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "Role".into(),
            name: name.clone(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            name,
            namespace: Some(model.namespace.clone()),
            ..Subject::default()
        }]),
    }
}
