//! `anomaly replay`: rows of a file to a served model, and what it says when that fails.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};

use server::{Config, Public, Server, Source, Stop};
use support::{Folder, Served, anomaly, run};

const HOURS: &str = "examples/data/machine-temperature/hourly.csv";

#[test]
fn the_verdicts_are_those_of_the_file_scored_without_a_server() {
    let served = Served::start();
    let (_, _, scored) = run(&["score", "-f", "examples/quickstart.yaml", HOURS]);
    let (rows, anomalies) = (number(&scored, ""), number(&scored, "rows, "));
    for batch in ["1", "300"] {
        let (code, out, said) =
            run(&["replay", HOURS, "--url", &served.url, "--rate", "0", "--batch", batch]);
        assert_eq!(code, 0, "{said}");
        assert!(out.contains(&format!("rows       {rows} scored (")), "{out}");
        assert!(out.contains(&format!("anomalies  {anomalies} (")), "{out}");
        assert_eq!(out.lines().filter(|line| line.contains("ANOMALY")).count(), anomalies);
        assert!(out.contains("latency    p50 "), "{out}");
    }
}

/// The number behind `mark`.
fn number(text: &str, mark: &str) -> usize {
    let from = text.find(mark).unwrap() + mark.len();
    text[from..].split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn rows_are_repeated_as_often_as_asked() {
    let served = Served::start();
    let folder = Folder::new("repeat");
    let rows = folder.write("rows.csv", "mean,sd\n95,0.6\n26.9716,0.5116\n");
    let arguments =
        ["replay", &rows, "--url", &served.url, "--rate", "1000", "--repeat", "5", "--print", "all"];
    let (_, out, _) = run(&arguments);
    assert_eq!(
        out.lines().filter(|line| line.starts_with("row      1  inlier   severity 0.")).count(),
        5,
        "{out}"
    );
    assert_eq!(
        out.lines().filter(|line| line.starts_with("row      2  ANOMALY  severity 1.")).count(),
        5,
        "{out}"
    );
    assert!(out.contains("requests   10 in "), "{out}");
}

#[test]
fn a_bad_row_stops_it_before_anything_is_sent() {
    let served = Served::start();
    let folder = Folder::new("bad");
    let rows = folder.write("rows.csv", "mean,sd\n95,0.6\n95,\n");
    let (code, out, said) = run(&["replay", &rows, "--url", &served.url]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(said.contains("rows.csv, row 2: column \"sd\": the cell is empty"), "{said}");
}

#[test]
fn rows_that_lack_values_are_sent_to_a_model_that_takes_them() {
    let folder = Folder::new("missing");
    let csv: String = (0..64).map(|row| format!("{row},{}\\n", row * row % 7)).collect();
    let manifest = folder.write(
        "model.yaml",
        &format!(
            "apiVersion: anomaly-operator.io/v1alpha1\nkind: AnomalyModel\nmetadata: {{name: m}}\nspec:\n  \
             features: [{{name: mean}}, {{name: sd}}]\n  missing: route\n  detector: {{isolationForest: {{}}}}\n  \
             training: {{source: {{inline: {{csv: \"mean,sd\\n{csv}\"}}}}}}\n"
        ),
    );
    let served = Served::of(&manifest);
    let rows = folder.write("rows.csv", "mean,sd\n9,0\n9,\n,\n");
    for batch in ["1", "2"] {
        let (code, out, said) =
            run(&["replay", &rows, "--url", &served.url, "--rate", "0", "--batch", batch]);
        assert_eq!(code, 0, "{said}");
        assert!(out.contains("rows       3 scored ("), "{out}");
    }
}

#[test]
fn what_is_not_a_model_is_told_apart() {
    let served = Served::start();
    let (code, _, said) = run(&["replay", HOURS, "--url", &format!("{}/elsewhere", served.url)]);
    assert!(code == 1 && said.contains("/elsewhere/model_information answers 404"), "{said}");
    // Nothing listens at a port that has just been given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, _, said) = run(&["replay", HOURS, "--url", &format!("http://{free}")]);
    assert!(code == 1 && said.contains("cannot reach http://") && said.contains("refused"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_comes_from_the_environment_or_a_file_and_is_asked_for_once() {
    let folder = Folder::new("password");
    // {SHA} of "secret"
    let htpasswd = folder.write("htpasswd", "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
    let plan = cli::run::plan(std::path::Path::new("../examples/quickstart.yaml"), None).unwrap();
    let trained = trainer::train(&plan.input, &plan.data).unwrap();
    let source = Source::Memory { model: trained.model, description: Box::new(trained.description) };
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = Config::new("machine-temperature", source, any);
    config.public = Some(Public::new(any, htpasswd));
    let server = Server::bind(config).await.unwrap();
    let url = format!("http://{}", server.public_address().unwrap());
    let (stop, stopped) = tokio::sync::mpsc::channel(1);
    let running = tokio::spawn(server.run(stopped));

    let file = folder.write("password", "secret\n");
    let replay = move |extra: Vec<String>, password: Option<&'static str>| {
        let fixed = ["replay", HOURS, "--url", &url, "--rate", "0", "--print", "none"].map(str::to_owned);
        let all: Vec<String> = fixed.into_iter().chain(extra).collect();
        let mut command = anomaly(&all.iter().map(String::as_str).collect::<Vec<_>>());
        command.env_remove("ANOMALY_PASSWORD");
        if let Some(password) = password {
            command.env("ANOMALY_PASSWORD", password);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let user = || vec!["--user".to_owned(), "ann".to_owned()];
    let with_file = [user(), vec!["--password-file".to_owned(), file]].concat();
    tokio::task::spawn_blocking(move || {
        assert_eq!(replay(user(), Some("secret")).0, Some(0));
        assert_eq!(replay(with_file, None).0, Some(0));
        let (code, said) = replay(user(), Some("wrong"));
        assert!(code == Some(1) && said.contains("asks for a password, or another one"), "{said}");
        let (code, said) = replay(Vec::new(), None);
        assert!(code == Some(1) && said.contains("asks for a password"), "{said}");
        let (code, said) = replay(user(), None);
        assert!(code == Some(1) && said.contains("--user needs a password"), "{said}");
    })
    .await
    .unwrap();
    stop.send(Stop::Now).await.unwrap();
    running.await.unwrap();
}
