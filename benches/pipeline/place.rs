//! A broker, a daemon and a subscriber to measure.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Client, Event, MqttOptions};

pub struct Broker {
    pub port: u16,
    child: Child,
}

impl Broker {
    /// Starts Mosquitto with the queue limits that `docs/mosquitto.conf` lifts; `None`, visibly, where it is missing.
    pub fn start(folder: &std::path::Path) -> Option<Self> {
        let candidates = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];
        let Some(program) = candidates.iter().find(|path| std::path::Path::new(path).is_file()) else {
            println!("skipped: mosquitto is not installed");
            return None;
        };
        let port = free_port();
        let config = folder.join("mosquitto.conf");
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 1000000\nmax_inflight_messages 100\npersistence false\n"
        );
        std::fs::write(&config, text).expect("the broker's configuration");
        let child = Command::new(program)
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto starts");
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            std::thread::yield_now();
        }
        Some(Self { port, child })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// What a subscriber got, and when.
pub struct Delivery {
    pub topic: String,
    /// Whether the broker had kept it from before the subscription.
    pub retained: bool,
    pub payload: Vec<u8>,
    pub at: Instant,
}

/// A QoS 1 subscriber in a thread of its own.
pub fn subscribe(port: u16, filter: &str) -> Receiver<Delivery> {
    let (sender, deliveries) = channel();
    let (ready, is_ready) = channel();
    let filter = filter.to_owned();
    std::thread::spawn(move || {
        let mut options = MqttOptions::new(format!("subscriber-{filter}"), "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(30)).set_max_packet_size(Some(1 << 24));
        let (client, mut connection) = Client::new(options, 16);
        client.subscribe(filter, QoS::AtLeastOnce).expect("room for a request");
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::SubAck(_))) => {
                    let _ = ready.send(());
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let delivery = Delivery {
                        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                        retained: publish.retain,
                        payload: publish.payload.to_vec(),
                        at: Instant::now(),
                    };
                    if sender.send(delivery).is_err() {
                        return;
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    is_ready.recv_timeout(Duration::from_secs(10)).expect("the subscription stands");
    deliveries
}

pub struct Daemon {
    pub child: Child,
    pub folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts a daemon with `devices` folders `0`, `1`, … of `profile`.
    pub fn start(port: u16, profile: &str, devices: usize) -> Self {
        let folder = tempfile::tempdir_in(".").expect("a folder on the disk of the project");
        let mut tables = String::new();
        for device in 0..devices {
            std::fs::create_dir(folder.path().join(device.to_string())).expect("a device's folder");
            tables.push_str(&format!(
                "[devices.device-{device}]\nprofile = \"{profile}\"\ntime_zone = \"Europe/Berlin\"\nfiles = {{ folder = \"{device}\" }}\n"
            ));
        }
        Self::with(port, folder, &tables)
    }

    /// Starts a daemon in `folder` with the devices of these tables.
    pub fn with(port: u16, folder: tempfile::TempDir, devices: &str) -> Self {
        let text = format!(
            "[site]\nid = \"bench\"\nnode = \"bench\"\n[journal]\npath = \"journal.db\"\n[brokers.main]\nhost = \"127.0.0.1\"\nport = {port}\n[log]\nfilter = \"warn\"\n{devices}"
        );
        let config = folder.path().join("instrumentd.toml");
        std::fs::write(&config, text).expect("the configuration");
        Self { child: run(&config), folder }
    }

    /// Kills it and starts it again.
    pub fn start_again(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = run(&self.folder.path().join("instrumentd.toml"));
    }

    /// The folder of a device.
    pub fn device(&self, device: usize) -> PathBuf {
        self.folder.path().join(device.to_string())
    }

    /// A figure of `/proc/PID/status`, in megabytes of a million bytes.
    pub fn memory_mb(&self, figure: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(figure)).unwrap_or_default();
        let kib: f64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(f64::NAN);
        kib * 1024.0 / 1e6
    }

    /// Processor time used so far, in seconds.
    pub fn processor_s(&self) -> f64 {
        processor_s(self.child.id())
    }
}

/// Processor time that a process has used so far, in seconds.
pub fn processor_s(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn run(config: &std::path::Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_instrumentd"))
        .arg("run")
        .arg("--config")
        .arg(config)
        .stdout(Stdio::null())
        .spawn()
        .expect("the daemon starts")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the daemon has published that it is online; what an earlier one left at the broker does not count.
pub fn wait_online(deliveries: &Receiver<Delivery>, devices: usize) {
    let mut connected = std::collections::BTreeSet::new();
    while connected.len() < devices {
        let delivery = deliveries.recv_timeout(Duration::from_secs(30)).expect("the daemon comes online");
        if !delivery.retained
            && delivery.topic.contains("/devices/")
            && delivery.topic.ends_with("/state")
            && String::from_utf8_lossy(&delivery.payload).contains("\"connected\"")
        {
            connected.insert(delivery.topic);
        }
    }
}
