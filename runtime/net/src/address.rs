//! Addresses: read in one place, so that whoever decides about a host decides about the one that is connected to; and shown without the
//! name and password that may stand before the host.

use std::borrow::Cow;

pub use ureq::http::Uri;
pub use ureq::http::uri::Authority;

use crate::failure::{Failure, FailureKind};

/// Reads an address that a request can be sent to: of http or https, with a host.
pub fn parse(address: &str) -> Result<Uri, Failure> {
    let failure = |why: &str| Failure {
        kind: FailureKind::BadAddress,
        message: format!("{:?} is not an address: {why}", without_credentials(address)),
        sent: false,
    };
    if let Some(bad) = address.chars().find(|character| !character.is_ascii_graphic()) {
        return Err(failure(&format!("{bad:?} has to be written with % and its number")));
    }
    match address.parse::<Uri>() {
        Ok(uri) if matches!(uri.scheme_str(), Some("http" | "https")) && !bare_host(&uri).is_empty() => Ok(uri),
        _ => Err(failure("it has to begin with http:// or https:// and name a host")),
    }
}

/// A host without the brackets that addresses of IPv6 have in a URL.
pub fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// The address without its credentials, whether it is well formed or not.
pub fn without_credentials(address: &str) -> Cow<'_, str> {
    let host = address.find("://").map_or(0, |scheme| scheme + 3);
    let end = address[host..].find(['/', '?', '#']).map_or(address.len(), |length| host + length);
    // A password with a slash that nobody escaped belongs to the host for nobody but its writer.
    match address[host..end].rfind('@').map(|at| host + at).or_else(|| address[host..].rfind('@').map(|at| host + at)) {
        Some(at) => Cow::Owned(format!("{}{}", &address[..host], &address[at + 1..])),
        None => Cow::Borrowed(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_left_out_and_nothing_else() {
        for (address, shown) in [
            ("https://host/v1", "https://host/v1"),
            ("https://ann:secret@host:1/v1?x=1", "https://host:1/v1?x=1"),
            ("http://ann:sec@ret@host", "http://host"),
            ("ann:secret@host/v1", "host/v1"),
            ("http://ann:sec/ret@host", "http://host"),
            ("http://ann:secret@", "http://"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(address), shown);
        }
    }
}
