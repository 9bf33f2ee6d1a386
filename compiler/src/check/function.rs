//! Bodies of functions and scripts.

use std::rc::Rc;

use vega_bytecode::{FunctionId, TypeId};

use super::definition::{FunctionInfo, ParameterInfo};
use super::fits::Why;
use super::frame::{Frame, FrameKind, FrameResult, Role};
use super::statement::Want;
use super::types::ERROR;
use super::{Checker, Work};
use crate::ast;
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::words;
use crate::ir;
use crate::resolve::module::ModuleId;
use crate::source::Span;

impl<'a> Checker<'a> {
    /// The id of a function with a body; the first time, its body is queued.
    pub(super) fn function_id(&mut self, index: u32) -> FunctionId {
        if let Some(id) = self.function_ids[index as usize] {
            return id;
        }
        let id = self.new_function_id();
        self.function_ids[index as usize] = Some(id);
        self.queue.push_back(Work::Function(index));
        id
    }

    /// Checks the body of a declared function.
    pub(super) fn check_function(&mut self, index: u32) {
        let info: Rc<FunctionInfo<'a>> = self.functions[index as usize].clone();
        let id = self.function_id(index);
        let Some(body) = &info.declaration.body else { return };
        self.module = info.module;
        self.generics = info.generics.clone();
        let result_span = info.declaration.result.as_ref().map(|result| result.span);
        for parameter in &info.parameters {
            if let Some(default) = parameter.default
                && self.expect_constant(default)
            {
                self.constant_expr(default, parameter.ty, info.module);
            }
        }
        self.frames.push(Frame::new(FrameKind::Function, info.name.clone(), FrameResult::Declared(info.result, result_span)));
        let mut parameters = Vec::with_capacity(info.parameters.len() + 1);
        let mut returns_self = false;
        if let (Some((ty, is_mut)), Some(receiver)) = (info.receiver, &info.declaration.receiver) {
            returns_self = is_mut;
            let role = if is_mut { Role::MutSelf } else { Role::Parameter };
            parameters.push(self.declare_local(words::SELF, ty, receiver.span, role));
        }
        parameters.extend(self.declare_parameters(&info.parameters));
        let body = self.function_body(body, info.result, info.declaration.head);
        let frame = self.frames.pop().expect("pushed above");
        self.put_function(id, frame, parameters, body, info.result, returns_self, info.declaration.head);
    }

    /// Declares parameters as variables.
    pub(super) fn declare_parameters(&mut self, parameters: &[ParameterInfo<'a>]) -> Vec<ir::LocalId> {
        parameters
            .iter()
            .map(|parameter| self.declare_local(parameter.name.symbol, parameter.ty, parameter.name.span, Role::Parameter))
            .collect()
    }

    /// Checks the statements of a file without `main`.
    pub(super) fn check_script(&mut self, id: FunctionId, file: &'a ast::File) {
        self.module = ModuleId(self.modules.iter().position(|module| std::ptr::eq(module.file, file)).unwrap_or(0) as u32);
        self.generics = Rc::new([]);
        let result = self.types.void;
        self.frames.push(Frame::new(FrameKind::Function, "main".to_string(), FrameResult::Declared(result, None)));
        let mut statements = Vec::with_capacity(file.statements.len());
        self.statements(&file.statements, &mut statements);
        let body = ir::Block { statements, value: None, span: file.span, joins_at_end: self.joins_at_file_end() };
        let frame = self.frames.pop().expect("pushed above");
        self.put_function(id, frame, Vec::new(), body, result, false, file.span);
    }

    /// A body that has to give a value of the type, unless that is `void`.
    pub(super) fn function_body(&mut self, body: &'a ast::Block, result: TypeId, head: Span) -> ir::Block {
        let is_void = result == self.types.void;
        let want = if is_void { Want::Drop } else { Want::Hint(result) };
        let (mut block, ty) = self.block(body, want);
        if !is_void {
            if let Some(value) = block.value.take() {
                let Frame { result: FrameResult::Declared(_, place), .. } = *self.frame_ref() else {
                    unreachable!("declared above")
                };
                block.value = Some(Box::new(self.coerce(*value, result, Why::Return(place))));
            } else if ty != self.types.never && result != ERROR {
                let shown = self.show(result);
                let end = Span::new(body.span.file, body.span.end.saturating_sub(1), body.span.end);
                self.report(
                    Diagnostic::error(codes::MISSING_RETURN, end, format!("this function can end without giving its `{shown}`"))
                        .with_remark("reached without a `return`")
                        .with_label(head, format!("gives `{shown}`")),
                );
            }
        }
        block
    }

    /// Puts a finished function into its place in the program.
    #[allow(clippy::too_many_arguments, reason = "they are the fields of the function that is made")]
    pub(super) fn put_function(
        &mut self,
        id: FunctionId,
        frame: Frame,
        parameters: Vec<ir::LocalId>,
        body: ir::Block,
        result: TypeId,
        returns_self: bool,
        span: Span,
    ) {
        self.effects[id.0 as usize] = frame.effects;
        self.bodies[id.0 as usize] = Some(ir::Function {
            name: frame.name,
            parameters,
            captures: frame.captures.iter().map(|(_, inner)| *inner).collect(),
            locals: frame.locals,
            result,
            returns_self,
            may_effect: false,
            body,
            span,
        });
    }
}
