//! What is true of a model of Echo acoustic liquid handler.
//!
//! source: public descriptions of the instruments; droplets of 25 nl (525) and 2.5 nl (550, 555, 650).

/// What the Echo driver needs to know of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct EchoProfile {
    /// The volume of a droplet, in nanolitres, by the beginning of the model's name in reports.
    pub droplets: Vec<(String, f64)>,
    /// How many wells plates have.
    pub plate_formats: Vec<u32>,
    /// What stands in the place of a barcode where none was read; compared without regard to case.
    pub placeholders: Vec<String>,
}

impl Default for EchoProfile {
    /// What holds where a profile says nothing.
    fn default() -> Self {
        Self {
            droplets: Vec::new(),
            plate_formats: vec![96, 384, 1536],
            placeholders: vec!["UnknownBarCode".to_owned()],
        }
    }
}

impl EchoProfile {
    /// The volume of a droplet of the model that a report names, in nanolitres.
    pub fn droplet_nl(&self, model: &str) -> Option<f64> {
        let of = |(name, nl): &(String, f64)| model.starts_with(name.as_str()).then_some(*nl);
        self.droplets.iter().find_map(of)
    }

    /// Whether this stands for a barcode that was not read.
    pub fn is_placeholder(&self, barcode: &str) -> bool {
        self.placeholders.iter().any(|placeholder| placeholder.eq_ignore_ascii_case(barcode))
    }
}
