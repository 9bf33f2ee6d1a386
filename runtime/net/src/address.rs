//! Addresses as messages may show them: without the name and password that may stand before the host.

use std::borrow::Cow;

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
