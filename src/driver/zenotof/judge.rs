//! What a look at a set says of it: whether it is whole, and by which rules. Nothing here knows of time.

use instrument_proto::codec::wiff::scan::{Chain, Finding, judge_stream};
use instrument_proto::codec::wiff::{Layout, Sample, Wiff, wiff2};

use crate::driver::set::{MemberSeen, Observation};
use crate::event::acquisition::{Evidence, Problem};
use crate::profile::zenotof::Member;

/// What the set is, by its content alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte that the `.wiff` speaks of is there. More samples may come.
    Whole,
    /// The run was measured, and the `.wiff.scan` holds headers only: its conversion is to come.
    Converting,
    /// It is not whole: being written or copied, or damaged.
    Open,
}

/// A judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What it is.
    pub verdict: Verdict,
    /// The rules that speak for it.
    pub evidence: Vec<Evidence>,
    /// What keeps it from being whole.
    pub problems: Vec<Problem>,
    /// The samples that are over and whose data are there, by index, each with the rules that say so.
    pub over: Vec<(u16, Vec<Evidence>)>,
    /// Samples that the file declares.
    pub samples: u32,
    /// Samples that were aborted.
    pub aborted: Vec<u32>,
    /// Whether the last sample was aborted.
    pub ends_aborted: bool,
    /// Whether the run log of every sample has its end entry.
    pub all_logged: bool,
    /// Whether space without content was seen, by the file system or by zeros where the index names data.
    pub hollow: bool,
}

/// A piece of evidence.
pub fn evidence(rule: &'static str, text: impl Into<String>) -> Evidence {
    Evidence { rule, text: text.into() }
}

fn problem(code: &'static str, text: impl Into<String>) -> Problem {
    Problem { code, text: text.into(), path: None, expected_bytes: None, found_bytes: None }
}

/// Judges a set of which the members in `required` have to be there.
pub fn judge(look: &Observation, required: &[Member]) -> Judgement {
    let mut judge = Judge {
        look,
        result: Judgement {
            verdict: Verdict::Open,
            evidence: Vec::new(),
            problems: Vec::new(),
            over: Vec::new(),
            samples: 0,
            aborted: Vec::new(),
            ends_aborted: false,
            all_logged: false,
            hollow: look.hollow,
        },
    };
    judge.members(required);
    if let Some(wiff) = &look.wiff {
        judge.container(wiff);
        let headers_only = judge.scan();
        judge.samples(wiff);
        judge.verdict(headers_only);
    }
    judge.side_files();
    judge.result
}

struct Judge<'a> {
    look: &'a Observation,
    result: Judgement,
}

