//! Who may ask.
//!
//! A page of another site can make a browser send requests to this machine. It cannot choose the
//! `Host` header, which gives away a name that was pointed here (DNS rebinding), and it cannot hide
//! its `Origin`. Requests that lack a known host, or have a foreign origin, are refused.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The names that this server goes by.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    hosts: Vec<String>,
}

impl Gate {
    /// The names of an address on this machine, and further ones.
    pub(super) fn new(address: SocketAddr, names: &[String]) -> Self {
        let port = address.port();
        let mut hosts = vec![address.to_string()];
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
            hosts.extend([local.to_string(), format!("localhost:{port}"), format!("[::1]:{port}")]);
        }
        hosts.extend(names.iter().flat_map(|name| [name.clone(), format!("{name}:{port}")]));
        Self { hosts }
    }

    /// Why a request is refused, if it is.
    pub(super) fn refuses(&self, headers: &HeaderMap) -> Option<&'static str> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let known = |host: &str| self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        if !text(header::HOST).is_some_and(known) {
            return Some("this host is not served here; --name adds one\n");
        }
        let origin = text(header::ORIGIN)?;
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        (!known(host)).then_some("requests of other sites are refused\n")
    }
}

/// What browsers are told of every answer: nothing is loaded from elsewhere, no text becomes a
/// program, no other page frames this one, nothing is kept.
pub(super) fn promises() -> [(HeaderName, HeaderValue); 5] {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' \
                          data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";
    [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(host: Option<&'static str>, origin: Option<&'static str>) -> bool {
        let gate = Gate::new(SocketAddr::from(([127, 0, 0, 1], 8717)), &["planner.lan".to_owned()]);
        let mut headers = HeaderMap::new();
        let named = [(header::HOST, host), (header::ORIGIN, origin)];
        for (name, value) in named {
            headers.extend(value.map(|value| (name, HeaderValue::from_static(value))));
        }
        gate.refuses(&headers).is_some()
    }

    #[test]
    fn only_its_own_names_are_served() {
        assert!(!refused(Some("127.0.0.1:8717"), None));
        assert!(!refused(Some("LocalHost:8717"), Some("http://localhost:8717")));
        assert!(!refused(Some("planner.lan"), Some("https://planner.lan")));
        assert!(refused(None, None));
        assert!(refused(Some("evil.example:8717"), None));
        assert!(refused(Some("127.0.0.1:9999"), None));
        assert!(refused(Some("127.0.0.1:8717"), Some("http://evil.example")));
        assert!(refused(Some("127.0.0.1:8717"), Some("null")));
    }
}
