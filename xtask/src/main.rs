//! `cargo xtask`: the command line of the automation. Only parses and reports; the work is in the library.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{generated, grpc, reasons, repository_root};

/// Automation of the repository.
#[derive(Parser)]
#[command(name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes crds/, the chart's CRD template and docs/reference/ from the types in api/, and the chart's dashboards.
    Crdgen,
    /// Writes the Rust of the gRPC services from server/proto/.
    Grpcgen,
    /// Fails if a generated file is stale or a reason of a condition is not documented, and says what to do.
    Check,
}

fn main() -> Result<ExitCode> {
    let root = repository_root();
    let mut out = std::io::stdout().lock();
    match Arguments::parse().task {
        Task::Crdgen => {
            for path in generated::write(&root)? {
                writeln!(out, "wrote {path}")?;
            }
        }
        Task::Grpcgen => {
            for path in grpc::write(&root)? {
                writeln!(out, "wrote {path}")?;
            }
        }
        Task::Check => {
            let stale = generated::complaint(&root)?;
            let stale = stale.into_iter().chain(grpc::complaint(&root)?);
            let complaints: Vec<String> = stale.chain(reasons::complaints(&root)?).collect();
            if !complaints.is_empty() {
                writeln!(std::io::stderr(), "{}", complaints.join("\n"))?;
                return Ok(ExitCode::FAILURE);
            }
            writeln!(out, "generated files are fresh, every reason is documented")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
