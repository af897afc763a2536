//! From the tables of the file to [`Settings`]: defaults, paths, profiles.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::codes::Code;
use super::file::{BrokerTable, ConfigTable, DeviceTable, FilesTable, JournalTable, TlsTable};
use super::nearest::nearest;
use super::reader::{At, Reader, list};
use super::settings::{
    Backfill, BrokerSettings, DeviceSettings, FilesSettings, JournalSettings, LogSettings, Settings, TlsSettings,
    WatchMode, WhenFull,
};
use super::values::{BackfillText, FilePath, NAME_RULE, made_valid};
use super::{RESERVED_ID, acquisitions, commands, deck, grpc, links};
use crate::event::ids::is_valid_name;
use crate::event::{DeviceId, NodeId, SiteId};
use crate::profile::{Profile, Profiles, Reach, overridden};

/// Where the journal is when neither the file nor systemd says: what systemd's `StateDirectory=instrumentd` makes.
const STATE_DIRECTORY: &str = "/var/lib/instrumentd";

/// The root of every topic.
const TOPIC_ROOT: &str = "instrumentd/v1";

/// What could be made of the tables.
pub(super) struct Resolved {
    /// Everything; `None` where something without a default is missing or wrong, which then has been reported.
    pub settings: Option<Settings>,
    /// The journal.
    pub journal: JournalSettings,
    /// The brokers, as far as they are complete.
    pub brokers: Vec<BrokerSettings>,
    /// The devices, as far as they are complete.
    pub devices: Vec<DeviceSettings>,
}

/// Fills in defaults, paths and profiles. Everything is looked at before anything is given up, so that all is reported.
pub(super) fn resolve(table: &ConfigTable, profiles: &Profiles, folder: &Path, reader: &mut Reader) -> Resolved {
    let devices = devices(table, profiles, folder, reader);
    broker_names(table, reader);
    let site_table = table.site.as_ref().map(|at| &at.value);
    let node = node(site_table.and_then(|site| site.node.as_ref().map(|at| at.value.0.as_str())));
    let site = site_table.and_then(|site| site.id.as_ref()?.value.0.parse::<SiteId>().ok());
    let broker_tables = || table.brokers.iter().flat_map(|named| &named.value.entries);
    let brokers: Vec<BrokerSettings> = match site.as_ref().zip(node.as_ref()) {
        Some((site, node)) => {
            broker_tables().filter_map(|(name, (_, at))| broker(name, &at.value, site, node, folder)).collect()
        }
        None => Vec::new(),
    };
    let journal = journal(table.journal.as_ref().map(|at| &at.value), folder);
    let log = table.log.as_ref().and_then(|at| at.value.filter.as_ref());
    // A filter that cannot be understood is said, and `info` used.
    let log = log.map(|at| at.value.0.as_str()).filter(|filter| log_filter(filter).is_ok());
    let log = LogSettings { filter: log.unwrap_or("info").to_owned() };
    let is_complete = brokers.len() == broker_tables().count()
        && devices.len() == table.devices.iter().flat_map(|n| &n.value.entries).count();
    let settings = site.zip(node).filter(|_| is_complete).map(|(site, node)| Settings {
        site,
        node,
        journal: journal.clone(),
        brokers: brokers.clone(),
        devices: devices.clone(),
        log,
    });
    Resolved { settings, journal, brokers, devices }
}

/// Whether a log filter can be understood, and if not, why.
pub(super) fn log_filter(filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    tracing_subscriber::EnvFilter::builder().parse(filter).map(drop)
}

/// The value of an entry.
fn get<T>(entry: &Option<At<T>>) -> Option<&T> {
    entry.as_ref().map(|at| &at.value)
}

fn path(entry: &Option<At<FilePath>>, folder: &Path) -> Option<PathBuf> {
    get(entry).map(|path| path.in_folder(folder))
}

