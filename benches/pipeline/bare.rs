//! Baselines: rumqttc alone, and a pipeline that does nothing but pass on.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use notify::Watcher as _;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};

/// Rows in flight, as in the daemon's default.
const WINDOW: u16 = 100;

fn client(port: u16, name: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(name, "127.0.0.1", port);
    options.set_outgoing_inflight_upper_limit(WINDOW).set_max_packet_size(Some(1 << 24));
    AsyncClient::new(options, usize::from(WINDOW))
}

/// Publishes `payloads` with QoS 1 and nothing else; gives the time until the last is acknowledged.
pub fn publish(port: u16, topic: &str, payloads: &[Vec<u8>]) -> Duration {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, mut events) = client(port, "bare");
        let mut next = payloads.iter();
        let (mut in_flight, mut acknowledged) = (0, 0);
        let mut start = Instant::now();
        loop {
            match events.poll().await.expect("the broker stays") {
                Event::Incoming(Packet::ConnAck(_)) => start = Instant::now(),
                Event::Incoming(Packet::PubAck(_)) => {
                    in_flight -= 1;
                    acknowledged += 1;
                }
                _ => {}
            }
            if acknowledged == payloads.len() {
                return start.elapsed();
            }
            while in_flight < WINDOW {
                let Some(payload) = next.next() else { break };
                client.try_publish(topic, QoS::AtLeastOnce, false, payload.clone()).expect("room in the window");
                in_flight += 1;
            }
        }
    })
}

/// SQLite with `synchronous=FULL` and rumqttc behind a source that hands each line on; no decoding. Runs until the source ends.
pub fn pipeline(port: u16, source: impl FnOnce(&dyn Fn(Vec<u8>))) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (to_journal, rows) = std::sync::mpsc::channel::<Vec<u8>>();
    let (to_publisher, mut committed) = tokio::sync::mpsc::channel::<Vec<u8>>(1000);
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk of the project");
    let store = folder.path().join("bare.db");
    let journal = std::thread::spawn(move || {
        let mut connection = rusqlite::Connection::open(store).expect("a store");
        connection.pragma_update(None, "journal_mode", "WAL").expect("WAL");
        connection.pragma_update(None, "synchronous", "FULL").expect("FULL");
        connection.execute_batch("create table rows(seq integer primary key, payload blob not null)").expect("a table");
        while let Ok(first) = rows.recv() {
            let mut batch = vec![first];
            batch.extend(rows.try_iter().take(255));
            let transaction = connection.transaction().expect("a transaction");
            for row in &batch {
                transaction.execute("insert into rows(payload) values (?1)", [row]).expect("an insert");
            }
            transaction.commit().expect("a commit");
            for row in batch {
                if to_publisher.blocking_send(row).is_err() {
                    return;
                }
            }
        }
    });
    runtime.spawn(async move {
        let (client, mut events) = client(port, "bare-pipeline");
        let (mut unsent, mut by_id) = (VecDeque::new(), HashMap::new());
        loop {
            tokio::select! {
                Some(row) = committed.recv(), if unsent.len() + by_id.len() < usize::from(WINDOW) => {
                    client.try_publish("bare/events", QoS::AtLeastOnce, false, row).expect("room");
                    unsent.push_back(());
                }
                event = events.poll() => match event.expect("the broker stays") {
                    Event::Outgoing(Outgoing::Publish(id)) => { by_id.insert(id, unsent.pop_front()); }
                    Event::Incoming(Packet::PubAck(ack)) => { by_id.remove(&ack.pkid); }
                    _ => {}
                },
            }
        }
    });
    source(&|line| to_journal.send(line).expect("the store takes it"));
    drop(to_journal);
    runtime.shutdown_background();
    let _ = journal.join();
}

/// The lines of a growing file, until `done`.
pub fn file(file: &Path, done: &Receiver<()>, line: &dyn Fn(Vec<u8>)) {
    let (hint, hints) = std::sync::mpsc::channel();
    // Its own opening and closing of the file is told too; heeding that, it would never come to rest.
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| event.kind.is_create() || event.kind.is_modify()) {
            let _ = hint.send(());
        }
    })
    .expect("a watcher");
    watcher.watch(file.parent().expect("a folder"), notify::RecursiveMode::NonRecursive).expect("it watches");
    let (mut position, mut held) = (0, Vec::new());
    while done.try_recv().is_err() {
        if hints.recv_timeout(Duration::from_millis(200)).is_err() {
            continue;
        }
        let Ok(mut source) = std::fs::File::open(file) else { continue };
        source.seek(SeekFrom::Start(position)).expect("a seek");
        position += source.read_to_end(&mut held).expect("a read") as u64;
        split(&mut held, line);
    }
}

/// The lines that come over a serial line, until it is closed at its far end.
pub fn serial(near: &str, line: &dyn Fn(Vec<u8>)) {
    let mut port = std::fs::File::open(near).expect("the port");
    let mut settings = rustix::termios::tcgetattr(&port).expect("a tty");
    settings.make_raw();
    rustix::termios::tcsetattr(&port, rustix::termios::OptionalActions::Now, &settings).expect("it is set");
    let (mut held, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = port.read(&mut buffer) {
        held.extend_from_slice(&buffer[..read]);
        split(&mut held, line);
    }
}

fn split(held: &mut Vec<u8>, line: &dyn Fn(Vec<u8>)) {
    while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
        line(held.drain(..=end).collect());
    }
}
