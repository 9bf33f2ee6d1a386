//! Which pictures and documents a protocol takes. What it does not take is refused before the request is sent, in words that say what
//! could be done instead, and not by a provider's 400.

use super::Protocol;
use crate::message::{Block, Media, Request};

/// The pictures that Anthropic takes.
const PICTURES: &[&str] = &["image/jpeg", "image/png", "image/gif", "image/webp"];

/// What is wrong with the first part of the request that cannot be sent.
pub(super) fn check(request: &Request, protocol: Protocol) -> Result<(), String> {
    let blocks = request.messages.iter().flat_map(|message| message.blocks.iter());
    for block in blocks {
        match block {
            Block::Media(media) => check_one(media, protocol)?,
            Block::ToolResult(result) => {
                for part in result.parts.iter() {
                    if let Block::Media(media) = part {
                        check_one(media, protocol).map_err(|problem| format!("a tool gave what cannot be sent: {problem}"))?;
                    }
                }
            }
            Block::Text(_) | Block::ToolUse(_) | Block::Raw(_) => {}
        }
    }
    Ok(())
}

fn check_one(media: &Media, protocol: Protocol) -> Result<(), String> {
    match media {
        Media::Image { bytes, .. } | Media::Document { bytes, .. } if bytes.is_empty() => {
            Err("a picture or document has no content".into())
        }
        // Servers that speak the protocol of OpenAI differ in the pictures that they take.
        Media::Image { media_type, .. } if protocol == Protocol::OpenAi && media_type.starts_with("image/") => Ok(()),
        Media::Image { media_type, .. } if PICTURES.contains(&&**media_type) => Ok(()),
        Media::Image { media_type, .. } => {
            Err(format!("`{media_type}` is no type of a picture that the model takes; it takes {}", PICTURES.join(", ")))
        }
        Media::Document { media_type, .. } if &**media_type == "application/pdf" || media.as_plain_text().is_some() => Ok(()),
        Media::Document { media_type, .. } if media_type.starts_with("text/") => {
            Err(format!("a document of type `{media_type}` is not UTF-8"))
        }
        Media::Document { media_type, .. } => {
            Err(format!("the model takes no documents of type `{media_type}`; it takes application/pdf and text"))
        }
        Media::Url(url) if !(url.starts_with("https://") || url.starts_with("http://")) => {
            Err(format!("`{url}` is no http or https address; what is in a file is sent by its bytes"))
        }
        Media::Url(url) if protocol == Protocol::OpenAi && media.is_document() => Err(format!(
            "this provider takes no document by its address (`{url}`); fetch it, and send `Part::Document` with its bytes"
        )),
        Media::Url(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use serde_json::{Value, json};

    use super::*;
    use crate::http::HttpRequest;
    use crate::message::{Message, ToolResult};
    use crate::provider::Endpoint;

    fn image(media_type: &str) -> Block {
        Block::Media(Media::Image { bytes: [1, 2, 3].as_slice().into(), media_type: media_type.into() })
    }

    fn document(bytes: &[u8], media_type: &str) -> Block {
        Block::Media(Media::Document { bytes: bytes.into(), media_type: media_type.into() })
    }

    fn url(url: &str) -> Block {
        Block::Media(Media::Url(url.into()))
    }

    fn encode(protocol: Protocol, message: Message) -> Result<HttpRequest, String> {
        let endpoint = Endpoint::from_environment(protocol, |_| Some("http://localhost".to_owned()));
        let request = Request { messages: vec![message], ..Request::new("m", 9) };
        endpoint.encode(&request).map_err(|error| error.message.to_string())
    }

    /// The parts of a message as they go over the wire.
    fn sent(protocol: Protocol, blocks: Vec<Block>) -> Value {
        let request = encode(protocol, Message::user(blocks)).unwrap();
        let mut body: Value = serde_json::from_slice(&request.body).unwrap();
        body["messages"][0]["content"].take()
    }

    fn refusal(protocol: Protocol, block: Block) -> String {
        encode(protocol, Message::user([block])).unwrap_err()
    }

    #[test]
    fn anthropic_is_sent_pictures_and_documents_as_its_blocks() {
        let blocks = vec![
            Block::text("Look"),
            image("image/png"),
            document(b"%PDF", "application/pdf"),
            document("caf\u{e9}".as_bytes(), "text/markdown"),
            url("https://h/a.png?size=1"),
            url("https://h/b.PDF#page=2"),
        ];
        assert_eq!(
            sent(Protocol::Anthropic, blocks),
            json!([
                {"type": "text", "text": "Look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AQID"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "caf\u{e9}"}},
                {"type": "image", "source": {"type": "url", "url": "https://h/a.png?size=1"}},
                {"type": "document", "source": {"type": "url", "url": "https://h/b.PDF#page=2"}},
            ])
        );
    }

    #[test]
    fn openai_is_sent_pictures_and_documents_as_its_parts() {
        let blocks = vec![
            Block::text("Look"),
            image("image/bmp"),
            document(b"%PDF", "application/pdf"),
            document(b"plain", "text/plain"),
            url("https://h/a.png"),
        ];
        assert_eq!(
            sent(Protocol::OpenAi, blocks),
            json!([
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AQID"}},
                {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
                {"type": "text", "text": "plain"},
                {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
            ])
        );
    }

    #[test]
    fn pictures_of_tools_stand_within_the_result_or_behind_all_results() {
        let result = |id: &str| {
            let parts = [image("image/png")].into();
            Block::ToolResult(ToolResult { id: id.into(), content: "seen".into(), parts, ..ToolResult::default() })
        };
        let body = |protocol| {
            let request = encode(protocol, Message::user([result("a"), result("b")])).unwrap();
            serde_json::from_slice::<Value>(&request.body).unwrap()
        };
        let anthropic = body(Protocol::Anthropic);
        let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AQID"}});
        assert_eq!(anthropic["messages"][0]["content"][1]["content"], json!([{"type": "text", "text": "seen"}, picture]));
        let openai = body(Protocol::OpenAi);
        let roles: Vec<&str> = openai["messages"].as_array().unwrap().iter().map(|one| one["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["tool", "tool", "user"]);
        assert_eq!(openai["messages"][2]["content"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn what_a_protocol_does_not_take_is_refused_before_the_call() {
        let anthropic = |block| refusal(Protocol::Anthropic, block);
        let openai = |block| refusal(Protocol::OpenAi, block);
        assert!(anthropic(image("image/tiff")).contains("`image/tiff`") && anthropic(image("image/tiff")).contains("image/webp"));
        assert!(openai(image("application/pdf")).contains("no type of a picture"));
        for refused in [anthropic, openai] {
            assert!(refused(document(b"x", "application/msword")).contains("`application/msword`"));
            assert!(refused(document(&[0xff], "text/plain")).contains("not UTF-8"));
            assert!(refused(document(b"", "application/pdf")).contains("no content"));
            assert!(refused(url("file:///etc/passwd")).contains("no http or https address"));
        }
        assert!(openai(url("https://h/b.pdf")).contains("`Part::Document`"));
        let parts = [image("image/tiff")].into();
        let result = Block::ToolResult(ToolResult { id: "a".into(), parts, ..ToolResult::default() });
        assert!(anthropic(result).starts_with("a tool gave what cannot be sent"));
    }
}