/// The node as given, else the host's name made valid.
fn node(given: Option<&str>) -> Option<NodeId> {
    let host = || made_valid(&host_name());
    let name = given.map(str::to_owned).or_else(host);
    // A host without any letter or digit in its name has to be called something.
    name.and_then(|name| name.parse().ok()).or_else(|| "node".parse().ok())
}

#[cfg(unix)]
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

fn journal(table: Option<&JournalTable>, folder: &Path) -> JournalSettings {
    let default_path = || {
        // systemd gives one folder here, or several with colons between them.
        let given = std::env::var("STATE_DIRECTORY").ok().and_then(|all| all.split(':').next().map(str::to_owned));
        Path::new(given.as_deref().filter(|path| !path.is_empty()).unwrap_or(STATE_DIRECTORY)).join("journal.db")
    };
    JournalSettings {
        path: table.and_then(|t| path(&t.path, folder)).unwrap_or_else(default_path),
        keep_for: table.and_then(|t| get(&t.keep_for)).map_or(Duration::from_secs(90 * 86_400), |v| v.0),
        max_bytes: table.and_then(|t| get(&t.max_size)).map_or(20_000_000_000, |v| v.0),
        when_full: table.and_then(|t| get(&t.when_full)).map_or(WhenFull::Wait, |v| v.0),
    }
}

fn broker_names(table: &ConfigTable, reader: &mut Reader) {
    for (name, (span, _)) in table.brokers.iter().flat_map(|named| &named.value.entries) {
        if !is_valid_name(name) {
            reader
                .report(Code::BadName, span.clone(), format!("`{name}` is not a valid name of a broker"))
                .meant(made_valid(name))
                .help(NAME_RULE);
        }
    }
}

fn broker(name: &str, table: &BrokerTable, site: &SiteId, node: &NodeId, folder: &Path) -> Option<BrokerSettings> {
    let root = get(&table.topic_root).map_or(TOPIC_ROOT, |root| &root.0).to_owned();
    let prefix = get(&table.response_prefix).map_or_else(|| format!("{root}/{site}/responses"), |p| p.0.clone());
    let default_port = if table.tls.is_some() { 8883 } else { 1883 };
    let tls = match &table.tls {
        Some(at) => Some(tls(&at.value, folder)?),
        None => None,
    };
    let seconds = Duration::from_secs;
    Some(BrokerSettings {
        name: name.into(),
        host: get(&table.host)?.0.clone(),
        port: get(&table.port).map_or(Some(default_port), |port| u16::try_from(port.0).ok())?,
        client_id: get(&table.client_id).map_or_else(|| format!("instrumentd-{site}-{node}"), |id| id.0.clone()),
        user: get(&table.user).map(|user| user.0.clone()),
        password_file: path(&table.password_file, folder),
        tls,
        root,
        window: get(&table.window).map_or(Some(100), |window| u16::try_from(window.0).ok())?,
        keep_alive: get(&table.keep_alive).map_or(seconds(30), |v| v.0),
        will_delay: get(&table.will_delay).map_or(seconds(10), |v| v.0),
        state_expiry: get(&table.state_expiry).map_or(seconds(300), |v| v.0),
        stall: get(&table.stall).map_or(seconds(30), |v| v.0),
        response_prefix: format!("{prefix}/"),
    })
}

fn tls(table: &TlsTable, folder: &Path) -> Option<TlsSettings> {
    let client = path(&table.cert_file, folder).zip(path(&table.key_file, folder));
    Some(TlsSettings { ca_file: path(&table.ca_file, folder)?, client })
}

fn devices(table: &ConfigTable, profiles: &Profiles, folder: &Path, reader: &mut Reader) -> Vec<DeviceSettings> {
    let mut devices = Vec::new();
    for (id, (span, at)) in table.devices.iter().flat_map(|named| &named.value.entries) {
        let id = device_id(id, span, reader);
        if let Some((device, id)) = device(&at.value, table, profiles, folder, reader).zip(id) {
            devices.push(device(id));
        }
    }
    devices
}

