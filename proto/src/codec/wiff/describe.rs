//! What a sample is: `SampleDABE/DATA`, `SampleDABE/CFR_INFO`, `Wiff2SampleInfo`.

use super::fields::Fields;
use super::model::{Description, Provenance, Wiff2Link};
use super::reason::{Known, Unknown};

/// Reads `DATA`: the description, and the injection volume behind it.
pub(super) fn description(stream: &str, bytes: &[u8]) -> (Known<Description>, Known<f32>) {
    let mut fields = Fields::new(stream, bytes, 0x24);
    match texts(&mut fields) {
        Ok(description) => (Ok(description), volume(&mut fields)),
        Err(why) => (Err(why.clone()), Err(why)),
    }
}

fn texts(fields: &mut Fields<'_>) -> Known<Description> {
    Ok(Description {
        name: fields.text("sample name")?,
        id: fields.text("sample id")?,
        comment: fields.text("comment")?,
        data_file: fields.text("data file")?,
        method: fields.text("acquisition method")?,
        quantitation_method: fields.text("quantitation method")?,
        rack: fields.text("rack type")?,
        plate: fields.text("plate type")?,
        position: fields.text("position")?,
    })
}

/// Larger volumes are no injections: a sign that something else stands there.
const MOST_UL: f32 = 100_000.0;

fn volume(fields: &mut Fields<'_>) -> Known<f32> {
    let begin = *fields;
    let volume = fields.f32("injection volume")?;
    if !volume.is_finite() || volume > MOST_UL {
        return Err(begin.unsound("injection volume", format!("{volume} µl")));
    }
    if volume < 0.0 {
        return Err(Unknown::NotStated("the file says that no injection volume applies".to_owned()));
    }
    Ok(volume)
}

/// Reads `CFR_INFO`. The stream was seen to end early; then the last texts are empty.
pub(super) fn provenance(stream: &str, bytes: &[u8]) -> Known<Provenance> {
    let mut fields = Fields::new(stream, bytes, 0x20);
    let method_path = fields.text("method path")?;
    let mut next = || if fields.at() >= bytes.len() as u64 { Ok(String::new()) } else { fields.text("text") };
    Ok(Provenance {
        method_path,
        batch_path: next()?,
        user: next()?,
        full_name: next()?,
        operator: next()?,
        project: next()?,
        software: next()?,
        computer: next()?,
        set: next()?,
    })
}

/// Reads `Wiff2SampleInfo`: sixteen bytes at its end.
pub(super) fn wiff2_link(stream: &str, bytes: &[u8]) -> Known<Wiff2Link> {
    let mut fields = Fields::new(stream, bytes, bytes.len().saturating_sub(16));
    let key = fields.take(16, "key")?;
    if key.iter().all(|byte| *byte == 0) {
        return Err(Fields::new(stream, bytes, bytes.len() - 16).unsound("key", "it is all zeros"));
    }
    Ok(Wiff2Link { key: key.iter().map(|byte| format!("{byte:02x}")).collect() })
}
