//! What a file-set link says, and what is asked of it.

use jiff::Timestamp;

use super::Actor;
use crate::device::exit::Exit;
use crate::device::links::FILES;
use crate::driver::set::{SetInput, SetName};
use crate::driver::{Input, Request};
use crate::journal::SourceUpdate;
use crate::link::filesets::SetEvent;

impl Actor {
    pub(super) async fn take_set(&mut self, event: SetEvent) -> Result<(), Exit> {
        self.record.link(FILES);
        match event {
            SetEvent::Connected { place } => self.folder_is_there(place).await,
            SetEvent::Disconnected { place, reason, remedy } => self.folder_is_away(place, reason, remedy).await,
            SetEvent::Baseline(bytes) => {
                self.record.note("baseline", Some(bytes));
                self.commit().await
            }
            SetEvent::Opened { set, resume } => {
                self.closed.remove(&set);
                self.open.insert(set.clone());
                let snapshot = if resume { self.record.snapshot(&set).await? } else { Vec::new() };
                if !resume {
                    self.record.source(SourceUpdate::restart(set.clone()));
                }
                self.feed_set(&set, SetInput::Opened { snapshot: &snapshot }, None).await
            }
            SetEvent::Looked { set, seen, ingest, serial, position } => {
                self.record.ingest(ingest);
                self.looks.insert(set.clone(), serial);
                self.feed_set(&set, SetInput::Looked(&seen), Some(position)).await
            }
            SetEvent::Expected { set, samples, batch } => {
                self.feed_set(&set, SetInput::Expected { samples, batch: &batch }, None).await
            }
            SetEvent::Hashed { set, hashed } => self.feed_set(&set, SetInput::Hashed(&hashed), None).await,
            SetEvent::Rested { set, position } => {
                self.close_set(&set);
                self.record.progress(&set, Some(position), Vec::new());
                self.follow(None, None).await
            }
            SetEvent::Renamed { from, to, position } => {
                self.close_set(&from);
                let parts = self.record.snapshot(&from).await?;
                self.record.source(SourceUpdate::forget(from));
                self.record.source(SourceUpdate { position: Some(position), parts, ..SourceUpdate::restart(to) });
                self.follow(None, None).await
            }
            SetEvent::Gone { set } => {
                self.close_set(&set);
                self.record.source(SourceUpdate::forget(set));
                self.follow(None, None).await
            }
            SetEvent::Trouble { set, text, remedy } => self.trouble(set, text, remedy).await,
            SetEvent::TroubleOver { set } => {
                self.record.recovered(set.as_ref());
                self.commit().await
            }
        }
    }

    /// Tells the driver that a set is closed. What that changes is committed with what follows.
    fn close_set(&mut self, set: &SetName) {
        self.open.remove(set);
        self.looks.remove(set);
        self.driver.handle(Input::Set(set, SetInput::Closed), Timestamp::now(), &mut self.effects);
    }

    async fn feed_set(&mut self, set: &SetName, input: SetInput<'_>, position: Option<Vec<u8>>) -> Result<(), Exit> {
        if self.closed.contains(set) {
            return Ok(());
        }
        self.driver.handle(Input::Set(set, input), Timestamp::now(), &mut self.effects);
        self.follow(Some(set), position).await
    }

    /// Hands a driver's request to the file-set link.
    pub(super) fn ask_sets(&self, request: Request) {
        let Some((link, _)) = &self.links.sets else { return };
        match request {
            Request::Look(set) => link.look(&set),
            Request::Hash { set, members } => link.hash(set, members),
            Request::Manifest { set, members } => link.manifest(set, members),
            Request::Rest(set) => {
                let serial = self.looks.get(&set).copied().unwrap_or(0);
                link.rest(set, serial);
            }
            Request::Reread(_) | Request::Send { .. } | Request::Ask(_) => {}
        }
    }
}
