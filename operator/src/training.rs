//! Whether a model is to be trained now, and if not, why not. Pure: the decision depends on what was observed and on
//! the last status, so that a crash after any request converges, and a deleted Job takes no knowledge with it.

use api::status::TrainingStatus;

/// What was decided, with what status needs to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Where training stands.
    pub state: State,
    /// `status.training` from now on.
    pub record: TrainingStatus,
}

/// Where training stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum State {
    /// The data cannot be read.
    #[default]
    NoData,
}
