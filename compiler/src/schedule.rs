//! What happens when, as the program's text decides it.

pub mod join; // when a call's round joins its agent's history
mod survey; // what the joining rule needs to know about a file
pub(crate) mod parts; // the parts of a syntax tree's nodes, in the order of the text

#[cfg(test)]
mod tests;
