//! Any bytes as a stream of events, in any pieces: the parser gives the same events as for the whole, and both decoders of answers
//! say the same of them, without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vega_agent::http::Headers;
use vega_agent::provider::stream::{Progress, StreamDecoder};
use vega_agent::provider::{Endpoint, Protocol};
use vega_net::sse::{Event, Parser, SseError};

/// Small enough that inputs reach it.
const EVENT_BYTES_MAX: usize = 4 << 10;

fn parse<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Option<SseError>) {
    let (mut parser, mut events) = (Parser::new(EVENT_BYTES_MAX), Vec::new());
    for piece in pieces {
        if let Err(error) = parser.feed(piece, &mut events) {
            return (events, Some(error));
        }
    }
    (events, None)
}

fuzz_target!(|input: &[u8]| {
    // The first bytes say how long the pieces are, again and again.
    let count = usize::from(input.first().copied().unwrap_or(0) % 8);
    let (sizes, bytes) = input.split_at((1 + count).min(input.len()));
    let mut rest = bytes;
    let mut turn = 0;
    let pieces = std::iter::from_fn(|| {
        let size = usize::from(sizes.get(1 + turn % count.max(1)).copied().unwrap_or(255)).max(1);
        turn += 1;
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    let (in_pieces, stopped) = parse(pieces);
    let (whole, refused) = parse(std::iter::once(bytes));
    if stopped.is_none() && refused.is_none() {
        assert_eq!(in_pieces, whole);
    }
    for event in &whole {
        assert!(event.data.len() <= 3 * EVENT_BYTES_MAX, "an event is bounded, replaced characters included");
    }
    for protocol in [Protocol::Anthropic, Protocol::OpenAi] {
        let endpoint = Endpoint::from_environment(protocol, |_| None);
        let mut decoder = StreamDecoder::new(&endpoint, &Headers::new());
        let mut delivered = String::new();
        for event in &whole {
            match decoder.event(&event.data, endpoint.origin("m")) {
                Ok(Progress::Text(text)) => delivered.push_str(&text),
                Ok(Progress::Nothing | Progress::Unseen) => {}
                Ok(Progress::End) | Err(_) => break,
            }
        }
        assert!(decoder.received().counted_output >= (delivered.len() as u64).div_ceil(4));
        let _answer = decoder.finish(endpoint.origin("m"));
    }
});
