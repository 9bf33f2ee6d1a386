//! HTTP and TLS over the scheduler's reactor, resolver, server-sent events.