impl Judge<'_> {
    fn member(&self, kind: Member) -> Option<&MemberSeen> {
        self.look.members.iter().find(|member| member.kind == kind)
    }

    fn says(&mut self, rule: &'static str, text: impl Into<String>) {
        self.result.evidence.push(evidence(rule, text));
    }

    fn wants(&mut self, problem: Problem) {
        self.result.problems.push(problem);
    }

    fn is_single_file(&self) -> bool {
        self.look.wiff.as_ref().is_some_and(|wiff| wiff.layout == Ok(Layout::SingleFile))
    }

    fn members(&mut self, required: &[Member]) {
        let single = self.is_single_file();
        let main = [Member::Wiff];
        let needed = required.iter().filter(|kind| **kind != Member::Wiff && !(single && **kind == Member::Scan));
        let needed: Vec<Member> = main.iter().chain(needed).copied().collect();
        let missing: Vec<Member> = needed.iter().filter(|kind| self.member(**kind).is_none()).copied().collect();
        for kind in &missing {
            let name = format!("{}{}", self.look.stem, kind.suffix());
            let text = format!("`{name}` is missing");
            let code = if *kind == Member::Wiff { "no-wiff" } else { "missing-member" };
            self.wants(Problem { path: Some(name), ..problem(code, text) });
        }
        if missing.is_empty() {
            let names: Vec<&str> = needed.iter().map(|kind| kind.suffix()).collect();
            self.says("members-present", names.join(", "));
        }
        let empty: Vec<&MemberSeen> = self.look.members.iter().filter(|member| member.state.size == 0).collect();
        for member in empty {
            let path = Some(member.at.path.to_string());
            let text = format!("`{}` has no bytes", member.at.path);
            self.wants(Problem { path, found_bytes: Some(0), ..problem("empty-member", text) });
        }
    }

    fn container(&mut self, wiff: &Wiff) {
        let path = self.member(Member::Wiff).map(|member| member.at.path.to_string());
        match &wiff.container {
            Err(torn) => {
                self.wants(Problem {
                    path,
                    found_bytes: Some(wiff.length),
                    ..problem("unreadable-wiff", torn.to_string())
                });
            }
            Ok(container) if container.needed > wiff.length => {
                let (needed, length) = (container.needed, wiff.length);
                let text = format!("the .wiff has {length} bytes and needs {needed}");
                let numbers = Problem {
                    expected_bytes: Some(needed),
                    found_bytes: Some(length),
                    ..problem("truncated-wiff", text)
                };
                self.wants(Problem { path, ..numbers });
            }
            Ok(container) => match container.defects.first() {
                Some(defect) => self.wants(Problem { path, ..problem("damaged-wiff", defect.to_string()) }),
                None => self.says(
                    "container-parses",
                    format!("all {} bytes of the .wiff that are in use are there", container.needed),
                ),
            },
        }
    }

    /// Judges the `.wiff.scan`; says whether there are headers and nothing else.
    fn scan(&mut self) -> bool {
        if self.is_single_file() {
            return false;
        }
        let (Some(member), Some(seen)) = (self.member(Member::Scan), &self.look.scan) else { return false };
        let (path, size) = (member.at.path.to_string(), member.state.size);
        let headers_only = seen.findings.iter().any(|finding| matches!(finding, Finding::HeadersOnly { .. }));
        let mut whole = true;
        for finding in &seen.findings {
            if finding.is_hint() {
                self.says("hint", finding.to_string());
                continue;
            }
            whole = false;
            let beside = matches!(finding, Finding::Truncated { .. } | Finding::NotSeen { .. });
            if !(headers_only && beside) {
                self.finding(finding, Some(path.clone()), size);
            }
        }
        if whole {
            let text = format!("the data of the last sample end where the .wiff.scan ends, at byte {size}");
            self.says("index-chain", text);
            self.says("data-sampled", format!("{} places that the index names hold what it says", seen.places));
        }
        headers_only
    }

    fn finding(&mut self, finding: &Finding, path: Option<String>, size: u64) {
        let (code, expected) = match finding {
            Finding::Empty => ("empty-member", None),
            Finding::HeadersOnly { .. } => ("no-data", None),
            Finding::Truncated { expected, .. } => ("truncated-data", Some(*expected)),
            Finding::Longer { expected, .. } => ("longer-data", Some(*expected)),
            Finding::Mispaired { .. } => ("mispaired-scan", None),
            Finding::Broken { .. } => ("broken-chain", None),
            Finding::Zeros { .. } => {
                self.result.hollow = true;
                ("zeros-in-data", None)
            }
            Finding::Differs { .. } => ("differing-data", None),
            Finding::BlockLength { .. } => ("block-length", None),
            Finding::NotSeen { .. } => ("unread-data", None),
            Finding::NoIndex { .. } => ("no-index", None),
        };
        let numbers =
            Problem { expected_bytes: expected, found_bytes: Some(size), ..problem(code, finding.to_string()) };
        self.wants(Problem { path, ..numbers });
    }

    fn samples(&mut self, wiff: &Wiff) {
        let declared = match &wiff.sample_count {
            Ok(count) => u32::from(*count),
            Err(why) => {
                self.wants(problem("no-samples", why.to_string()));
                0
            }
        };
        self.result.samples = declared;
        if wiff.sample_count == Ok(0) {
            self.wants(problem("no-samples", "the .wiff lists no sample"));
        }
        if wiff.samples.len() > declared as usize {
            let text = format!("{} samples were begun and {declared} are listed", wiff.samples.len());
            self.wants(problem("sample-begun", text));
        }
        if wiff.samples.len() < declared as usize {
            let text = format!("{declared} samples are listed and {} can be read", wiff.samples.len());
            self.wants(problem("unreadable-sample", text));
        }
        if declared > 0 && wiff.samples.len() == declared as usize {
            self.says("samples-listed", format!("{declared}"));
        }
        let last = wiff.samples.last().map_or(0, |sample| sample.index);
        let mut logged = 0u32;
        for sample in &wiff.samples {
            self.index(sample, wiff);
            let over = self.is_over(sample, wiff, sample.index != last);
            let log = sample.log.as_ref().ok();
            logged += u32::from(log.is_some_and(|log| log.end.is_some()));
            if let Some(abort) = log.and_then(|log| log.abort.as_ref()) {
                self.result.aborted.push(u32::from(sample.index));
                self.result.ends_aborted = sample.index == last;
                self.says(
                    "abort-entry",
                    format!("sample {}: \"{}\" at {} ms", sample.index, abort.text.trim(), abort.at_ms),
                );
            }
            if let Some(over) = over {
                self.result.over.push((sample.index, over));
            }
        }
        self.result.all_logged = logged > 0 && logged as usize == wiff.samples.len();
        if logged > 0 {
            self.says("end-of-run", format!("in the run log of {logged} of {} samples", wiff.samples.len()));
        }
    }

    fn index(&mut self, sample: &Sample, wiff: &Wiff) {
        let index = sample.index;
        match &sample.scans {
            Err(why) => self.wants(problem("no-index", format!("sample {index}: {why}"))),
            Ok(scans) if scans.left_over > 0 => {
                let text =
                    format!("sample {index}: {} bytes stand behind the last record of its index", scans.left_over);
                self.wants(problem("partial-record", text));
            }
            Ok(_) if wiff.layout == Ok(Layout::SingleFile) => {
                let size = wiff.length;
                let path = self.member(Member::Wiff).map(|member| member.at.path.to_string());
                let findings = judge_stream(sample, Chain::of(wiff).sums_bind);
                if findings.iter().all(Finding::is_hint) {
                    let text = format!("the data of sample {index} are whole inside the .wiff");
                    self.says("index-chain", text);
                }
                for finding in findings {
                    match finding.is_hint() {
                        true => self.says("hint", finding.to_string()),
                        false => self.finding(&finding, path.clone(), size),
                    }
                }
            }
            Ok(_) => {}
        }
    }

    /// The rules by which a sample is over and its data are there; `None` while it is not.
    fn is_over(&self, sample: &Sample, wiff: &Wiff, followed: bool) -> Option<Vec<Evidence>> {
        let log = sample.log.as_ref().ok();
        let mut rules = Vec::new();
        if let Some(end) = log.and_then(|log| log.end.as_ref()) {
            rules.push(evidence("end-of-run", format!("at {} ms", end.at_ms)));
        }
        if followed {
            rules.push(evidence("next-sample", "the next sample was begun"));
        }
        let aborted = log.is_some_and(|log| log.abort.is_some());
        let data_end = sample.scans.as_ref().ok()?.data_length;
        let of_stream;
        let findings = if self.is_single_file() {
            of_stream = judge_stream(sample, Chain::of(wiff).sums_bind);
            &of_stream
        } else {
            &self.look.scan.as_ref()?.findings
        };
        let there = findings.iter().all(|finding| finding.is_hint() || !concerns(finding, sample.index, aborted));
        if rules.is_empty() || !there {
            return None;
        }
        rules.push(evidence("index-chain", format!("all {data_end} bytes of its data are there")));
        Some(rules)
    }

    fn side_files(&mut self) {
        if self.look.journal {
            let text = "a journal of the .wiff2 is there: a commit is going on, or was broken off";
            self.wants(problem("wiff2-journal", text));
            self.result.verdict = Verdict::Open;
        }
        let Some(member) = self.member(Member::Wiff2) else { return };
        let (path, size) = (member.at.path.to_string(), member.state.size);
        let text = match self.look.wiff2 {
            Some(wiff2::Verdict::Sound) => {
                return self.says("wiff2-sound", "whole pages, the constant bytes, no journal");
            }
            Some(wiff2::Verdict::Empty) => "the .wiff2 has no bytes".to_owned(),
            Some(wiff2::Verdict::PartialPage { extra }) => {
                format!("the .wiff2 ends {extra} bytes behind a whole page")
            }
            Some(wiff2::Verdict::NotWritten) => "the .wiff2 has zeros where its header should be".to_owned(),
            // Another version of the software may write others: no reason to hold the acquisition back.
            Some(wiff2::Verdict::Foreign { .. }) => {
                return self.says("wiff2-foreign", "the bytes 16 to 23 of the .wiff2 are not the known ones");
            }
            None => "the .wiff2 was not looked at".to_owned(),
        };
        let numbers = Problem { found_bytes: Some(size), ..problem("wiff2-not-whole", text) };
        self.wants(Problem { path: Some(path), ..numbers });
        self.result.verdict = Verdict::Open;
    }

    fn verdict(&mut self, headers_only: bool) {
        let blocked = self.result.problems.iter().filter(|problem| problem.code != "no-data").count();
        self.result.verdict = match (blocked, headers_only) {
            (0, false) => Verdict::Whole,
            // An aborted run may have measured nothing: no conversion will come.
            (0, true) if self.result.ends_aborted => Verdict::Whole,
            (0, true) => Verdict::Converting,
            _ => Verdict::Open,
        };
    }
}

/// Whether a finding says that the data of `sample` may not be there.
fn concerns(finding: &Finding, sample: u16, aborted: bool) -> bool {
    match finding {
        Finding::Truncated { sample: first, .. } => sample >= *first,
        // Sample 0 is the file's own header.
        Finding::Zeros { sample: one, .. } | Finding::Differs { sample: one, .. } => sample == *one || *one == 0,
        Finding::NoIndex { sample: one, .. } | Finding::Broken { sample: one, .. } => sample == *one,
        // A run that was aborted before its first scan has none.
        Finding::HeadersOnly { .. } => !aborted,
        // It goes on behind the last one: the next sample is being written.
        Finding::Longer { .. } | Finding::BlockLength { .. } => false,
        Finding::Empty | Finding::Mispaired { .. } | Finding::NotSeen { .. } => true,
    }
}
