//! The command line as data.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// A compiled language and virtual machine for fault-tolerant orchestration of AI agents.
#[derive(Parser, Debug)]
#[command(name = "vega", version, arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Compile a program and run it; also runs bytecode
    Run(Box<RunArguments>),
    /// Look for mistakes in a program without running it
    Check(CheckArguments),
    /// Compile a program to a bytecode file
    Build(BuildArguments),
    /// Print what the machine will execute
    Disasm(DisasmArguments),
    /// Explain a diagnostic with an example, or list them all
    Explain(ExplainArguments),
    /// Serve a scripted model over HTTP, in the protocols of Anthropic and OpenAI
    MockServer(MockServerArguments),
    /// Measure what processes cost on this machine
    Bench(BenchArguments),
    /// Print the version
    Version,
}

/// Arguments of `vega run`.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// The program, as `.vega` source or `.vgb` bytecode
    pub(crate) program: PathBuf,
    /// Replace every model by the scripted one: no network, no key
    #[arg(long)]
    pub(crate) offline: bool,
    /// What the scripted model answers; `NAME.replies.toml` beside the program unless given
    #[arg(long, value_name = "FILE", requires = "offline")]
    pub(crate) replies: Option<PathBuf>,
    /// Write a record of every call to this file, as lines of JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Let time pass only when nothing else can happen, with one worker and always the same order
    #[arg(long)]
    pub(crate) virtual_time: bool,
    /// Choose one of the possible orders under virtual time
    #[arg(long, value_name = "N", requires = "virtual_time")]
    pub(crate) seed: Option<u64>,
    /// Threads that run processes; as many as there are processors unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// Write messages of the program's log from this level on: debug, info, warn, error or off
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log: Option<vega_stdlib::LogLevel>,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// End the program after so many reductions over all processes, as 500k or 10M
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) max_reductions: Option<u64>,
    /// Draw the tree of supervised processes on standard error when `main` ends, before they stop
    #[arg(long)]
    pub(crate) tree: bool,
    /// The most that all model calls together may cost, in dollars, as 2.50; a call that does not fit raises `BudgetExceeded`
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    pub(crate) budget: Option<i64>,
    /// Print at the end what workers, queues and processes did, and what is left; as `--stats=json` in one line of JSON
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub(crate) stats: Option<StatsFormat>,
    /// How long running model calls may go on after the first interrupt
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub(crate) drain: Duration,
    /// Print nothing but what the program prints, and errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Passed to the program
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) arguments: Vec<String>,
    #[command(flatten)]
    pub(crate) grants: GrantArguments,
}

/// How `--stats` prints.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StatsFormat {
    /// A table
    Text,
    /// One line of JSON
    Json,
}

/// What a program may touch.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "What the program may touch")]
pub(crate) struct GrantArguments {
    /// Begin with nothing allowed but agents
    #[arg(long)]
    pub(crate) sandbox: bool,
    /// Allow reading this file, or what is below this folder
    #[arg(long, value_name = "PATH", require_equals = true)]
    pub(crate) allow_read: Vec<String>,
    /// Allow writing this file, or what is below this folder
    #[arg(long, value_name = "PATH", require_equals = true)]
    pub(crate) allow_write: Vec<String>,
    /// Allow connections to this host, whatever its address
    #[arg(long, value_name = "HOST", require_equals = true)]
    pub(crate) allow_net: Vec<String>,
    /// Allow running this command; `npm test *` with any further arguments
    #[arg(long, value_name = "COMMAND", require_equals = true)]
    pub(crate) allow_exec: Vec<String>,
    /// Allow reading this environment variable
    #[arg(long, value_name = "NAME", require_equals = true)]
    pub(crate) allow_env: Vec<String>,
    /// Forbid reading files, or what is named
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) deny_read: Vec<String>,
    /// Forbid writing files, or what is named
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) deny_write: Vec<String>,
    /// Forbid network connections other than to models
    #[arg(long)]
    pub(crate) deny_net: bool,
    /// Forbid running commands
    #[arg(long)]
    pub(crate) deny_exec: bool,
    /// Forbid reading environment variables
    #[arg(long)]
    pub(crate) deny_env: bool,
    /// Forbid calling agents
    #[arg(long)]
    pub(crate) deny_agent: bool,
    /// Allow writing to vega.toml, .git, .vega, replies files and the program's own sources
    #[arg(long)]
    pub(crate) allow_self_write: bool,
}

/// Arguments of `vega check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArguments {
    /// The programs
    #[arg(required = true)]
    pub(crate) programs: Vec<PathBuf>,
    /// Print nothing when all is well
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// Arguments of `vega build`.
#[derive(Args, Debug)]
pub(crate) struct BuildArguments {
    /// The program
    pub(crate) program: PathBuf,
    /// Where the bytecode goes; beside the program unless given
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Arguments of `vega disasm`.
#[derive(Args, Debug)]
pub(crate) struct DisasmArguments {
    /// The program, as `.vega` source or `.vgb` bytecode
    pub(crate) program: PathBuf,
    /// Only this function
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
}

/// Arguments of `vega explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArguments {
    /// The code, as V0301
    pub(crate) code: Option<String>,
}

