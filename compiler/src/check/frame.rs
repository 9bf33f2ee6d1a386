//! The function under check: its variables and who sees them, its loops, whether the next statement can be reached.
//!
//! Frames of closures and `async` bodies lie on top of the frame of the function they stand in. A name found in a lower frame
//! becomes a captured copy in every frame above it.

use rustc_hash::FxHashMap;
use vega_bytecode::TypeId;

use super::Checker;
use super::effect::Effects;
use super::narrow::Narrowed;
use crate::interner::Symbol;
use crate::ir::{Local, LocalId, LoopId};
use crate::source::Span;

/// One function under check.
pub(crate) struct Frame {
    /// What kind of function it is.
    pub(crate) kind: FrameKind,
    /// For traces and for the names of closures inside.
    pub(crate) name: String,
    /// All variables.
    pub(crate) locals: Vec<Local>,
    /// What may be done to them, by `LocalId`.
    pub(crate) roles: Vec<Role>,
    /// How often they are read and changed, by `LocalId`.
    pub(crate) uses: Vec<Uses>,
    /// What names stand for at this point.
    names: FxHashMap<Symbol, Binding>,
    /// What names stood for before, to be restored when blocks end.
    hidden: Vec<(Symbol, Option<Binding>)>,
    /// Captured copies: the variable of the frame below, and the one here.
    pub(crate) captures: Vec<(LocalId, LocalId)>,
    /// Loops around this point, outermost first.
    pub(crate) loops: Vec<LoopFrame>,
    next_loop: u32,
    /// What the function gives.
    pub(crate) result: FrameResult,
    /// Calls of agents whose rounds have not joined yet: number, the handle's variable, where.
    pub(crate) pending: Vec<(u32, LocalId, Span)>,
    /// What is known of variables beyond their types.
    pub(crate) narrowed: Narrowed,
    /// Whether control can come here.
    pub(crate) is_reachable: bool,
    /// What it touches.
    pub(crate) effects: Effects,
}

/// Kinds of functions under check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FrameKind {
    /// A declared function, tool, script or clause code: sees no variables of others.
    Function,
    /// A closure: copies what it uses.
    Closure,
    /// The body of `async`: copies what it uses.
    Task,
}

/// What a name stands for inside a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Binding {
    /// A variable.
    Local(LocalId),
    /// A constant declared in a block.
    Const(u32),
}

/// How often a variable is used.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Uses {
    /// As a value. A change takes back the reading that led to the place.
    pub(crate) reads: i32,
    /// Changed, as a whole or inside.
    pub(crate) changes: u32,
}

/// What may be done to a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Declared by `let`, a pattern or a loop.
    Variable,
    /// A parameter: a change to it reaches nobody else.
    Parameter,
    /// `mut self`: changes reach the caller.
    MutSelf,
    /// A copy taken from the function around: may not be changed.
    Capture,
}

/// What a function gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FrameResult {
    /// As its signature says, written there.
    Declared(TypeId, Option<Span>),
    /// Learnt from its body so far.
    Inferred(Option<TypeId>),
}

/// A loop around the point under check.
pub(crate) struct LoopFrame {
    /// Its id.
    pub(crate) id: LoopId,
    /// Its label.
    pub(crate) label: Option<Symbol>,
    /// For `loop`: the variable that receives the value of `break`, and its type so far.
    pub(crate) value: Option<(LocalId, Option<TypeId>)>,
    /// Whether it is a `loop`, which may give a value.
    pub(crate) gives_value: bool,
    /// Whether some `break` leaves it.
    pub(crate) has_break: bool,
    /// Variables of its body that hold what was spawned.
    pub(crate) spawned: Vec<LocalId>,
}

impl Frame {
    pub(crate) fn new(kind: FrameKind, name: String, result: FrameResult) -> Frame {
        Frame {
            kind,
            name,
            locals: Vec::new(),
            roles: Vec::new(),
            uses: Vec::new(),
            names: FxHashMap::default(),
            hidden: Vec::new(),
            captures: Vec::new(),
            loops: Vec::new(),
            next_loop: 0,
            result,
            pending: Vec::new(),
            narrowed: Narrowed::default(),
            is_reachable: true,
            effects: Effects::default(),
        }
    }

    /// A variable without a name.
    pub(crate) fn add_local(&mut self, name: String, ty: TypeId, span: Span, role: Role) -> LocalId {
        let id = LocalId(self.locals.len() as u32);
        self.locals.push(Local { name, ty, span });
        self.roles.push(role);
        self.uses.push(Uses::default());
        id
    }

