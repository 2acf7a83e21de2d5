//! The quick start, as `make up` leaves it: real data, and its known failure comes out anomalous.

use anyhow::{Context, Result};
use e2e::kubectl::text;
use e2e::model::{Namespace, is_ready, score};
use serde_json::Value;

#[tokio::test]
async fn the_quick_start_scores_ordinary_hours_and_the_known_failure() -> Result<()> {
    let demo = Namespace { name: "demo".into() };
    let model =
        demo.get("machine-temperature").await.context("`make up` applies examples/quickstart.yaml")?;
    assert!(is_ready(&model));
    let url = text(&model, "/status/url");
    assert!(url.contains("machine-temperature.localhost"), "{url}");
    let (user, password) = demo.credentials("machine-temperature").await?;
    let ask = async |row: &str| -> Result<Value> {
        let (status, body) = score("machine-temperature.localhost", Some((&user, &password)), row).await?;
        assert_eq!(status, 200, "{body}");
        Ok(serde_json::from_str(&body)?)
    };
    assert_eq!(score("machine-temperature.localhost", None, "[85.0, 1.0]").await?.0, 401);
    let (failure, ordinary) = (worst_hour_of_the_failure()?, "[95.0, 1.0]");
    assert_eq!(ask(&failure).await?["is_inlier"], false, "{failure}");
    assert_eq!(ask(ordinary).await?["is_inlier"], true);
    Ok(())
}

/// Mean and standard deviation of the coldest hour in the labelled window of the failure.
fn worst_hour_of_the_failure() -> Result<String> {
    let hours = std::fs::read_to_string("../examples/data/machine-temperature/hourly.csv")?;
    let coldest = hours
        .lines()
        .skip(1)
        .filter(|l| *l >= "2014-02-07 15" && *l < "2014-02-09 14")
        .filter_map(|l| {
            let mut cells = l.split(',').skip(1).map(|c| c.parse::<f64>().ok());
            Some((cells.next()??, cells.next()??))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .context("no hours in the window")?;
    Ok(format!("[{}, {}]", coldest.0, coldest.1))
}
