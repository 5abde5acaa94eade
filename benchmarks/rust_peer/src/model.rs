//! The artifact set as `benchmarks/rust.py` writes it: features, the forest's score, and what moved it.
use crate::event::{Event, CATEGORIES, FIELDS, NUMBERS};
use std::collections::HashMap;

const DERIVED: [&str; 18] = [
    "obvious_anomaly_flag",
    "clicks_per_sec",
    "scrolls_per_sec",
    "touches_per_sec",
    "keyboard_per_sec",
    "interaction_score",
    "is_odd_hour",
    "is_large_transaction",
    "is_short_session",
    "interaction_diversity",
    "behavioural_consistency",
    "input_to_navigation_ratio",
    "active_to_passive_ratio",
    "session_complexity",
    "transaction_per_min",
    "is_high_value_short_session",
    "is_small_screen",
    "is_large_screen",
];
const FEATURES: usize = NUMBERS + CATEGORIES + DERIVED.len();
const LANES: usize = 8; // events walked side by side
const BLOCK: usize = 16 * LANES;
pub const RULES: [&str; 10] = [
    "large_amount_odd_hour",
    "very_many_clicks",
    "extreme_mouse_movement",
    "many_touches_mobile",
    "motion_spike_mobile",
    "unusual_time_on_page",
    "no_keys_large_amount",
    "very_large_amount",
    "no_clicks",
    "no_touches_mobile",
];

pub struct Model {
    pub version: String,
    pub names: Vec<String>, // of the columns
    pub base_rate: f64,
    thresholds: [f64; 3], // label, Medium, High
    columns: Vec<usize>,  // the feature of each column
    mean: Vec<f64>,
    scale: Vec<f64>,
    numbers: Vec<f64>, // what gaps are filled with
    categories: Vec<String>,
    hour: u8,
    classes: Vec<HashMap<String, usize>>,
    unknown: Vec<usize>,
    depth: usize,
    roots: Vec<u32>,
    nodes: Vec<u64>, // threshold << 32 | feature << 24 | left child; a leaf is its own left child
    probability: Vec<f64>,
}

/// What the model says of an event beside its score.
pub struct Judged {
    pub gaps: u32,
    pub rules: u32,
    pub raw: [f64; FEATURES],
}

fn ordered(value: f32) -> i32 {
    let bits = value.to_bits() as i32;
    bits ^ ((bits >> 31) & 0x7fff_ffff)
}

