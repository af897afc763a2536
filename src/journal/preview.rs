//! What a dry run asks a journal: where sources were read up to, which events are known, and what brokers still lack.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::batch::{DeviceStatus, StoredSource};
use super::facts;
use super::history::History;
use super::read::ReadError;
use crate::event::{DeviceId, Prepared};

impl History {
    /// The sources of a device's link, each with its position.
    pub fn sources(&mut self, device: &DeviceId, link: &str) -> Result<Vec<StoredSource>, ReadError> {
        let Some(number) = self.number(device)? else { return Ok(Vec::new()) };
        self.reader.sources(number, link).map_err(|source| self.failed(source))
    }

    /// The snapshot of a source's driver.
    pub fn snapshot(
        &mut self,
        device: &DeviceId,
        link: &str,
        source: &str,
    ) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        let Some(number) = self.number(device)? else { return Ok(Vec::new()) };
        self.reader.snapshot(number, link, source).map_err(|source| self.failed(source))
    }

    /// A small named fact about a device.
    pub fn note(&mut self, device: &DeviceId, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(number) = self.number(device)? else { return Ok(None) };
        self.reader.note(number, name).map_err(|source| self.failed(source))
    }

    /// The revision under which an event would be recorded; `None` where it is known with the same content.
    pub fn revision_of(&self, event: &Prepared) -> Result<Option<u32>, ReadError> {
        let find = || -> rusqlite::Result<Option<u32>> {
            let mut statement =
                self.reader.connection.prepare_cached("SELECT content FROM ids WHERE locality = ?1 AND id = ?2")?;
            let mut revision = event.revision;
            loop {
                let id = event.id(revision);
                let row = params![event.base.locality(), id.as_bytes().as_slice()];
                match statement.query_row(row, |row| row.get::<_, i64>(0)).optional()? {
                    None => return Ok(Some(revision)),
                    Some(content) if content == event.content => return Ok(None),
                    Some(_) => revision += 1,
                }
            }
        };
        find().map_err(|source| self.failed(source))
    }

    /// What would be recorded instead of an event whose fact another way has told of: `Some(None)` is nothing, `None` the
    /// event itself.
    pub fn instead_of<'e>(&self, event: &'e Prepared) -> Result<Option<Option<&'e Prepared>>, ReadError> {
        let Some(alike) = &event.alike else { return Ok(None) };
        let find = || {
            // A journal of an older program knows no facts.
            let connection = &self.reader.connection;
            if !connection.table_exists(None, "facts")? {
                return Ok(None);
            }
            let told = facts::find(connection, event, alike)?;
            Ok(matches!(told, facts::Told::Same(_)).then(|| alike.instead.as_deref()))
        };
        find().map_err(|source| self.failed(source))
    }

    /// How many recorded events of each device a broker has not acknowledged; nothing for a broker that is new, which
    /// begins at the current end.
    pub fn unsent(&self, broker: &str) -> Result<BTreeMap<DeviceId, u64>, ReadError> {
        let positions = || -> rusqlite::Result<Option<BTreeMap<String, u64>>> {
            let connection = &self.reader.connection;
            if !connection.prepare("SELECT 1 FROM brokers WHERE broker = ?1")?.exists([broker])? {
                return Ok(None);
            }
            let mut statement = connection.prepare(
                "SELECT d.device, p.sequence FROM positions p JOIN devices d ON d.number = p.device WHERE p.broker = ?1",
            )?;
            let rows = statement.query_map([broker], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
            rows.collect::<rusqlite::Result<_>>().map(Some)
        };
        let Some(positions) = positions().map_err(|source| self.failed(source))? else { return Ok(BTreeMap::new()) };
        let lacks = |status: DeviceStatus| {
            let position = positions.get(status.device.as_str()).copied().unwrap_or(0);
            let unsent = status.last_sequence.saturating_sub(position);
            (unsent > 0).then_some((status.device, unsent))
        };
        Ok(self.devices()?.into_iter().filter_map(lacks).collect())
    }

    fn number(&self, device: &DeviceId) -> Result<Option<i64>, ReadError> {
        let mut statement = self
            .reader
            .connection
            .prepare_cached("SELECT number FROM devices WHERE device = ?1")
            .map_err(|source| self.failed(source))?;
        statement.query_row([device.as_str()], |row| row.get(0)).optional().map_err(|source| self.failed(source))
    }
}
