//! One event: its sixteen fields and its identities, with the checks of the contract.
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

pub const NUMBERS: usize = 9;
pub const CATEGORIES: usize = 6;
pub const FIELDS: [&str; 18] = [
    "click_events",
    "scroll_events",
    "touch_events",
    "keyboard_events",
    "mouse_movement",
    "device_motion",
    "time_on_page",
    "timezone_offset",
    "transaction_amount",
    "device_type",
    "screen_size",
    "browser_info",
    "language",
    "device_orientation",
    "geolocation_city",
    "transaction_date",
    "user_id",
    "session_id",
];
const DATE: usize = 15;
const USER: usize = 16;
const NOT_NEGATIVE: usize = 7; // the fields before this one
const LIMIT: f64 = 1e12;
const MOST_DIGITS: usize = 4300;
const MOST_LEVELS: usize = 997; // that Python takes

/// Why an event is a dead letter: a code and perhaps the number of a field.
#[derive(Debug, PartialEq)]
pub struct Fault {
    pub code: &'static str,
    pub field: Option<usize>,
}

#[derive(Default)]
pub struct Event<'a> {
    pub numbers: [Option<f64>; NUMBERS],
    pub categories: [Option<Cow<'a, str>>; CATEGORIES],
    pub hour: Option<u8>,
    pub identities: [Option<Cow<'a, str>>; 2], // the JSON of user_id and session_id
    fault: Option<Fault>,
}

impl<'a> Event<'a> {
    pub fn parse(value: &'a [u8]) -> Result<Event<'a>, Fault> {
        let not_json = Fault { code: "not_json", field: None };
        let Ok(text) = std::str::from_utf8(value) else { return Err(not_json) };
        // the reader sees a lone surrogate only where it decodes a string
        if text.contains("\\u") && has_lone_surrogate(value) {
            return Err(not_json);
        }
        let mut event = Event::default();
        let mut reader = serde_json::Deserializer::from_str(text);
        match reader.deserialize_map(Object(&mut event)).and_then(|_| reader.end()) {
            Ok(()) => {}
            Err(_) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                return Err(Fault { code: "not_an_object", field: None });
            }
            Err(_) => return Err(not_json),
        }
        if depth(text) > MOST_LEVELS {
            return Err(Fault { code: "too_deep", field: None });
        }
        match event.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(event),
        }
    }

    /// Take one value; of the same field twice the last one counts, and each must be valid.
    fn set(&mut self, field: usize, json: &'a str) {
        let gap = json == "null";
        let code = if field < NUMBERS {
            number(field, json).map(|value| self.numbers[field] = value)
        } else if field < DATE {
            text(json).map(|value| self.categories[field - NUMBERS] = value)
        } else if field == DATE {
            text(json).and_then(|value| match value {
                None => Ok(self.hour = None),
                Some(value) => hour(value.as_bytes()).map(|hour| self.hour = Some(hour)).ok_or("bad_date"),
            })
        } else {
            identity(json).map(|value| self.identities[field - USER] = if gap { None } else { Some(value) })
        };
        if let Err(code) = code {
            if self.fault.as_ref().map_or(true, |known| field < known.field.unwrap_or(0)) {
                self.fault = Some(Fault { code, field: Some(field) });
            }
        }
    }
}

/// Whether an escape stands for half a surrogate pair; broken syntax is left to the reader.
fn has_lone_surrogate(json: &[u8]) -> bool {
    let escape = |at: usize| -> Option<u32> {
        let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    while at < json.len() {
        at += match (json[at], escape(at)) {
            (b'\\', Some(0xd800..=0xdbff)) if matches!(escape(at + 6), Some(0xdc00..=0xdfff)) => 12,
            (b'\\', Some(0xd800..=0xdfff)) => return true,
            (b'\\', _) => 2,
            _ => 1,
        };
    }
    false
}

/// The levels of nesting of a JSON text; of one with few brackets only a bound.
fn depth(json: &str) -> usize {
    let brackets = json.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if brackets <= MOST_LEVELS {
        return brackets;
    }
    let (mut level, mut deepest, mut in_string, mut escaped) = (0, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' if !in_string => level -= 1,
            _ => {}
        }
    }
    deepest
}

