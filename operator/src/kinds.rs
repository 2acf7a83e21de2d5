//! The kinds of children, and what the operator does with each. Pure: no I/O here.

use api::labels;
use kube::core::{ApiResource, GroupVersionKind, Resource};

/// A kind of child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Made once, never applied.
    Job,
    /// Revisions and inputs of Jobs: made once, never applied.
    ConfigMap,
    /// Watched for facts, never written.
    Pod,
    /// Applied.
    ServiceAccount,
    /// Applied.
    Role,
    /// Applied.
    RoleBinding,
    /// Applied.
    Secret,
    /// Applied.
    NetworkPolicy,
    /// Applied.
    Deployment,
    /// Applied.
    Service,
    /// Applied, if its custom resource definition is installed.
    Middleware,
    /// Applied, if its custom resource definition is installed.
    ServersTransport,
    /// Applied last of what serves, deleted first.
    Ingress,
    /// ConfigMaps with dashboards: applied, and watched with their content, unlike all others.
    Dashboards,
    /// Applied, if its custom resource definition is installed.
    ServiceMonitor,
    /// Applied, if its custom resource definition is installed.
    PrometheusRule,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Job,
        Self::ConfigMap,
        Self::Pod,
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::Secret,
        Self::NetworkPolicy,
        Self::Deployment,
        Self::Service,
        Self::Middleware,
        Self::ServersTransport,
        Self::Ingress,
        Self::Dashboards,
        Self::ServiceMonitor,
        Self::PrometheusRule,
    ];

    /// Where the API server serves it.
    pub fn resource(self) -> ApiResource {
        use k8s_openapi::api::{apps, batch, core, networking, rbac};
        fn of<K: Resource<DynamicType = ()>>() -> ApiResource {
            ApiResource::erase::<K>(&())
        }
        let monitoring = |kind: &str, plural: &str| {
            ApiResource::from_gvk_with_plural(
                &GroupVersionKind::gvk("monitoring.coreos.com", "v1", kind),
                plural,
            )
        };
        let traefik = |kind: &str, plural: &str| {
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("traefik.io", "v1alpha1", kind), plural)
        };
        match self {
            Self::Job => of::<batch::v1::Job>(),
            Self::ConfigMap | Self::Dashboards => of::<core::v1::ConfigMap>(),
            Self::Pod => of::<core::v1::Pod>(),
            Self::ServiceAccount => of::<core::v1::ServiceAccount>(),
            Self::Role => of::<rbac::v1::Role>(),
            Self::RoleBinding => of::<rbac::v1::RoleBinding>(),
            Self::Secret => of::<core::v1::Secret>(),
            Self::NetworkPolicy => of::<networking::v1::NetworkPolicy>(),
            Self::Deployment => of::<apps::v1::Deployment>(),
            Self::Service => of::<core::v1::Service>(),
            Self::Middleware => traefik("Middleware", "middlewares"),
            Self::ServersTransport => traefik("ServersTransport", "serverstransports"),
            Self::Ingress => of::<networking::v1::Ingress>(),
            Self::ServiceMonitor => monitoring("ServiceMonitor", "servicemonitors"),
            Self::PrometheusRule => monitoring("PrometheusRule", "prometheusrules"),
        }
    }

    /// Its name as people know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "Job",
            Self::ConfigMap | Self::Dashboards => "ConfigMap",
            Self::Pod => "Pod",
            Self::ServiceAccount => "ServiceAccount",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::Secret => "Secret",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Deployment => "Deployment",
            Self::Service => "Service",
            Self::Middleware => "Middleware",
            Self::ServersTransport => "ServersTransport",
            Self::Ingress => "Ingress",
            Self::ServiceMonitor => "ServiceMonitor",
            Self::PrometheusRule => "PrometheusRule",
        }
    }

    /// Whether only its metadata is watched: models and passwords do not pass through the watch.
    pub fn metadata_only(self) -> bool {
        matches!(self, Self::ConfigMap | Self::Secret)
    }

    /// Whether it may be missing in a cluster.
    pub fn optional(self) -> bool {
        matches!(self, Self::Middleware | Self::ServersTransport) || self.is_prometheus()
    }

    /// Whether it is a kind of Prometheus' operator. Nothing but monitoring waits for these: a model is trained and
    /// served whether they can be listed or not.
    pub fn is_prometheus(self) -> bool {
        matches!(self, Self::ServiceMonitor | Self::PrometheusRule)
    }

    /// How many of them a page of a list has: few, where one is large, because a page is in memory as a whole.
    pub fn page_size(self) -> u32 {
        match self {
            Self::Dashboards => 25,
            Self::PrometheusRule => 100,
            _ => 500,
        }
    }

    /// Which children of the kind are watched.
    pub fn selector(self) -> String {
        match self {
            Self::Dashboards => {
                format!("{},{}={}", labels::MODEL, labels::COMPONENT, labels::COMPONENT_DASHBOARDS)
            }
            _ => labels::MODEL.into(),
        }
    }

    /// Whether an object with these labels is a child of this kind; two kinds are ConfigMaps to the API server.
    pub fn is_of_component(self, component: Option<&str>) -> bool {
        let dashboards = component == Some(labels::COMPONENT_DASHBOARDS);
        match self {
            Self::ConfigMap => !dashboards,
            Self::Dashboards => dashboards,
            _ => true,
        }
    }

    /// Whether it is pruned when it is no longer wanted. Jobs and revisions never are: they are deleted by name.
    pub fn prunable(self) -> bool {
        !matches!(self, Self::Job | Self::ConfigMap | Self::Pod)
    }
}

/// `deployments.apps`, as RBAC and `kubectl` write it.
pub fn resource_name(resource: &ApiResource) -> String {
    match resource.group.as_str() {
        "" => resource.plural.clone(),
        group => format!("{}.{group}", resource.plural),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_called_what_the_api_server_calls_it() {
        for kind in Kind::ALL {
            assert_eq!(kind.resource().kind, kind.as_str());
        }
        assert_eq!(resource_name(&Kind::Deployment.resource()), "deployments.apps");
        assert_eq!(resource_name(&Kind::NetworkPolicy.resource()), "networkpolicies.networking.k8s.io");
        assert_eq!(resource_name(&Kind::Pod.resource()), "pods");
    }
}
