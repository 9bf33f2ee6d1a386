//! What the scanner keeps besides tokens, and texts in all alphabets.

use super::{body, mistakes, outcome, tree};
use crate::parse::CommentKind;

#[test]
fn comments_are_kept_in_order_with_their_kinds() {
    let text = "// one\r\nlet x = 1; /* two /* inner */ */\n/// three\nfn f() { }\n//// four\n";
    let outcome = outcome(text);
    let comments: Vec<(&str, CommentKind)> =
        outcome.parsed.comments.iter().map(|comment| (outcome.sources.text_of(comment.span), comment.kind)).collect();
    assert_eq!(
        comments,
        [
            ("// one", CommentKind::Line),
            ("/* two /* inner */ */", CommentKind::Block),
            ("/// three", CommentKind::Doc),
            ("//// four", CommentKind::Line),
        ]
    );
}

#[test]
fn documentation_belongs_to_the_declaration_below_it() {
    assert_eq!(
        tree("/// One.\n///\n///  Two.\n// aside\nfn f() { }\nfn g() { }"),
        "(doc \"One.\\n\\n Two.\" (fn f (block)))\n(fn g (block))\n"
    );
}

#[test]
fn names_may_have_letters_of_all_alphabets() {
    assert_eq!(body("let größe = naïve + 名前;"), "(fn main (block (let größe (+ naïve 名前))))\n");
}

#[test]
fn line_endings_of_other_systems_make_no_difference() {
    let text = "fn f() {\r\n    let x = \"\"\"\r\n        a\r\n        \"\"\";\r\n    x\r\n}\r\n";
    assert_eq!(tree(text), tree(&text.replace('\r', "")));
    assert_eq!(mistakes("let x = \"a\r\n;"), mistakes("let x = \"a\n;"));
}

#[test]
fn a_run_of_greater_signs_ends_lists_of_types() {
    assert_eq!(tree("fn f(x: A<B<C<int>>>) -> A<int>;"), "(fn f (x:A<B<C<int>>>) (-> A<int>) native)\n");
    assert_eq!(body("a >> b;"), "(fn main (block (>> a b)))\n");
    assert!(mistakes("a > > b;").contains("expected a value, found `>`"), "apart they are no shift");
}

#[test]
fn spans_cover_what_was_written() {
    let text = "let total = (price + tax) * count;";
    let outcome = outcome(text);
    let statement = &outcome.parsed.file.statements[0];
    assert_eq!(outcome.sources.text_of(statement.span), text);
    let crate::ast::StmtKind::Let(binding) = &statement.kind else { panic!("a let") };
    assert_eq!(outcome.sources.text_of(binding.value.span), "(price + tax) * count");
    let crate::ast::ExprKind::Binary(binary) = &binding.value.kind else { panic!("a product") };
    assert_eq!(outcome.sources.text_of(binary.operator_span), "*");
    assert_eq!(outcome.sources.text_of(binary.left.span), "(price + tax)");
}
