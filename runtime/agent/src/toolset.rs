//! The tools of an agent as the model sees them, with what is asked of them for every request: how much of a prompt they are.

use std::ops::Deref;
use std::sync::Arc;

use crate::message::ToolSpec;

/// The tools that a request offers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Toolset {
    specs: Arc<[ToolSpec]>,
    bytes: usize,
}

impl Toolset {
    /// Bytes of their names, descriptions and schemas, measured once.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl From<Vec<ToolSpec>> for Toolset {
    fn from(specs: Vec<ToolSpec>) -> Toolset {
        let bytes = specs.iter().map(|tool| tool.name.len() + tool.description.len() + tool.schema.to_string().len()).sum();
        Toolset { specs: specs.into(), bytes }
    }
}

impl<const N: usize> From<[ToolSpec; N]> for Toolset {
    fn from(specs: [ToolSpec; N]) -> Toolset {
        Toolset::from(Vec::from(specs))
    }
}

impl Deref for Toolset {
    type Target = [ToolSpec];

    fn deref(&self) -> &[ToolSpec] {
        &self.specs
    }
}
