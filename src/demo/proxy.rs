//! A proxy between the daemon and a broker, by which the broker can be taken away and given back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::broker::Place;

/// Passes connections on to a broker, or none at all.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    passable: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of the loopback interface.
    pub async fn start(broker: Place) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (passable, _) = watch::channel(true);
        let task = tokio::spawn(serve(listener, broker, passable.clone()));
        Ok(Self { address, passable, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections, in the middle of whatever they carry, and ends new ones at once.
    pub fn cut(&self) {
        self.passable.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.passable.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, broker: Place, passable: watch::Sender<bool>) {
    loop {
        // An error here concerns one connection, or is over when others have ended.
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let mut cut = passable.subscribe();
        if *cut.borrow_and_update() {
            tokio::spawn(pass(client, broker.clone(), cut));
        }
    }
}

/// One connection, until either side ends it or it is cut.
async fn pass(mut client: TcpStream, broker: Place, mut passable: watch::Receiver<bool>) {
    let work = async {
        let mut upstream = TcpStream::connect((broker.host.as_str(), broker.port)).await?;
        client.set_nodelay(true)?;
        upstream.set_nodelay(true)?;
        tokio::io::copy_bidirectional(&mut client, &mut upstream).await
    };
    tokio::select! {
        // Whatever ended it, both sides see their connection close.
        _ = work => {}
        _ = passable.wait_for(|passable| !*passable) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server that sends back what it gets.
    async fn echo() -> Place {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        Place { host: "127.0.0.1".to_owned(), port }
    }

    async fn answered(stream: &mut TcpStream) -> io::Result<[u8; 4]> {
        let mut answer = [0; 4];
        stream.write_all(b"ping").await?;
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn connections_pass_are_cut_are_refused_and_pass_again() {
        let proxy = Proxy::start(echo().await).await.expect("it listens");
        let mut first = TcpStream::connect(proxy.address()).await.expect("it accepts");
        assert_eq!(answered(&mut first).await.expect("it passes"), *b"ping");

        proxy.cut();
        assert!(answered(&mut first).await.is_err(), "the connection was cut");
        let refused = match TcpStream::connect(proxy.address()).await {
            Ok(mut second) => answered(&mut second).await.is_err(),
            Err(_) => true,
        };
        assert!(refused, "no other gets through");

        proxy.mend();
        let mut third = TcpStream::connect(proxy.address()).await.expect("it accepts");
        assert_eq!(answered(&mut third).await.expect("it passes"), *b"ping");
    }
}
