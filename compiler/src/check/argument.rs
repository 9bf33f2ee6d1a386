//! What a call is given: arguments by position and by name, defaults, type arguments and what is asked of them.

use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::definition::{FunctionInfo, ParameterInfo};
use super::fits::Why;
use super::path::{are, count};
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, Argument, ArgumentKind, ExprKind as A};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{Expr, ExprKind, LocalId};
use crate::source::Span;

impl<'a> Checker<'a> {
    pub(super) fn explicit_type_arguments(
        &mut self,
        info: &FunctionInfo<'a>,
        written: &'a [ast::TypeExpr],
        learnt: &mut [Option<TypeId>],
        span: Span,
    ) {
        if written.is_empty() {
            return;
        }
        // Those of the `impl` come first and are learnt from the receiver.
        let own = info.declaration.generics.len();
        if written.len() != own {
            let title = format!("`{}` takes {}, but {} given", info.name, count(own, "type argument"), are(written.len()));
            self.error(codes::TYPE_ARGUMENT_COUNT, span, title);
            return;
        }
        let offset = learnt.len() - own;
        for (slot, written) in learnt[offset..].iter_mut().zip(written) {
            *slot = Some(self.resolve_value_type(written));
        }
    }

    pub(super) fn check_bounds(&mut self, info: &FunctionInfo<'a>, learnt: &[Option<TypeId>], span: Span) {
        for (generic, ty) in info.generics.iter().zip(learnt) {
            let Some(ty) = *ty else { continue };
            let problem = if generic.is_ordered && !self.is_ordered(ty) {
                Some("ordered")
            } else if generic.is_key && !self.is_key(ty) {
                Some("keys of a map")
            } else if generic.is_number && !self.is_number(ty, info.native.is_some()) {
                Some("numbers")
            } else {
                None
            };
            if let Some(problem) = problem.filter(|_| ty != ERROR) {
                let shown = self.show(ty);
                let title = format!("`{}` needs values that are {problem}, and a `{shown}` is not", info.name);
                self.error(codes::BOUND, span, title.replace("that are ordered", "that can be ordered"));
            }
        }
    }

    /// Natives also work on durations and money; arithmetic written on a type parameter is that of `int` and `float`.
    fn is_number(&self, ty: TypeId, by_native: bool) -> bool {
        match self.types.of(ty) {
            Type::Int | Type::Float => true,
            Type::Duration | Type::Money => by_native,
            Type::Parameter(index) => self.generics.get(*index as usize).is_none_or(|generic| generic.is_number),
            _ => false,
        }
    }

    pub(super) fn is_ordered(&self, ty: TypeId) -> bool {
        match self.types.of(ty) {
            Type::Parameter(index) => {
                self.generics.get(*index as usize).is_none_or(|generic| generic.is_ordered || generic.is_number)
            }
            Type::Str => true,
            _ => self.types.is_numeric(ty),
        }
    }

    pub(super) fn is_key(&self, ty: TypeId) -> bool {
        match self.types.of(ty) {
            Type::Str | Type::Int | Type::Bool => true,
            Type::Enum(id, _) => self.enums[id.0 as usize].variants.iter().all(|variant| variant.payload.is_empty()),
            Type::Parameter(index) => self.generics.get(*index as usize).is_none_or(|generic| generic.is_key),
            _ => false,
        }
    }

    /// Arguments in the order of the parameters, defaults filled in, with variables that keep the order of the text.
    #[allow(clippy::type_complexity, reason = "a name for the pair would say less than its two parts")]
    pub(super) fn arguments(
        &mut self,
        info: &FunctionInfo<'a>,
        learnt: &mut [Option<TypeId>],
        written: &'a [Argument],
        want: Want,
        span: Span,
    ) -> Option<(Vec<(LocalId, Expr)>, Vec<Expr>)> {
        let places = self.place_arguments(&info.parameters, written, &info.name, Some(info.declaration.head), span)?;
        let mut values: Vec<Option<Expr>> = info.parameters.iter().map(|_| None).collect();
        let is_closure = |argument: &Argument| matches!(argument.value.peel().kind, A::Closure(_));
        // Closures come last: what the other arguments are tells what theirs are.
        for closures in [false, true] {
            for (argument, place) in written.iter().zip(&places) {
                if is_closure(argument) != closures {
                    continue;
                }
                let parameter = info.parameters[*place];
                let why =
                    Why::Argument(parameter.name.symbol, &info.name, (info.native.is_none()).then_some(parameter.name.span));
                if closures
                    && self.types.has_parameter(parameter.ty)
                    && let Some(hint) = want.hint().filter(|hint| !self.is_open(*hint))
                    && let Type::Function(takes, _) = self.types.of(parameter.ty).clone()
                    && takes.iter().any(|ty| {
                        let known = self.types.substitute_known(*ty, learnt);
                        self.types.has_hole(known)
                    })
                {
                    self.types.learn(info.result, hint, learnt);
                }
                let value = self.generic_value(&argument.value, parameter.ty, &info.generics, learnt, why);
                values[*place] = Some(value);
            }
        }
        let in_order = places.windows(2).all(|pair| pair[0] < pair[1]);
        let mut variables = Vec::new();
        if !in_order {
            for place in &places {
                let Some(value) = values[*place].take() else { continue };
                let local = self.hidden_local("argument", value.ty, value.span);
                values[*place] = Some(Expr::new(ExprKind::Local(local), value.ty, value.span));
                variables.push((local, value));
            }
        }
        let mut arguments = Vec::with_capacity(values.len());
        for (parameter, value) in info.parameters.iter().zip(values) {
            let value = match value {
                Some(value) => value,
                None => self.default_value(parameter, info, span)?,
            };
            arguments.push(value);
        }
        Some((variables, arguments))
    }

