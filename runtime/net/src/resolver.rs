//! Names to addresses without blocking a worker: literals at once, everything else on the lane for name lookups.
//!
//! The system's lookup blocks for as long as it likes, so it runs on the lane's own threads while the caller is parked. One lookup
//! at a time for each name: callers that ask meanwhile wait for its answer. Answers are kept for a short time.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use vega_scheduler::{Completer, Instant, Lane};

use crate::address::bare_host;
use crate::failure::{BeforeSending, FailureKind};
use crate::proxy::Proxy;
use crate::public::is_public;

/// How long an answer is used again.
const CACHE_TIME: Duration = Duration::from_secs(30);
/// Names that are kept; beyond it the table is emptied.
const CACHE_NAMES_MAX: usize = 1024;
/// Addresses that one answer may hold: the library's own bound.
const ADDRESSES_MAX: usize = 16;

/// Looks a host's addresses up. The default asks the system; tests put their own in its place.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of `host`; may block, runs on its own lane.
    fn lookup(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>>;
}

/// The system's resolver.
#[derive(Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        (host, port).to_socket_addrs().map(Iterator::collect)
    }
}

type Found = Result<Vec<IpAddr>, String>;

enum Entry {
    /// Somebody is asking; these wait for the answer.
    Asking(Vec<Completer<Found>>),
    /// The answer, and until when it is good.
    Known(Vec<IpAddr>, Instant),
}

/// The client's resolver.
#[derive(Clone)]
pub(crate) struct LaneResolver {
    lookup: Arc<dyn Lookup>,
    proxy: Option<Proxy>,
    public_only: bool,
    names: Arc<Mutex<HashMap<String, Entry>>>,
}

impl fmt::Debug for LaneResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LaneResolver")
    }
}

impl LaneResolver {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, proxy: Option<Proxy>, public_only: bool) -> Self {
        Self { lookup, proxy, public_only, names: Arc::default() }
    }

    /// Whether the client may connect to an address; `host` is what the request names.
    fn check(&self, host: &str, address: IpAddr) -> Result<(), ureq::Error> {
        if !self.public_only || is_public(address) {
            return Ok(());
        }
        let place = if host.parse() == Ok(address) { host.to_owned() } else { format!("{host} ({address})") };
        Err(BeforeSending::error(FailureKind::NotPublic, format!("{place} is no address of the public internet")))
    }

    fn addresses(&self, host: &str, port: u16, deadline: Option<Instant>) -> std::io::Result<Found> {
        let completion = {
            let mut names = self.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match names.get_mut(host) {
                Some(Entry::Known(found, until)) if vega_scheduler::now() < *until => return Ok(Ok(found.clone())),
                Some(Entry::Asking(waiting)) => {
                    let (completer, completion) = vega_scheduler::completion();
                    waiting.push(completer);
                    Some(completion)
                }
                _ => {
                    if names.len() >= CACHE_NAMES_MAX {
                        names.retain(|_, entry| matches!(entry, Entry::Asking(_)));
                    }
                    names.insert(host.to_owned(), Entry::Asking(Vec::new()));
                    None
                }
            }
        };
        if let Some(completion) = completion {
            return completion.wait(deadline);
        }
        // The lookup goes on when this caller gives up: its answer still serves those who wait and those who come.
        let lookup = self.lookup.clone();
        let name = host.to_owned();
        let names = self.names.clone();
        vega_scheduler::offload_until(Lane::Dns, deadline, move || {
            let found = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lookup.lookup(&name, port))) {
                Ok(Ok(addresses)) => {
                    let mut found: Vec<IpAddr> = Vec::new();
                    for address in addresses {
                        if !found.contains(&address.ip()) {
                            found.push(address.ip());
                        }
                    }
                    Ok(found)
                }
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the resolver panicked".to_owned()),
            };
            let mut names = names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let previous = match &found {
                Ok(list) => names.insert(name, Entry::Known(list.clone(), vega_scheduler::now() + CACHE_TIME)),
                Err(_) => names.remove(&name),
            };
            drop(names);
            if let Some(Entry::Asking(waiting)) = previous {
                for completer in waiting {
                    completer.complete(found.clone());
                }
            }
            found
        })
    }
}

impl Resolver for LaneResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let target = uri;
        let proxy = self.proxy.as_ref().filter(|proxy| proxy.is_for(uri));
        // A proxy looks up by itself whom it connects to.
        let uri = proxy.map_or(uri, Proxy::uri);
        let host = uri.host().ok_or_else(|| BeforeSending::error(FailureKind::BadAddress, format!("{uri} names no host")))?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let mut result = self.empty();
        // Also where a proxy connects, which can decide about names only.
        if let Ok(address) = bare_host(target).parse() {
            self.check(bare_host(target), address)?;
        }
        if let Ok(address) = bare_host(uri).parse() {
            result.push(SocketAddr::new(address, port));
            return Ok(result);
        }
        let deadline = timeout.not_zero().map(|left| vega_scheduler::now() + *left);
        match self.addresses(host, port, deadline) {
            Ok(Ok(found)) if !found.is_empty() => {
                // IPv4 first where both exist: a missing route for the other is the more common trouble.
                let (four, six): (Vec<IpAddr>, Vec<IpAddr>) = found.into_iter().partition(IpAddr::is_ipv4);
                let mut refused = Ok(());
                for address in four.into_iter().chain(six) {
                    match if proxy.is_none() { self.check(host, address) } else { Ok(()) } {
                        Ok(()) if result.len() < ADDRESSES_MAX => result.push(SocketAddr::new(address, port)),
                        Ok(()) => {}
                        problem => refused = problem,
                    }
                }
                // Some of its addresses may be public while others are not.
                if result.is_empty() { refused.map(|()| result) } else { Ok(result) }
            }
            Ok(Ok(_)) => Err(BeforeSending::error(FailureKind::Resolve, format!("the name {host} has no address"))),
            Ok(Err(problem)) => {
                Err(BeforeSending::error(FailureKind::Resolve, format!("cannot resolve the name {host}: {problem}")))
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                Err(BeforeSending::error(FailureKind::ConnectTimeout, format!("the name {host} was not resolved in time")))
            }
            Err(error) => Err(ureq::Error::Io(error)),
        }
    }
}
