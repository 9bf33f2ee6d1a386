//! Room in the budgets around a call: taken before it for the worst case, and booked after it with what was used.

use vega_bytecode::kinds;
use vega_runtime::ledger::{Admission, Outcome, Reservation, Settlement, Turn};
use vega_runtime::native::NativeContext;

use super::{Exchange, RoomMayBe};
use crate::bound::{InputBound, input_bound, terms, worst_cost};
use crate::message::{Request, Usage};
use crate::price::Model;
use crate::raise::Failed;

/// The shortest answer that a budget may be lowered to, in tokens.
const OUTPUT_TOKENS_MIN: u32 = 256;
/// The same where the answer must have a form.
const TYPED_OUTPUT_TOKENS_MIN: u32 = 1_024;

/// Why nothing was reserved.
pub(super) enum Unreserved {
    /// Others have reserved what the exchange needs.
    Waits,
    /// It does not fit, or nobody can say what it costs.
    Refused(Failed),
}

impl Exchange<'_> {
    /// The rates that the exchange is booked at; none where nobody knows them.
    fn model(&self) -> Option<&Model> {
        self.config.known.as_deref()
    }

    /// Takes room for the worst case in every budget around the call. Where others have reserved it, the call waits; where nobody has,
    /// the answer may only be shorter.
    pub(super) fn reserve(
        &self,
        context: &NativeContext<'_>,
        request: &mut Request,
        turn: &mut Option<Turn>,
    ) -> Result<Option<Reservation>, Unreserved> {
        let scope = context.scope();
        let Some(model) = self.model() else {
            if self.service.is_free(&self.config.model) || scope.remaining().is_none() {
                return Ok(None);
            }
            let text = format!(
                "the price of `{}` is not known, so no budget can hold for it; take a model with a known price or the budget away",
                self.config.model
            );
            return Err(Unreserved::Refused(Failed::plain(kinds::AGENT_FAILED, text)));
        };
        let mut bound = input_bound(request, self.reported);
        let mut admit = |request: &Request, bound: InputBound| {
            let overflow = |_| Unreserved::Refused(Failed::plain(kinds::OVERFLOW, "the cost of the call does not fit a number"));
            let cost = worst_cost(request, bound, model).map_err(overflow)?;
            Ok(scope.admit(cost, turn, || {
                let (runtime, address) = (context.runtime(), context.address());
                Box::new(move || {
                    runtime.send_to(&address, Box::new(RoomMayBe));
                })
            }))
        };
        let mut exceeded = match admit(request, bound)? {
            Admission::Admitted(reservation) => return Ok(Some(reservation)),
            Admission::Waits => return Err(Unreserved::Waits),
            Admission::Exceeded(exceeded) => exceeded,
        };
        if let Some(counted) = self.counted_bound(context, request).filter(|counted| *counted < bound.tokens(model)) {
            bound = InputBound::Tokens(counted);
            exceeded = match admit(request, bound)? {
                Admission::Admitted(reservation) => return Ok(Some(reservation)),
                Admission::Waits => return Err(Unreserved::Waits),
                Admission::Exceeded(exceeded) => exceeded,
            };
        }
        let minimum = if request.output.is_some() { TYPED_OUTPUT_TOKENS_MIN } else { OUTPUT_TOKENS_MIN };
        let affordable = self.affordable(request, bound, model, scope.remaining().unwrap_or(i64::MAX));
        if affordable < u64::from(minimum.min(request.max_tokens)) {
            return Err(Unreserved::Refused(Failed::Budget(exceeded)));
        }
        request.max_tokens = u32::try_from(affordable).unwrap_or(u32::MAX).min(request.max_tokens);
        match admit(request, bound)? {
            Admission::Admitted(reservation) => Ok(Some(reservation)),
            // Somebody else took the room meanwhile; the whole answer is tried again when it comes back.
            Admission::Waits => Err(Unreserved::Waits),
            Admission::Exceeded(exceeded) => Err(Unreserved::Refused(Failed::Budget(exceeded))),
        }
    }

    fn affordable(&self, request: &Request, bound: InputBound, model: &Model, pico: i64) -> u64 {
        model.affordable_output(pico, bound.tokens(model), terms(request))
    }

    /// Books what was used. The cost, which is none where no price is known, and what of it was above the reservation.
    pub(super) fn settle(&self, reservation: Option<Reservation>, usage: &Usage, discarded: bool) -> (Option<i64>, i64) {
        let Some(model) = self.model() else {
            return (self.service.is_free(&self.config.model).then_some(0), 0);
        };
        // A cost beyond the numbers cannot come from a provider that counts tokens.
        let cost = model.cost(usage).unwrap_or(i64::MAX);
        let Some(reservation) = reservation else { return (Some(cost), 0) };
        let reserved = reservation.amount();
        let outcome = if discarded { Outcome::Discarded } else { Outcome::Used };
        let Settlement { overrun } = reservation.settle(cost, outcome);
        if overrun > 0 {
            self.service.warn(&format!(
                "`{}` billed {} for a call that was bounded by {}: the budget is overrun",
                self.config.model,
                crate::raise::dollars(cost),
                crate::raise::dollars(reserved)
            ));
        }
        (Some(cost), overrun)
    }
}
