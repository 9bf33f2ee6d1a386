//! Calls of natives, and those of them that are instructions.

use vega_bytecode::TypeId;
use vega_bytecode::module::NativeImport;

use super::Checker;
use super::effect::native_effect;
use crate::ir::{Expr, ExprKind};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// The number of a native with its effect noted.
    pub(super) fn native_id(&mut self, name: &str, arity: usize, result: TypeId, changes_self: bool) -> u32 {
        let effect = native_effect(name);
        let frame = self.frame();
        frame.effects.may_effect |= effect.touches_world;
        if let Some(capability) = effect.capability {
            frame.effects.add(capability);
        }
        let import = NativeImport { name: name.to_string(), arity: arity.min(255) as u8, result, changes_self };
        if let Some(&id) = self.native_ids.get(&import) {
            return id;
        }
        let id = self.natives.len() as u32;
        self.natives.push(import.clone());
        self.native_effects.push(effect.touches_world);
        self.native_ids.insert(import, id);
        id
    }

    /// A call of a native; those that are instructions become them.
    pub(super) fn native_call(&mut self, name: &str, mut arguments: Vec<Expr>, result: TypeId, span: Span) -> Expr {
        let kind = match (name, arguments.len()) {
            ("process::self", 0) => {
                self.frame().effects.may_effect = true;
                ExprKind::SelfProcess
            }
            ("process::link", 1) => {
                self.frame().effects.may_effect = true;
                ExprKind::Link(Box::new(arguments.remove(0)))
            }
            ("process::monitor", 1) => {
                self.frame().effects.may_effect = true;
                ExprKind::Monitor(Box::new(arguments.remove(0)))
            }
            ("process::exit", 1) => {
                let frame = self.frame();
                frame.effects.may_effect = true;
                frame.is_reachable = false;
                let never = self.types.never;
                return Expr::new(ExprKind::Exit(Box::new(arguments.remove(0))), never, span);
            }
            _ => {
                let id = self.native_id(name, arguments.len(), result, false);
                ExprKind::CallNative(id, arguments)
            }
        };
        Expr::new(kind, result, span)
    }
}
