//! What every span of a call site says, as JSON that is made and masked once.

use super::event::{limit, put_text};
use super::masks::Masks;
use crate::capture::json_string;
use crate::site::CallSite;

/// A call site, and what it says.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) site: &'static CallSite,
    /// JSON texts.
    pub(super) name: Vec<u8>,
    pub(super) span_type: Vec<u8>,
    /// Members of `attributes`: where in the code it is.
    pub(super) code: Vec<u8>,
}

impl Said {
    fn new(site: &'static CallSite, masks: &Masks) -> Self {
        let mut name = Vec::new();
        put_text(site.name, limit::NAME, masks, &mut name);
        let mut span_type = Vec::new();
        put_text(site.span_type, limit::TYPE, masks, &mut span_type);
        let mut code = b"\"code.file.path\":".to_vec();
        json_string(site.file, &mut code);
        code.extend_from_slice(format!(",\"code.line.number\":{}", site.line).as_bytes());
        if !site.is_by_hand() {
            code.extend_from_slice(b",\"code.function.name\":");
            json_string(&format!("{}::{}", site.module, site.function), &mut code);
        }
        Self {
            site,
            name,
            span_type,
            code,
        }
    }
}

/// The call sites that were met, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Sites(Vec<Option<Box<Said>>>);

impl Sites {
    /// The site of a record, if a macro has opened what it is about.
    pub(super) fn get(&mut self, id: u32, masks: &Masks) -> Option<&Said> {
        let index = (id as usize).checked_sub(1)?;
        if self.0.get(index).is_none_or(Option::is_none) {
            // No number is without a site, so no more is taken than there are sites.
            let site = CallSite::find(id)?;
            if index >= self.0.len() {
                self.0.resize_with(index + 1, || None);
            }
            self.0[index] = Some(Box::new(Said::new(site, masks)));
        }
        self.0.get(index)?.as_deref()
    }
}
