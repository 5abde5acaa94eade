//! The JSON of results and alerts, to the byte as session-scorer writes it.
use crate::event::{Event, FIELDS};
use crate::model::{Judged, Model, RULES};
use std::collections::HashMap;

const LEVELS: [&str; 3] = ["Low", "Medium", "High"];
const MOST_REASONS: [usize; 3] = [0, 1, 3];
const WHEN_NONE_HOLDS: [&str; 3] = ["", "moderately_unusual", "multiple_signals"];
const LAST_MS: i64 = 253_402_300_799_999; // the last moment of the year 9999
const DAY_MS: i64 = 86_400_000;
pub const HIGH: usize = 2;

/// Where a record came from.
pub struct Source<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: i64,
}

/// Writes results; remembers the words for what few events differ in.
pub struct Writer<'m> {
    model: &'m Model,
    words: HashMap<(u32, u32, usize), Vec<u8>>,
}

impl<'m> Writer<'m> {
    pub fn new(model: &'m Model) -> Writer<'m> {
        Writer { model, words: HashMap::new() }
    }

    /// Write the result of an event into `out`, which is emptied first, and return its level.
    pub fn result(
        &mut self,
        source: &Source,
        event: &Event,
        judged: &Judged,
        score: f64,
        now: &[u8],
        value: &[u8],
        out: &mut Vec<u8>,
    ) -> usize {
        let (label, level) = self.model.verdict(score);
        out.clear();
        out.extend_from_slice(b"{\"schema_version\":1,\"result_id\":\"");
        result_id(source, out);
        out.push(b'"');
        for (name, at) in [(",\"session_id\":", 1), (",\"user_id\":", 0)] {
            if let Some(json) = &event.identities[at] {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(json.as_bytes());
            }
        }
        out.extend_from_slice(b",\"predicted_label\":");
        out.push(b'0' + label);
        out.extend_from_slice(b",\"anomaly_score\":");
        float(score, out);
        let version = &self.model.version;
        let words =
            self.words.entry((judged.gaps, judged.rules, level)).or_insert_with(|| words(judged, level, version));
        out.extend_from_slice(words);
        out.extend_from_slice(b",\"source\":{\"topic\":\"");
        out.extend_from_slice(source.topic.as_bytes());
        out.extend_from_slice(b"\",\"partition\":");
        integer(source.partition as i64, out);
        out.extend_from_slice(b",\"offset\":");
        integer(source.offset, out);
        out.extend_from_slice(b",\"timestamp\":");
        stamp(source.timestamp, out);
        out.extend_from_slice(b"},\"scored_at\":");
        out.extend_from_slice(now);
        out.extend_from_slice(b",\"event\":");
        out.extend_from_slice(value);
        out.push(b'}');
        level
    }

    /// Turn the result in `out` into its alert.
    pub fn alert(&self, source: &Source, event: &Event, judged: &Judged, row: &[i32], out: &mut Vec<u8>) {
        out.pop();
        out.extend_from_slice(b",\"alert_id\":\"");
        result_id(source, out);
        out.extend_from_slice(b"\",\"base_rate\":");
        float(self.model.base_rate, out);
        out.extend_from_slice(b",\"contributions\":[");
        for (i, (column, moved)) in self.model.contributions(row).into_iter().enumerate() {
            out.extend_from_slice(if i > 0 { b",{\"feature\":" } else { b"{\"feature\":" });
            serde_json::to_writer(&mut *out, &self.model.names[column]).unwrap();
            out.extend_from_slice(b",\"value\":");
            match self.model.value(column, &judged.raw, event) {
                Ok(value) => float(value, out),
                Err(text) => serde_json::to_writer(&mut *out, text).unwrap(),
            }
            out.extend_from_slice(b",\"contribution\":");
            float(moved, out);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}

pub fn result_id(source: &Source, out: &mut Vec<u8>) {
    out.extend_from_slice(source.topic.as_bytes());
    out.push(b'-');
    integer(source.partition as i64, out);
    out.push(b'-');
    integer(source.offset, out);
}

/// What a verdict says beside the score.
fn words(judged: &Judged, level: usize, version: &str) -> Vec<u8> {
    let mut codes: Vec<&str> = (0..RULES.len()).filter(|i| judged.rules >> i & 1 == 1).map(|i| RULES[i]).collect();
    codes.truncate(MOST_REASONS[level]);
    if codes.is_empty() && level > 0 {
        codes.push(WHEN_NONE_HOLDS[level]);
    }
    let imputed: Vec<&str> = (0..16).filter(|i| judged.gaps >> i & 1 == 1).map(|i| FIELDS[i]).collect();
    let phrase = codes.join("; ").replace('_', " ");
    let list = |texts: &[&str]| serde_json::to_string(texts).unwrap();
    let (codes, imputed) = (list(&codes), list(&imputed));
    let level = LEVELS[level];
    format!(
        ",\"risk_level\":\"{level}\",\"risk_reason\":\"{phrase}\",\"reason_codes\":{codes},\
         \"imputed_fields\":{imputed},\"model_version\":\"{version}\""
    )
    .into_bytes()
}

fn integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn float(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
}

/// A time in ms since the epoch as JSON: null where a calendar has none.
pub fn stamp(timestamp: i64, out: &mut Vec<u8>) {
    if !(0..=LAST_MS).contains(&timestamp) {
        return out.extend_from_slice(b"null");
    }
    let (days, within) = (timestamp / DAY_MS, timestamp % DAY_MS);
    let (year, month, day) = civil(days);
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    let mut put = |at: usize, digits: usize, mut value: i64| {
        for place in (at..at + digits).rev() {
            text[place] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(1, 4, year);
    put(6, 2, month);
    put(9, 2, day);
    put(12, 2, within / 3_600_000);
    put(15, 2, within / 60_000 % 60);
    put(18, 2, within / 1000 % 60);
    put(21, 3, within % 1000);
    out.extend_from_slice(&text);
}

/// Year, month and day of a day since the epoch (Howard Hinnant's civil_from_days).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let of_era = z % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + (month <= 2) as i64, month, day)
}