    /// Lets a name stand for something until the block ends.
    pub(crate) fn bind(&mut self, name: Symbol, binding: Binding) {
        let before = self.names.insert(name, binding);
        self.hidden.push((name, before));
    }

    /// What a name stands for in this frame.
    pub(crate) fn lookup(&self, name: Symbol) -> Option<Binding> {
        self.names.get(&name).copied()
    }

    /// All names at this point.
    pub(crate) fn visible_names(&self) -> impl Iterator<Item = Symbol> {
        self.names.keys().copied()
    }

    /// Begins a block; the mark goes to [`Self::leave`].
    pub(crate) fn enter(&self) -> usize {
        self.hidden.len()
    }

    /// Ends a block.
    pub(crate) fn leave(&mut self, mark: usize) {
        for (name, before) in self.hidden.drain(mark..).rev() {
            match before {
                Some(binding) => self.names.insert(name, binding),
                None => self.names.remove(&name),
            };
        }
    }

    /// Begins a loop.
    pub(crate) fn enter_loop(&mut self, label: Option<Symbol>, gives_value: bool, value: Option<LocalId>) -> LoopId {
        let id = LoopId(self.next_loop);
        self.next_loop += 1;
        let value = value.map(|local| (local, None));
        self.loops.push(LoopFrame { id, label, value, gives_value, has_break: false, spawned: Vec::new() });
        id
    }

    /// A loop id without anything that `break` could name: of a comprehension.
    pub(crate) fn fresh_loop(&mut self) -> LoopId {
        let id = LoopId(self.next_loop);
        self.next_loop += 1;
        id
    }
}

impl Checker<'_> {
    /// The function under check.
    pub(super) fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("expressions are only checked inside a frame")
    }

    /// The function under check, to look at.
    pub(super) fn frame_ref(&self) -> &Frame {
        self.frames.last().expect("expressions are only checked inside a frame")
    }

    /// Declares a variable under a name.
    pub(super) fn declare_local(&mut self, name: Symbol, ty: TypeId, span: Span, role: Role) -> LocalId {
        let text = self.text(name).to_string();
        let frame = self.frame();
        let id = frame.add_local(text, ty, span, role);
        frame.bind(name, Binding::Local(id));
        id
    }

    /// A variable that the compiler makes. The name says what for and is not visible.
    pub(super) fn hidden_local(&mut self, what: &str, ty: TypeId, span: Span) -> LocalId {
        self.frame().add_local(format!("%{what}"), ty, span, Role::Variable)
    }

    /// The variable or block constant of a name, captured from lower frames where necessary.
    pub(super) fn find_local(&mut self, name: Symbol) -> Option<Binding> {
        let top = self.frames.len().checked_sub(1)?;
        let mut at = top;
        let found = loop {
            if let Some(binding) = self.frames[at].lookup(name) {
                break binding;
            }
            if self.frames[at].kind == FrameKind::Function || at == 0 {
                return None;
            }
            at -= 1;
        };
        let Binding::Local(mut local) = found else { return Some(found) };
        for frame in at + 1..=top {
            local = self.capture(frame, name, local);
        }
        Some(Binding::Local(local))
    }

    /// Whether a variable or constant of the name is known, without using it.
    pub(super) fn is_local(&self, name: Symbol) -> bool {
        for frame in self.frames.iter().rev() {
            if frame.lookup(name).is_some() {
                return true;
            }
            if frame.kind == FrameKind::Function {
                return false;
            }
        }
        false
    }

    /// A copy in `frame` of the variable `outer` of the frame below it.
    fn capture(&mut self, frame: usize, name: Symbol, outer: LocalId) -> LocalId {
        if let Some((_, inner)) = self.frames[frame].captures.iter().find(|(from, _)| *from == outer) {
            return *inner;
        }
        self.frames[frame - 1].uses[outer.0 as usize].reads += 1;
        let below = &self.frames[frame - 1];
        let mut local = below.locals[outer.0 as usize].clone();
        // What is known of the variable where the copy is taken holds for the copy for ever.
        if let Some(ty) = below.narrowed.of_local(outer) {
            local.ty = ty;
        }
        let above = &mut self.frames[frame];
        let inner = above.add_local(local.name, local.ty, local.span, Role::Capture);
        above.captures.push((outer, inner));
        // The name is visible in the whole closure: it is not bound by a block of it.
        above.names.insert(name, Binding::Local(inner));
        inner
    }
}
