//! What becomes of rows that lack values.

use serde::{Deserialize, Serialize};

/// What becomes of rows that lack values: JSON `null`, an empty CSV cell, NaN in a tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Missing {
    // They are errors, in training and in requests.
    #[doc(hidden)]
    #[default]
    Refuse,
    // They are scored: at each split of a forest a missing value goes to a side that was chosen in training.
    #[doc(hidden)]
    Route,
}
