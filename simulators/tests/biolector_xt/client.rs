//! A client that can call every method by its name.

use std::time::Duration;

use instrument_proto::biolector_xt as wire;
use instrument_proto::biolector_xt::file_chunk::Content;
use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrumentd_simulators::biolector_xt::XtServer;
use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the whole service.
pub struct Client {
    grpc: Grpc<Channel>,
    /// The stream's own connection: updates that nobody reads would take the room of answers on a shared one.
    stream: Grpc<Channel>,
    /// What was called.
    pub called: Vec<&'static str>,
}

pub type Updates = Streaming<wire::StatusUpdateStreamResponse>;

impl Client {
    pub async fn of(server: &XtServer) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).expect("a valid address");
        let grpc = Grpc::new(endpoint.connect().await.expect("the server listens"));
        Client { grpc, stream: Grpc::new(endpoint.connect_lazy()), called: Vec::new() }
    }

    async fn ready(&mut self, method: &'static str) -> PathAndQuery {
        self.called.push(method);
        self.grpc.ready().await.expect("the connection stands");
        PathAndQuery::try_from(format!("/biolectorxt.api.BioLectorXtRemoteControl/{method}")).expect("a path")
    }

    /// Calls a method that has one answer.
    pub async fn call<Q, A>(&mut self, method: &'static str, question: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let path = self.ready(method).await;
        let answer = self.grpc.unary(Request::new(question), path, ProstCodec::default());
        let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time")?;
        Ok(answer.into_inner())
    }

    /// A call that has to succeed.
    pub async fn ok<Q, A>(&mut self, method: &'static str, question: Q) -> A
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.call(method, question).await.unwrap_or_else(|status| panic!("{method}: {status}"))
    }

    /// A change that has no answer.
    pub async fn does<Q: Message + 'static>(&mut self, method: &'static str, question: Q) {
        let () = self.ok(method, question).await;
    }

    /// The name and the bytes of a file.
    pub async fn download(&mut self, method: &'static str, id: &str) -> Result<(String, Vec<u8>), Status> {
        let path = self.ready(method).await;
        let request = Request::new(id.to_owned());
        let mut pieces: Streaming<wire::FileChunk> =
            self.grpc.server_streaming(request, path, ProstCodec::default()).await?.into_inner();
        let (mut name, mut bytes) = (String::new(), Vec::new());
        while let Some(piece) = pieces.message().await? {
            match piece.content {
                Some(Content::Metadata(metadata)) => name = metadata.filename,
                Some(Content::ChunkData(piece)) => bytes.extend(piece),
                None => {}
            }
        }
        Ok((name, bytes))
    }

    pub async fn upload(&mut self, pieces: Vec<Content>) -> wire::StdResponse {
        let path = self.ready("UploadProtocol").await;
        let pieces: Vec<_> = pieces.into_iter().map(|content| wire::FileChunk { content: Some(content) }).collect();
        let request = Request::new(tokio_stream::iter(pieces));
        self.grpc.client_streaming(request, path, ProstCodec::default()).await.expect("an answer").into_inner()
    }

    pub async fn listen(&mut self) -> Updates {
        let path = self.ready("StatusUpdateStream").await;
        self.stream.ready().await.expect("the connection stands");
        self.stream
            .server_streaming(Request::new(()), path, ProstCodec::default())
            .await
            .expect("a stream")
            .into_inner()
    }
}

/// The next update; the status with which the stream ended otherwise.
pub async fn next(updates: &mut Updates) -> Result<Update, Status> {
    let message = tokio::time::timeout(PATIENCE, updates.message()).await.expect("an update in time")?;
    let message = message.ok_or_else(|| Status::cancelled("the stream ended without an error"))?;
    Ok(message.update.expect("an update has a content"))
}

/// Reads until an update is what is looked for.
pub async fn until(updates: &mut Updates, mut wanted: impl FnMut(&Update) -> bool) -> Vec<Update> {
    let mut before = Vec::new();
    let reading = async {
        loop {
            let update = next(updates).await.expect("the stream goes on");
            let found = wanted(&update);
            before.push(update);
            if found {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it comes in time");
    before
}

/// Whether somebody says this.
pub fn says(wanted: &str) -> impl FnMut(&Update) -> bool {
    let wanted = wanted.to_owned();
    move |update| matches!(update, Update::CommentStatus(comment) if comment.text == wanted)
}