fn device_id(id: &str, span: &std::ops::Range<usize>, reader: &mut Reader) -> Option<DeviceId> {
    if id == RESERVED_ID {
        reader
            .report(Code::ReservedName, span.clone(), format!("`{id}` is the daemon's own device"))
            .help("give the instrument another id; the daemon publishes how things belong together under this one");
        return None;
    }
    let parsed = id.parse().ok();
    if parsed.is_none() {
        reader
            .report(Code::BadName, span.clone(), format!("`{id}` is not a valid device id"))
            .meant(made_valid(id))
            .help(NAME_RULE);
    }
    parsed
}

/// All of a device but its id.
fn device(
    table: &DeviceTable,
    config: &ConfigTable,
    profiles: &Profiles,
    folder: &Path,
    reader: &mut Reader,
) -> Option<impl FnOnce(DeviceId) -> DeviceSettings + use<>> {
    let profile = table.profile.as_ref().and_then(|at| profile(&at.value.0, &at.span, profiles, reader));
    let profile = profile.map(|profile| match get(&table.overrides) {
        Some(overrides) => Arc::new(overridden(&profile, overrides, reader)),
        None => profile,
    });
    links::check(table, profile.as_deref(), reader);
    let stream = profile.as_ref().and_then(|profile| links::stream(table, profile, folder, reader));
    let deck = profile.as_ref().map(|profile| deck::deck(table, profile, config, profiles, folder, reader));
    let acquisitions = acquisitions::acquisitions(get(&table.acquisitions), folder, reader);
    let grpc = table.grpc.as_ref().map(|at| grpc::grpc(&at.value, folder, reader));
    let commands = commands::commands(table, reader);
    let time_zone = get(&table.time_zone)?.0.clone();
    let files = get(&table.files).and_then(|table| files(table, &time_zone, folder));
    let grpc = match grpc {
        Some(grpc) => Some(grpc?),
        None => None,
    };
    let (profile, deck) = (profile?, deck??);
    match profile.family.reach() {
        Reach::Files if grpc.is_some() => {}
        Reach::Files => drop(files.as_ref()?),
        Reach::Stream => drop(stream.as_ref()?),
        Reach::Service => drop(grpc.as_ref()?),
    }
    let enabled = get(&table.enabled).copied().unwrap_or(true);
    let location = get(&table.location).map(|location| location.0.clone());
    Some(move |id| DeviceSettings {
        id,
        enabled,
        profile,
        location,
        time_zone,
        files,
        stream,
        grpc,
        commands,
        deck,
        acquisitions,
    })
}

fn profile(
    name: &str,
    span: &std::ops::Range<usize>,
    profiles: &Profiles,
    reader: &mut Reader,
) -> Option<Arc<Profile>> {
    if let Some(profile) = profiles.get(name) {
        return Some(Arc::clone(profile));
    }
    let names: Vec<&str> = profiles.names().collect();
    reader
        .report(Code::UnknownProfile, span.clone(), format!("there is no profile `{name}`"))
        .meant(nearest(name, names.iter().copied()))
        .help(format!("there are {}", list(&names)))
        .help("profiles of your own are files NAME.toml in the folder that `profiles` names");
    None
}

fn files(table: &FilesTable, zone: &jiff::tz::TimeZone, folder: &Path) -> Option<FilesSettings> {
    let backfill = match get(&table.backfill) {
        None | Some(BackfillText::None) => None,
        Some(BackfillText::All) => Some(Backfill::All),
        Some(since) => since.moment(zone).map(Backfill::Since),
    };
    Some(FilesSettings {
        folder: path(&table.folder, folder)?,
        watch: get(&table.watch).map_or(WatchMode::Auto, |v| v.0),
        poll_interval: get(&table.poll_interval).map_or(Duration::from_secs(10), |v| v.0),
        backfill,
        require_mount: get(&table.require_mount).copied().unwrap_or(false),
    })
}
