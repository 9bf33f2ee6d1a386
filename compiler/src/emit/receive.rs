//! `receive`: looks at messages one after the other until an arm fits.
//!
//! ```text
//! peek:  recv.peek m, wait      the next message not yet refused
//!        … tests of the arms; the arm that fits takes the message and leaves …
//!        recv.skip peek         no arm fits: it stays in the mailbox
//! wait:  recv.wait time, peek   until another comes, or the time is over
//!        … after …
//! ```

use vega_bytecode::Opcode;

use super::function::{FunctionEmitter, Into};
use super::pattern::{Matching, Source};
use crate::ir::Receive;

impl<'p> FunctionEmitter<'_, 'p> {
    pub(super) fn receive(&mut self, receive: &'p Receive, into: Into) {
        let height = self.slots.len();
        let time = receive.after.as_ref().map(|(time, _)| self.on_top(time));
        let message = self.declare(receive.message);
        let ty = self.local_type(receive.message);
        let (wait, end) = (self.label(), self.label());
        let peek = self.asm.label_back(self.asm.is_reachable());
        self.asm.branch(Opcode::ReceivePeek, message, 0, wait);
        let source = Source { register: message, ty, variant: None };
        for arm in &receive.arms {
            self.arm(arm, source, true, Matching::Open, into, |emitter| {
                emitter.asm.abc(Opcode::ReceiveAccept, 0, 0, 0);
            });
            self.drop_from(height);
            self.asm.jump(end);
            self.end_arm(source, ty, true);
        }
        self.asm.jump_with(Opcode::ReceiveSkip, peek);
        self.asm.bind(wait);
        match &receive.after {
            Some((_, block)) => {
                self.asm.branch(Opcode::ReceiveWait, time.unwrap_or(0), 1, peek);
                self.drop_from(height);
                self.truncate(height);
                self.block(block, into);
            }
            None => {
                // Without a time nothing falls through, but the code must not end here.
                self.asm.branch(Opcode::ReceiveWait, 0, 0, peek);
                self.asm.jump(peek);
            }
        }
        self.truncate(height);
        self.asm.bind(end);
    }
}