    fn default_value(&mut self, parameter: &ParameterInfo<'a>, info: &FunctionInfo<'a>, span: Span) -> Option<Expr> {
        let written = parameter.default?;
        let mut value = self.constant_expr(written, parameter.ty, info.module);
        value.span = span;
        Some(value)
    }

    /// Which parameter each argument is for, or a report.
    pub(super) fn place_arguments(
        &mut self,
        parameters: &[ParameterInfo<'a>],
        written: &'a [Argument],
        callee: &str,
        declared: Option<Span>,
        span: Span,
    ) -> Option<Vec<usize>> {
        let mut places: Vec<usize> = Vec::with_capacity(written.len());
        let mut is_fine = true;
        for argument in written {
            let place = match argument.kind {
                ArgumentKind::Positional if places.len() < parameters.len() => Some(places.len()),
                ArgumentKind::Positional => None,
                ArgumentKind::Named(name) => {
                    let found = parameters.iter().position(|parameter| parameter.name.symbol == name.symbol);
                    if found.is_none() {
                        let text = self.text(name.symbol);
                        let known = parameters.iter().map(|parameter| self.interner.text(parameter.name.symbol));
                        let mut diagnostic = Diagnostic::error(
                            codes::UNKNOWN_ARGUMENT,
                            name.span,
                            format!("`{callee}` has no parameter `{text}`"),
                        );
                        if let Some(near) = self.nearest(text, known) {
                            diagnostic = diagnostic.with_suggestion(format!("write `{near}`"), name.span, near);
                        }
                        self.report(diagnostic);
                        is_fine = false;
                        break;
                    }
                    found
                }
                ArgumentKind::Timeout(word) => {
                    let found = parameters.iter().position(|parameter| self.text(parameter.name.symbol) == "timeout");
                    if found.is_none() {
                        self.error(codes::UNKNOWN_ARGUMENT, word, format!("`{callee}` takes no `timeout`"));
                        is_fine = false;
                        break;
                    }
                    found
                }
            };
            let Some(place) = place else {
                is_fine = false;
                self.report_argument_count(parameters, written.len(), callee, declared, span);
                break;
            };
            if places.contains(&place) {
                let text = self.text(parameters[place].name.symbol).to_string();
                self.error(codes::UNKNOWN_ARGUMENT, argument.value.span, format!("`{text}` is given twice"));
                is_fine = false;
                break;
            }
            places.push(place);
        }
        let lacks =
            parameters.iter().enumerate().any(|(index, parameter)| parameter.default.is_none() && !places.contains(&index));
        if is_fine && lacks {
            is_fine = false;
            self.report_argument_count(parameters, written.len(), callee, declared, span);
        }
        if is_fine {
            return Some(places);
        }
        self.check_dropped(written);
        None
    }

    fn report_argument_count(
        &mut self,
        parameters: &[ParameterInfo<'a>],
        given: usize,
        callee: &str,
        declared: Option<Span>,
        span: Span,
    ) {
        let least = parameters.iter().filter(|parameter| parameter.default.is_none()).count();
        let takes = if least == parameters.len() {
            count(least, "argument")
        } else {
            format!("{least} to {}", count(parameters.len(), "argument"))
        };
        let list: Vec<String> = parameters
            .iter()
            .map(|parameter| format!("{}: {}", self.text(parameter.name.symbol), self.show(parameter.ty)))
            .collect();
        let mut diagnostic =
            Diagnostic::error(codes::ARGUMENT_COUNT, span, format!("`{callee}` takes {takes}, but {} given", are(given)))
                .with_note(format!("it is declared as `{callee}({})`", list.join(", ")));
        if let Some(declared) = declared.filter(|declared| declared.file == span.file) {
            diagnostic = diagnostic.with_label(declared, "declared here");
        }
        self.report(diagnostic);
    }
}
