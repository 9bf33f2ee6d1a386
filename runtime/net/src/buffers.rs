//! Memory of one connection: scratch and output while a request is sent, input while an answer arrives, nothing while it waits.
//!
//! Ten thousand calls that wait for their answers are the normal case, so a connection that waits must not hold buffers. The HTTP
//! library calls `output` and `tmp_and_output` only while it sends; the transport calls [`WaitingBuffers::request_is_sent`] when it
//! first waits for input.

use ureq::unversioned::transport::Buffers;

/// Bytes that are read from the request's body at a time.
const SCRATCH_BYTES: usize = 4 << 10;

/// Buffers that exist only while they are used.
#[derive(Debug)]
pub(crate) struct WaitingBuffers {
    input: Vec<u8>,
    consumed: usize,
    filled: usize,
    scratch: Vec<u8>,
    output: Vec<u8>,
    input_bytes: usize,
    output_bytes: usize,
    progress: bool,
}

impl WaitingBuffers {
    /// Buffers of the given sizes in bytes; nothing is allocated yet.
    pub(crate) fn new(input_bytes: usize, output_bytes: usize) -> Self {
        Self {
            input: Vec::new(),
            consumed: 0,
            filled: 0,
            scratch: Vec::new(),
            output: Vec::new(),
            input_bytes,
            output_bytes,
            progress: false,
        }
    }

    /// Gives back what only sending needs, and the input where nothing in it is unread.
    pub(crate) fn request_is_sent(&mut self) {
        self.scratch = Vec::new();
        self.output = Vec::new();
        if self.consumed == self.filled {
            self.input = Vec::new();
            self.consumed = 0;
            self.filled = 0;
        }
    }

    /// Whether input would have to be allocated before the next read.
    pub(crate) fn holds_no_input(&self) -> bool {
        self.input.is_empty()
    }
}

impl Buffers for WaitingBuffers {
    fn output(&mut self) -> &mut [u8] {
        self.output.resize(self.output_bytes, 0);
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.consumed..self.filled]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        if self.consumed == self.filled {
            self.consumed = 0;
            self.filled = 0;
        } else if self.filled == self.input.len() && self.consumed > 0 {
            self.input.copy_within(self.consumed..self.filled, 0);
            self.filled -= self.consumed;
            self.consumed = 0;
        }
        if self.filled == self.input.len() {
            // Empty so far, or full of unread bytes: a head longer than the buffer. The library bounds the size of heads.
            let grown = (self.input.len() * 2).max(self.input_bytes);
            self.input.resize(grown, 0);
        }
        &mut self.input[self.filled..]
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled += amount;
        debug_assert!(self.filled <= self.input.len());
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.consumed += amount;
        debug_assert!(self.consumed <= self.filled);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.scratch.resize(SCRATCH_BYTES, 0);
        self.output.resize(self.output_bytes, 0);
        (&mut self.scratch, &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.consumed < self.filled && self.progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_waits_holds_no_memory() {
        let mut buffers = WaitingBuffers::new(4096, 4096);
        buffers.tmp_and_output();
        buffers.request_is_sent();
        assert_eq!(buffers.scratch.capacity() + buffers.output.capacity() + buffers.input.capacity(), 0);
    }

    #[test]
    fn unread_input_survives_sending_and_moves_to_the_front_when_room_is_needed() {
        let mut buffers = WaitingBuffers::new(8, 8);
        buffers.input_append_buf().copy_from_slice(b"abcdefgh");
        buffers.input_appended(8);
        buffers.input_consume(6);
        buffers.request_is_sent();
        assert_eq!(buffers.input(), b"gh");
        let room = buffers.input_append_buf();
        assert_eq!(room.len(), 6);
        room[..2].copy_from_slice(b"ij");
        buffers.input_appended(2);
        assert_eq!(buffers.input(), b"ghij");
    }

    #[test]
    fn a_head_longer_than_the_buffer_finds_room() {
        let mut buffers = WaitingBuffers::new(4, 4);
        for part in [b"abcd", b"efgh"] {
            let room = buffers.input_append_buf();
            assert!(room.len() >= 4);
            room[..4].copy_from_slice(part);
            buffers.input_appended(4);
        }
        assert_eq!(buffers.input(), b"abcdefgh");
    }
}
