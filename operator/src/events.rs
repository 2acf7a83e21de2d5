//! Sends Events (events.k8s.io/v1). Talks to the API server. An Event that cannot be sent is logged and lost: it never
//! fails a reconcile.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::transitions::Note;
use crate::watch;
use crate::writes::is_leaving;

/// Most bytes of a note that the API server accepts.
const NOTE_BYTES: usize = 1_024;

/// Sends Events.
pub struct Publisher(Recorder);

impl Publisher {
    /// Events are sent in the name of this process.
    pub fn new(client: Client, identity: String) -> Self {
        Self(Recorder::new(
            client,
            Reporter { controller: api::labels::OPERATOR.into(), instance: Some(identity) },
        ))
    }

    /// Sends notes about an object.
    pub async fn send(&self, about: &ObjectReference, notes: Vec<Note>) {
        for note in notes {
            let event = Event {
                type_: if note.warning { EventType::Warning } else { EventType::Normal },
                reason: note.reason,
                note: Some(shortened(&note.message).to_owned()),
                action: note.action,
                secondary: None,
            };
            if let Err(error) = self.0.publish(&event, about).await {
                // It would go with the namespace.
                if matches!(&error, kube::Error::Api(status) if is_leaving(status)) {
                    return;
                }
                tracing::warn!(
                    reason = event.reason,
                    error = watch::said(&error),
                    "an Event could not be sent"
                );
            }
        }
    }
}

/// The longest beginning that is accepted, cut between characters.
fn shortened(message: &str) -> &str {
    &message[..message.floor_char_boundary(NOTE_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let message = "ä".repeat(NOTE_BYTES);
        assert_eq!(shortened(&message).len(), NOTE_BYTES);
        assert_eq!(shortened(&format!("x{message}")).len(), NOTE_BYTES - 1);
        assert_eq!(shortened("short"), "short");
    }
}