impl Model {
    pub fn load(path: &str) -> Model {
        let bytes = std::fs::read(path).expect(path);
        let head = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
        let header: serde_json::Value = serde_json::from_slice(&bytes[4..4 + head]).unwrap();
        let list = |name: &str| header[name].as_array().unwrap().clone();
        let floats = |name: &str| list(name).iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
        let texts = |v: &serde_json::Value| -> Vec<String> {
            v.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_string()).collect()
        };
        let classes: Vec<HashMap<String, usize>> = list("classes")
            .iter()
            .map(|v| texts(v).into_iter().enumerate().map(|(code, class)| (class, code)).collect())
            .collect();
        let count = header["nodes"].as_u64().unwrap() as usize;
        let words: Vec<u64> =
            bytes[4 + head..].chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
        let model = Model {
            version: header["version"].as_str().unwrap().to_string(),
            names: texts(&header["names"]),
            base_rate: header["base_rate"].as_f64().unwrap(),
            thresholds: floats("thresholds").try_into().unwrap(),
            columns: texts(&header["names"]).iter().map(|name| Model::feature(name)).collect(),
            mean: floats("mean"),
            scale: floats("scale"),
            numbers: floats("numbers"),
            categories: texts(&header["categories"]),
            hour: header["hour"].as_u64().unwrap() as u8,
            unknown: classes.iter().map(|codes| codes["unknown"]).collect(),
            classes,
            depth: header["depth"].as_u64().unwrap() as usize,
            roots: floats("roots").iter().map(|v| *v as u32).collect(),
            nodes: words[..count].to_vec(),
            probability: words[count..].iter().map(|word| f64::from_bits(*word)).collect(),
        };
        model.check();
        model
    }

    fn feature(name: &str) -> usize {
        let mut names = FIELDS[..NUMBERS + CATEGORIES].iter().chain(&DERIVED);
        names.position(|known| *known == name).expect(name)
    }

    /// What `step` relies on.
    fn check(&self) {
        let (count, columns) = (self.nodes.len(), self.columns.len());
        for (at, node) in self.nodes.iter().enumerate() {
            let (threshold, feature, left) = Model::parts(*node);
            assert!(feature < columns && (left == at && threshold == i32::MAX || left + 1 < count));
        }
        assert!(self.roots.iter().all(|root| (*root as usize) < count) && self.probability.len() == count);
        assert!(self.names.len() == columns && self.mean.len() == columns && self.scale.len() == columns);
    }

    fn parts(node: u64) -> (i32, usize, usize) {
        ((node >> 32) as i32, (node as u32 >> 24) as usize, (node & 0xff_ffff) as usize)
    }

    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Room for the rows of so many events, of which the forest walks full lanes.
    pub fn room(&self, events: usize) -> usize {
        events.next_multiple_of(LANES) * self.width()
    }

    /// Fill the gaps, ask the rules, and put the row that the forest reads into `row`.
    pub fn prepare(&self, event: &Event, row: &mut [i32]) -> Judged {
        let mut gaps = 0;
        let numbers: [f64; NUMBERS] = std::array::from_fn(|i| {
            event.numbers[i].unwrap_or_else(|| {
                gaps |= 1 << i;
                self.numbers[i]
            })
        });
        let categories: [&str; CATEGORIES] = std::array::from_fn(|i| {
            event.categories[i].as_deref().unwrap_or_else(|| {
                gaps |= 1 << (NUMBERS + i);
                &self.categories[i]
            })
        });
        let hour = event.hour.unwrap_or_else(|| {
            gaps |= 1 << (NUMBERS + CATEGORIES);
            self.hour
        });
        let [clicks, scrolls, touches, keys, mouse, motion, time, _, amount] = numbers;
        let (mobile, odd, large) = (categories[0] == "Mobile", (1..=3).contains(&hour), amount > 10_000.0);
        let holds = [
            large && odd,
            clicks >= 30.0,
            mouse >= 1500.0,
            mobile && touches >= 20.0,
            mobile && motion >= 3.0,
            time == 10.0 || time == 600.0,
            keys == 0.0 && amount > 5000.0,
            large,
            clicks == 0.0,
            mobile && touches == 0.0,
        ];
        let rules = holds.iter().enumerate().fold(0, |rules, (i, holds)| rules | (*holds as u32) << i);
        let mut raw = [0.0; FEATURES];
        raw[..NUMBERS].copy_from_slice(&numbers);
        for i in 0..CATEGORIES {
            raw[NUMBERS + i] = *self.classes[i].get(categories[i]).unwrap_or(&self.unknown[i]) as f64;
        }
        let bit = |flag: bool| flag as u8 as f64;
        let seconds = if time == 0.0 { 1.0 } else { time };
        let six = [clicks, scrolls, touches, keys, mouse, motion];
        let least = six[..5].iter().fold(f64::MAX, |least, value| least.min(*value));
        let most = six[..5].iter().fold(f64::MIN, |most, value| most.max(*value));
        raw[NUMBERS + CATEGORIES..].copy_from_slice(&[
            bit(rules & 0x7f != 0),
            clicks / seconds,
            scrolls / seconds,
            touches / seconds,
            keys / seconds,
            0.3 * clicks + 0.2 * scrolls + 0.2 * touches + 0.2 * keys + 0.1 * mouse + 0.1 * motion,
            bit(odd),
            bit(large),
            bit(time < 30.0),
            six.iter().filter(|value| **value > 0.0).count() as f64,
            least / (most + 1e-6),
            (keys + touches) / (clicks + scrolls + 1.0),
            (clicks + keys + touches) / (time + 1.0),
            six.iter().filter(|value| **value > 5.0).count() as f64,
            amount / (time / 60.0 + 1.0),
            bit(large && time < 60.0),
            bit(matches!(categories[1], "360x640" | "414x896")),
            bit(matches!(categories[1], "1920x1080" | "1440x900")),
        ]);
        for (i, feature) in self.columns.iter().enumerate() {
            row[i] = ordered(((raw[*feature] - self.mean[i]) / self.scale[i]) as f32);
        }
        Judged { gaps, rules, raw }
    }

    #[inline(always)]
    fn step(&self, row: &[i32], at: u32) -> u32 {
        // SAFETY: check() has looked at every node, and a row has a value for each column
        let node = unsafe { *self.nodes.get_unchecked(at as usize) };
        let value = unsafe { *row.get_unchecked((node as u32 >> 24) as usize) };
        (node as u32 & 0xff_ffff) + (((node >> 32) as i32) < value) as u32
    }

    /// The scores of n rows; tree by tree within a block, and within it several rows side by side.
    pub fn score(&self, rows: &[i32], n: usize, scores: &mut [f64]) {
        let (width, lanes) = (self.width(), n.next_multiple_of(LANES));
        let (rows, scores) = (&rows[..lanes * width], &mut scores[..lanes]);
        scores.fill(0.0);
        for (rows, scores) in rows.chunks(BLOCK * width).zip(scores.chunks_mut(BLOCK)) {
            for root in &self.roots {
                for (rows, scores) in rows.chunks_exact(LANES * width).zip(scores.chunks_exact_mut(LANES)) {
                    let mut at = [*root; LANES];
                    for _ in 0..self.depth {
                        for lane in 0..LANES {
                            at[lane] = self.step(&rows[lane * width..(lane + 1) * width], at[lane]);
                        }
                    }
                    for lane in 0..LANES {
                        scores[lane] += self.probability[at[lane] as usize];
                    }
                }
            }
        }
        for score in scores {
            *score /= self.roots.len() as f64;
        }
    }

    /// The label, and the level: 0 Low, 1 Medium, 2 High.
    pub fn verdict(&self, score: f64) -> (u8, usize) {
        let [label, medium, high] = self.thresholds;
        ((score >= label) as u8, (score >= medium) as usize + (score >= high) as usize)
    }

    /// The five columns that moved the score most, each with how far.
    pub fn contributions(&self, row: &[i32]) -> Vec<(usize, f64)> {
        let mut moved = vec![0.0; self.width()];
        for root in &self.roots {
            let mut at = *root;
            loop {
                let next = self.step(row, at);
                if next == at {
                    break;
                }
                let column = Model::parts(self.nodes[at as usize]).1;
                moved[column] += self.probability[next as usize] - self.probability[at as usize];
                at = next;
            }
        }
        moved.iter_mut().for_each(|each| *each /= self.roots.len() as f64);
        let mut order: Vec<usize> = (0..moved.len()).collect();
        order.sort_by(|a, b| moved[*b].abs().total_cmp(&moved[*a].abs())); // a stable sort
        order.iter().take(5).map(|column| (*column, moved[*column])).collect()
    }

    /// The value of a column on the raw scale: a number, or the string of a category.
    pub fn value<'a>(&'a self, column: usize, raw: &[f64; FEATURES], event: &'a Event) -> Result<f64, &'a str> {
        let feature = self.columns[column];
        match feature.checked_sub(NUMBERS) {
            Some(category) if category < CATEGORIES => {
                Err(event.categories[category].as_deref().unwrap_or(&self.categories[category]))
            }
            _ => Ok(raw[feature].min(f64::MAX)),
        }
    }
}
