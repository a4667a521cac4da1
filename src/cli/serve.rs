//! `tokenfleet serve`: a page on this machine, on the same engine, to play with.
//!
//! The page edits a scenario, turns knobs, which are `--set` values, and shows what comes of it while
//! trials come in. `gate` says who may ask, `api` what is answered, `simulation` runs trials
//! until nobody waits for them any more.

mod api;
mod gate;
mod knobs;
mod shipped;
mod simulation;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::failure::{FINE, Failure};
use super::terminal::{print, remark};
use crate::report::html;

use gate::Gate;
use shipped::Scenarios;

/// What `tokenfleet serve` is told.
#[derive(Args, Clone, Debug)]
pub struct ServeArguments {
    /// Scenario files to offer beside those that come with the program
    pub scenarios: Vec<PathBuf>,

    /// The port; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8717)]
    pub port: u16,

    /// The address to listen at. Any but the default lets others use this machine
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub host: IpAddr,

    /// A further name that the page may be called by, where `--host` lets others in. May be repeated
    #[arg(long, value_name = "NAME")]
    pub name: Vec<String>,

    /// Say nothing but the address
    #[arg(long, short)]
    pub quiet: bool,
}

/// Bytes of a request at most.
const MOST_BYTES: usize = 256 * 1024;
/// Time for a request to arrive and for its answer to begin.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests that simulate at once.
const AT_ONCE: usize = 2;

/// What all requests share.
struct Shared {
    gate: Gate,
    scenarios: Scenarios,
    /// One permit for each simulation under way.
    machine: Arc<Semaphore>,
}

/// Serves the page until the process ends.
///
/// # Errors
/// When a scenario cannot be read, or the address is taken.
pub fn run(arguments: &ServeArguments) -> Result<u8, Failure> {
    let scenarios = Scenarios::with(&arguments.scenarios)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(arguments, scenarios))?;
    Ok(FINE)
}

async fn serve(arguments: &ServeArguments, scenarios: Scenarios) -> Result<(), Failure> {
    let wanted = SocketAddr::new(arguments.host, arguments.port);
    let taken = |error| Failure::Usage(format!("cannot listen at {wanted}: {error}; try --port 0"));
    let listener = TcpListener::bind(wanted).await.map_err(taken)?;
    let address = listener.local_addr()?;
    let machine = Arc::new(Semaphore::new(AT_ONCE));
    let shared = Arc::new(Shared { gate: Gate::new(address, &arguments.name), scenarios, machine });
    if !arguments.quiet {
        remark("the page is at the address below; Ctrl-C ends it\n");
        if !address.ip().is_loopback() {
            remark("warning: whoever reaches this address can use this machine's processors\n");
        }
    }
    print(&format!("http://{address}/\n"))?;
    Ok(axum::serve(listener, routes(shared)).await?)
}

fn routes(shared: Arc<Shared>) -> Router {
    const HTML: &str = "text/html; charset=utf-8";
    const STYLE: &str = "text/css; charset=utf-8";
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    Router::new()
        .route("/", get(|| file(HTML, include_str!("serve/page.html"))))
        .route("/base.css", get(|| file(STYLE, html::STYLE)))
        .route("/page.css", get(|| file(STYLE, include_str!("serve/page.css"))))
        .route("/echarts.js", get(|| file(SCRIPT, html::ECHARTS)))
        .route("/shared.js", get(|| file(SCRIPT, html::SHARED)))
        .route("/page.js", get(|| file(SCRIPT, include_str!("serve/page.js"))))
        .route("/api/scenarios", get(api::scenarios))
        .route("/api/schema", get(api::schema))
        .route("/api/check", post(api::check))
        .route("/api/run", post(api::run))
        .route("/api/report", post(api::report))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), admit))
        .with_state(shared)
}

async fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

/// Lets those in that the gate knows, and tells browsers what the page may do.
async fn admit(
    State(shared): State<Arc<Shared>>,
    request: axum::extract::Request,
    next: middleware::Next,
) -> axum::response::Response {
    let mut response = match shared.gate.refuses(request.headers()) {
        Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        None => next.run(request).await,
    };
    response.headers_mut().extend(gate::promises());
    response
}

async fn in_time(
    request: axum::extract::Request,
    next: middleware::Next,
) -> axum::response::Response {
    let late = (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response();
    tokio::time::timeout(PATIENCE, next.run(request)).await.unwrap_or(late)
}
