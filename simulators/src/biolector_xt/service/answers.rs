//! How methods are answered: after the delay of the faults, within the ranges, in pieces.

use std::time::Duration;

use instrument_proto::biolector_xt as wire;
use instrument_proto::biolector_xt::file_chunk::Content as Piece;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use super::{Answer, Files, Service};
use crate::biolector::{ChannelKind, Quirk};
use crate::biolector_xt::controls::Regulated;
use crate::biolector_xt::cultures::WELLS;
use crate::biolector_xt::store::{LARGEST_PROTOCOL, Protocol};
use crate::biolector_xt::world::{MOST_WAITING, World, label, same, wire_time};

/// Bytes of one piece of a file.
const PIECE: usize = 64 << 10;

impl Service {
    /// Waits as long as the faults say before a method is answered.
    pub(super) async fn hesitate(&self, method: &str) {
        let (slow_s, hangs) = {
            let world = self.0.world();
            (world.settings.faults.slow_s, world.settings.faults.hang.contains(method))
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        if slow_s > 0.0 {
            tokio::time::sleep(Duration::try_from_secs_f64(slow_s).unwrap_or(Duration::MAX)).await;
        }
    }

    /// A question.
    pub(super) async fn get<T>(&self, method: &str, question: impl FnOnce(&World) -> T) -> Answer<T> {
        self.hesitate(method).await;
        Ok(Response::new(self.0.ask(|world| question(world))))
    }

    /// A request that changes something.
    pub(super) async fn set<T>(&self, method: &str, change: impl FnOnce(&mut World) -> Result<T, Status>) -> Answer<T> {
        self.hesitate(method).await;
        let changed = self.0.ask(|world| {
            if world.outbox.len() >= MOST_WAITING {
                return Err(Status::resource_exhausted("too many updates wait for the stream's clients; try again"));
            }
            change(world)
        });
        changed.map(Response::new)
    }

    /// Takes in a protocol, piece by piece.
    pub(super) async fn upload(&self, mut pieces: Streaming<wire::FileChunk>) -> Answer<wire::StdResponse> {
        self.hesitate("UploadProtocol").await;
        let (mut named, mut file) = (false, Vec::new());
        while let Some(piece) = pieces.next().await {
            match piece?.content {
                Some(Piece::Metadata(_)) => named = true,
                Some(Piece::ChunkData(_)) if !named => {
                    return Ok(Response::new(std_error("the first piece must hold the file's name")));
                }
                Some(Piece::ChunkData(bytes)) if file.len() + bytes.len() > LARGEST_PROTOCOL => {
                    let text = format!("a protocol of more than {LARGEST_PROTOCOL} bytes is not taken");
                    drop(bytes);
                    return Ok(Response::new(std_error(text)));
                }
                Some(Piece::ChunkData(bytes)) => file.extend(bytes),
                None => {}
            }
        }
        self.set("", |world| {
            Ok(match Protocol::read(file, &world.settings.run) {
                Err(text) => std_error(text),
                Ok(protocol) if world.protocols.iter().any(|known| same(&known.id, &protocol.id)) => {
                    std_error(format!("a protocol with the id {} is stored already", protocol.id))
                }
                Ok(protocol) => {
                    world.protocols.push(protocol);
                    std_ok()
                }
            })
        })
        .await
    }

    /// Hands out a file in pieces.
    pub(super) fn send(&self, name: String, bytes: Vec<u8>) -> Files {
        let (sender, files) = mpsc::channel(4);
        tokio::spawn(async move {
            let first = wire::FileChunk { content: Some(Piece::Metadata(wire::MetaData { filename: name })) };
            let pieces =
                bytes.chunks(PIECE).map(|piece| wire::FileChunk { content: Some(Piece::ChunkData(piece.to_vec())) });
            for piece in std::iter::once(first).chain(pieces) {
                if sender.send(Ok(piece)).await.is_err() {
                    break;
                }
            }
        });
        ReceiverStream::new(files)
    }
}

/// A number in its range.
pub(super) fn within(what: &str, value: f32, low: f32, high: f32) -> Result<f64, Status> {
    if (low..=high).contains(&value) {
        Ok(f64::from(value))
    } else {
        Err(Status::invalid_argument(format!("{what} is {value}; allowed are {low} to {high}")))
    }
}

pub(super) fn well(label: i32) -> Result<usize, Status> {
    let place = usize::try_from(label).ok().filter(|place| *place < WELLS);
    place.ok_or_else(|| Status::invalid_argument(format!("{label} is no well; labels go from 0 (A01) to 47 (F08)")))
}

/// Well and source of a feed, on a plate that has sources.
pub(super) fn feed(world: &World, label: i32, source: &str) -> Result<(usize, usize), Status> {
    let fed = world.run().is_some_and(|run| run.settings.has(Quirk::Microfluidic));
    if !fed {
        return Err(Status::failed_precondition("no run with a microfluidic plate is under way"));
    }
    let source = match source {
        "A" | "a" => 0,
        "B" | "b" => 1,
        other => return Err(Status::invalid_argument(format!("'{other}' is no source; there are A and B"))),
    };
    Ok((well(label)?, source))
}

pub(super) fn gas(world: &mut World, gas: wire::GasType) -> Result<&mut Regulated, Status> {
    match gas {
        wire::GasType::GasO2 => Ok(&mut world.controls.oxygen),
        wire::GasType::GasCo2 => Ok(&mut world.controls.carbon_dioxide),
        wire::GasType::GasUnknown => Err(Status::invalid_argument("the gas is unknown; say O2 or CO2")),
    }
}

pub(super) fn std_ok() -> wire::StdResponse {
    wire::StdResponse { status: wire::std_response::Status::Ok as i32, comment: String::new() }
}

pub(super) fn std_error(comment: impl Into<String>) -> wire::StdResponse {
    wire::StdResponse { status: wire::std_response::Status::UnknownError as i32, comment: comment.into() }
}

/// The last value of each channel, and the volumes, of the wells that are measured.
pub(super) fn cultivation_values(world: &World) -> wire::GetCultivationValuesResponse {
    let Some(run) = world.run() else { return wire::GetCultivationValuesResponse::default() };
    let mut labels: Vec<usize> = run.wells.iter().map(|well| label(*well)).collect();
    labels.sort_unstable();
    let base = world.settings.faults.index_base;
    let one = |place: usize| {
        let culture = &world.cultures[place];
        let values = culture.values.iter().zip(&run.channels).enumerate().filter_map(|(index, (value, channel))| {
            let (value, at) = (*value)?;
            Some(wire::cultivation_values_item::Value {
                index: index as u32 + base,
                name: channel.name.to_owned(),
                value: value as f32,
                timestamp: Some(wire_time(at)),
            })
        });
        wire::CultivationValuesItem {
            label: place as i32,
            current_volume: culture.volume() as f32,
            pumped_volume_a: culture.pumped[0] as f32,
            pumped_volume_b: culture.pumped[1] as f32,
            pumped_external: culture.external as f32,
            values: values.collect(),
        }
    };
    wire::GetCultivationValuesResponse { cultivations: labels.into_iter().map(one).collect() }
}

/// The pH of each well that is measured, and how it is kept.
pub(super) fn ph_control_status(world: &World) -> wire::GetPhControlStatusResponse {
    let Some(run) = world.run() else { return wire::GetPhControlStatusResponse::default() };
    let channel = run.channels.iter().position(|channel| channel.kind == ChannelKind::Ph);
    let one = |place: usize| {
        let culture = &world.cultures[place];
        let current = channel.and_then(|channel| culture.values.get(channel).copied().flatten());
        wire::get_ph_control_status_response::Item {
            label: place as i32,
            target_ph: culture.ph.target as f32,
            current_ph: current.map_or(0.0, |(value, _)| value as f32),
            params: Some(culture.ph.params),
        }
    };
    let mut labels: Vec<usize> = run.wells.iter().map(|well| label(*well)).collect();
    labels.sort_unstable();
    wire::GetPhControlStatusResponse { items: labels.into_iter().map(one).collect() }
}