/// Arguments of `vega mock-server`.
#[derive(Args, Debug)]
pub(crate) struct MockServerArguments {
    /// What the model answers
    #[arg(long, value_name = "FILE")]
    pub(crate) replies: Option<PathBuf>,
    /// The port on this machine; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8080)]
    pub(crate) port: u16,
    /// Serve over TLS, with a certificate of an authority made for this run
    #[arg(long)]
    pub(crate) tls: bool,
    /// Write the authority's certificate to this file
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(crate) ca_out: Option<PathBuf>,
    /// Threads that serve; as many as there are processors unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
}

/// Arguments of `vega bench`.
#[derive(Args, Debug)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    pub(crate) what: BenchCommand,
}

/// What to measure.
#[derive(Subcommand, Debug)]
pub(crate) enum BenchCommand {
    /// Start processes that end at once, in batches or all together
    Spawn(SpawnMeasureArguments),
    /// The same, each linked to whoever started it
    SpawnLinked(MeasureArguments),
    /// The same, each watched until its end
    SpawnMonitored(MeasureArguments),
    /// Keep processes that wait for a message
    Idle(MeasureArguments),
    /// Send a message there and back between two processes
    PingPong(MeasureArguments),
    /// Send a message around a ring of a thousand processes
    Ring(RingMeasureArguments),
    /// Send from a hundred processes to one
    FanIn(MeasureArguments),
    /// Kill a supervised process and wait for its next incarnation
    Restart(MeasureArguments),
    /// Sleep a millisecond at a time beside two processes that never wait
    Preempt(MeasureArguments),
    /// Ask an agent of the scripted model
    Calls(MeasureArguments),
}

/// How to start processes.
#[derive(Args, Debug)]
pub(crate) struct SpawnMeasureArguments {
    #[command(flatten)]
    pub(crate) measure: MeasureArguments,
    /// Start the next ones when so many have ended
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=50_000))]
    pub(crate) batch: u64,
    /// Start all of them without waiting for any
    #[arg(long, conflicts_with_all = ["batch", "groups"])]
    pub(crate) at_once: bool,
    /// Let so many processes start them, which know nothing of each other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) groups: u64,
}

/// How to send a message around.
#[derive(Args, Debug)]
pub(crate) struct RingMeasureArguments {
    #[command(flatten)]
    pub(crate) measure: MeasureArguments,
    /// Use so many rings at a time, which know nothing of each other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) groups: u64,
}

/// How much to measure.
#[derive(Args, Debug)]
pub(crate) struct MeasureArguments {
    /// How many processes, or round trips
    #[arg(long, short = 'n', value_name = "N", value_parser = count)]
    pub(crate) count: Option<u64>,
    /// How often; the median counts
    #[arg(long = "runs", visible_alias = "rounds", value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Threads that run processes; as many as there are processors unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// Print one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A number, perhaps with `k`, `M` or `G` behind it.
fn count(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1_000),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1_000_000),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    let number: u64 = digits.replace('_', "").parse().map_err(|_| "write a number, as 500k or 10M".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "the number is too large".to_owned())
}

/// An amount in dollars, exactly, as 10^-12 of them.
fn dollars(text: &str) -> Result<i64, String> {
    let wrong = "write an amount in dollars, as 2.50 (a shell takes the `$` of \"$2.50\" for itself)";
    vega_runtime::value::json::parse_money(text).filter(|pico| *pico >= 0).ok_or_else(|| wrong.to_owned())
}

/// A time as the language writes it: `10s`, `1.5s`, `500ms`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time, as 10s, 500ms or 1m30s".to_owned();
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit] {
                "us" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                "d" => 86_400.0,
                _ => return Err(wrong()),
            };
        rest = &rest[unit..];
    }
    if text.is_empty() {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn numbers_have_suffixes() {
        assert_eq!(count("10M"), Ok(10_000_000));
        assert_eq!(count("5_000"), Ok(5_000));
        assert!(count("ten").is_err() && count("99999999999999G").is_err() && count("").is_err());
    }

    #[test]
    fn amounts_are_exact_dollars() {
        assert_eq!(dollars("2.50"), Ok(2_500_000_000_000));
        assert_eq!(dollars("$0.000000000001"), Ok(1));
        assert!(dollars("").is_err() && dollars("-1").is_err() && dollars("2,50").is_err() && dollars("ten").is_err());
    }

    #[test]
    fn times_are_written_as_in_the_language() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert!(duration("10").is_err() && duration("s").is_err() && duration("").is_err() && duration("5 s").is_err());
    }

    #[test]
    fn what_follows_two_dashes_is_the_programs() {
        let arguments = Arguments::try_parse_from(["vega", "run", "x.vega", "--offline", "--", "--seed", "1"]).unwrap();
        let Command::Run(run) = arguments.command else { panic!("run") };
        assert_eq!(run.arguments, ["--seed", "1"]);
        assert_eq!(run.seed, None);
    }
}