fn number(field: usize, json: &str) -> Result<Option<f64>, &'static str> {
    match json.as_bytes()[0] {
        b'n' => Ok(None),
        b'-' | b'0'..=b'9' => {
            let value: f64 = json.parse().map_err(|_| "not_json")?;
            let least = if field < NOT_NEGATIVE { 0.0 } else { -LIMIT };
            if (least..=LIMIT).contains(&value) {
                Ok(Some(value))
            } else {
                Err("out_of_range")
            }
        }
        _ => Err("wrong_type"),
    }
}

fn text(json: &str) -> Result<Option<Cow<'_, str>>, &'static str> {
    match json.as_bytes()[0] {
        b'n' => Ok(None),
        b'"' if !json.contains('\\') => Ok(Some(Cow::Borrowed(&json[1..json.len() - 1]))),
        b'"' => Ok(Some(Cow::Owned(serde_json::from_str(json).map_err(|_| "not_json")?))),
        _ => Err("wrong_type"),
    }
}

/// The JSON that an identity is written with.
fn identity(json: &str) -> Result<Cow<'_, str>, &'static str> {
    match json.as_bytes()[0] {
        b'n' => Ok(Cow::Borrowed(json)),
        b'"' if !json.contains('\\') => Ok(Cow::Borrowed(json)),
        b'"' => {
            let decoded: String = serde_json::from_str(json).map_err(|_| "not_json")?;
            Ok(Cow::Owned(serde_json::to_string(&decoded).map_err(|_| "not_json")?))
        }
        b'-' | b'0'..=b'9' => {
            let digits = json.strip_prefix('-').unwrap_or(json);
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                Err("wrong_type")
            } else if digits.len() > MOST_DIGITS {
                Err("out_of_range")
            } else {
                Ok(Cow::Borrowed(if json == "-0" { "0" } else { json }))
            }
        }
        _ => Err("wrong_type"),
    }
}

/// The number of a field by its name.
struct Name;
impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}
impl Visitor<'_> for Name {
    type Value = Option<usize>;
    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a name")
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Some(match name {
            "click_events" => 0,
            "scroll_events" => 1,
            "touch_events" => 2,
            "keyboard_events" => 3,
            "mouse_movement" => 4,
            "device_motion" => 5,
            "time_on_page" => 6,
            "timezone_offset" => 7,
            "transaction_amount" => 8,
            "device_type" => 9,
            "screen_size" => 10,
            "browser_info" => 11,
            "language" => 12,
            "device_orientation" => 13,
            "geolocation_city" => 14,
            "transaction_date" => 15,
            "user_id" => 16,
            "session_id" => 17,
            _ => return Ok(None),
        }))
    }
}

struct Object<'e, 'a>(&'e mut Event<'a>);
impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();
    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }
    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        while let Some(field) = members.next_key_seed(Name)? {
            match field {
                Some(field) => self.0.set(field, members.next_value::<&RawValue>()?.get()),
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The hour as written: YYYY-MM-DD, then perhaps [ T]HH:MM[:SS[.1-9 digits]], then perhaps Z or an offset.
fn hour(text: &[u8]) -> Option<u8> {
    let two = |at: usize| -> Option<u8> {
        let (tens, ones) = (text.get(at)?.wrapping_sub(b'0'), text.get(at + 1)?.wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then_some(tens * 10 + ones)
    };
    let is = |at: usize, byte: u8| text.get(at) == Some(&byte);
    let (year, month, day) = (two(0)? as u32 * 100 + two(2)? as u32, two(5)?, two(8)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + leap as u8,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !is(4, b'-') || !is(7, b'-') || day < 1 || day > days {
        return None;
    }
    let (mut at, mut hour) = (10, 0);
    if is(10, b'T') || is(10, b' ') {
        hour = two(11)?;
        if hour > 23 || !is(13, b':') || two(14)? > 59 {
            return None;
        }
        at = 16;
        if is(16, b':') {
            if two(17)? > 59 {
                return None;
            }
            at = 19;
            if is(19, b'.') {
                let digits = text[20..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                if !(1..=9).contains(&digits) {
                    return None;
                }
                at = 20 + digits;
            }
        }
    }
    match text.get(at) {
        None => Some(hour),
        Some(b'Z') if text.len() == at + 1 => Some(hour),
        Some(b'+' | b'-') if two(at + 1)? < 24 => {
            let minutes = at + 3 + is(at + 3, b':') as usize;
            (two(minutes)? < 60 && text.len() == minutes + 2).then_some(hour)
        }
        _ => None,
    }
}
