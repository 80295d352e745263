//! Images in conversations: those that were captured with the words, and where others are.

use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;

use super::{
    Pages,
    piece::part_of,
    reply::{Missing, blocking},
};
use crate::value::{Chat, Json, Part};

/// Bytes of base64 that are shown as an image at most.
const LIMIT: usize = 14 << 20;

/// The types that browsers show and that hold no scripts.
const KINDS: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// An image in a message.
pub(super) enum Picture {
    /// Captured, as base64.
    Inline { kind: &'static str, data: String },
    /// Somewhere else.
    Remote(String),
}

impl Picture {
    /// Reads a part of a message in any provider's words; `None` where it is no image that can be shown.
    pub(super) fn read(part: &str) -> Option<Self> {
        let part = Json::read(part);
        let url = |value: &Json<'_>, name: &str| match value.get(name)? {
            Json::Text(url) => Some(url),
            object => object.text("url"),
        };
        if let Some(inline) = part.get("inlineData").or_else(|| part.get("inline_data")) {
            let kind = inline.text("mimeType").or_else(|| inline.text("mime_type"));
            return Self::inline(&kind?, inline.text("data")?);
        }
        match part.text("type")?.as_str() {
            "image_url" | "input_image" => Self::url(url(&part, "image_url")?),
            "image" => {
                if let Some(source) = part.get("source") {
                    return match source.text("url") {
                        Some(url) => Self::url(url),
                        None => Self::inline(&source.text("media_type")?, source.text("data")?),
                    };
                }
                match part.text("data").zip(part.text("mimeType")) {
                    Some((data, kind)) => Self::inline(&kind, data),
                    None => Self::url(url(&part, "image").or_else(|| part.text("url"))?),
                }
            }
            "blob" => Self::inline(&part.text("mime_type")?, part.text("content")?),
            _ => None,
        }
    }

    fn url(url: String) -> Option<Self> {
        if let Some(inline) = url.strip_prefix("data:") {
            let (kind, data) = inline.split_once(";base64,")?;
            return Self::inline(kind, data.to_owned());
        }
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        is_web.then_some(Self::Remote(url))
    }

    fn inline(kind: &str, data: String) -> Option<Self> {
        let kind = KINDS.into_iter().find(|known| *known == kind)?;
        (data.len() <= LIMIT).then_some(Self::Inline { kind, data })
    }

    /// Bytes of an inline image.
    pub(super) fn size(data: &str) -> u64 {
        (data.len() / 4 * 3) as u64
    }
}

/// Which image of which value is asked for.
#[derive(Deserialize)]
pub(super) struct Asked {
    span: Option<String>,
    part: String,
    /// Its number among the images of the value, from 0.
    n: usize,
}

/// `GET /traces/{trace_id}/image`: an image of a conversation. The page's policy allows images of this server alone;
/// so captured ones come from here, and no other place is ever asked.
pub(super) async fn image(
    State(pages): State<Pages>,
    Path(trace_id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Missing> {
    let found = blocking(move || {
        let value = part_of(&*pages.store, &trace_id, asked.span.as_deref(), &asked.part)?;
        let parts = value.map(|value| {
            if asked.part.starts_with("message.") {
                return Chat::content(value.as_str());
            }
            let chat = Chat::read(value.as_str()).unwrap_or_default();
            chat.turns.into_iter().flat_map(|turn| turn.parts).collect()
        });
        let pictures = parts.into_iter().flatten().filter_map(|part| match part {
            Part::Other(json) => Picture::read(&json),
            _ => None,
        });
        Ok(pictures
            .filter_map(|picture| match picture {
                Picture::Inline { kind, data } => Some((kind, data)),
                Picture::Remote(_) => None,
            })
            .nth(asked.n)
            .and_then(|(kind, data)| Some((kind, decoded(&data)?))))
    })
    .await?;
    let (kind, bytes) = found.ok_or(Missing::Value)?;
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "private, max-age=3600"),
    ];
    Ok((headers, bytes).into_response())
}

fn decoded(data: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let bytes: Vec<u8> = data
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let is_url_safe = bytes.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = if is_url_safe { &URL_SAFE } else { &STANDARD };
    GeneralPurpose::new(alphabet, config).decode(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::Picture;

    fn told(part: &str) -> Option<String> {
        Picture::read(part).map(|picture| match picture {
            Picture::Inline { kind, data } => format!("{kind} {data}"),
            Picture::Remote(url) => url,
        })
    }

    #[test]
    fn images_are_known_in_the_words_of_each_provider() {
        for part in [
            r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}"#,
            r#"{"type":"input_image","image_url":"data:image/png;base64,AAAA"}"#,
            r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}"#,
            r#"{"inlineData":{"mimeType":"image/png","data":"AAAA"}}"#,
            r#"{"type":"image","data":"AAAA","mimeType":"image/png"}"#,
            r#"{"type":"blob","modality":"image","mime_type":"image/png","content":"AAAA"}"#,
        ] {
            assert_eq!(told(part).as_deref(), Some("image/png AAAA"), "{part}");
        }
        let remote = r#"{"type":"image","source":{"type":"url","url":"https://x.y/a.png"}}"#;
        assert_eq!(told(remote).as_deref(), Some("https://x.y/a.png"));
    }

    #[test]
    fn what_could_act_is_no_image() {
        for part in [
            r#"{"type":"image_url","image_url":{"url":"data:image/svg+xml;base64,AAAA"}}"#,
            r#"{"type":"image_url","image_url":{"url":"data:text/html;base64,AAAA"}}"#,
            r#"{"type":"image_url","image_url":{"url":"javascript:alert(1)"}}"#,
            r#"{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}"#,
            r#"{"type":"text","text":"x"}"#,
        ] {
            assert_eq!(told(part), None, "{part}");
        }
    }
}
