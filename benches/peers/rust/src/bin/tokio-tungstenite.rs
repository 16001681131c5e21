//! tokio-tungstenite on tokio's current-thread runtime: `PORT echo|broadcast`.
use futures_util::{SinkExt, StreamExt, TryStreamExt, future};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, error::TryRecvError};
use tokio_tungstenite::tungstenite::{Error, Message, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};

fn main() {
    let (port, mode) = peers::arguments();
    rlimit::increase_nofile_limit(u64::MAX).expect("file descriptors");
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime")
        .block_on(async {
            let listener = peers::listen(port).expect("to listen");
            match mode.as_str() {
                "echo" => accept(&listener, echo).await,
                "broadcast" => {
                    let (all, _) = broadcast::channel(QUEUE);
                    accept(&listener, |stream| join(stream, all.clone())).await;
                }
                _ => panic!("no such mode: {mode}"),
            }
        });
}

async fn accept<F>(listener: &TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(stream));
        }
    }
}

/// As the library's `echo-server` example: what is read at once is written at
/// once.
async fn echo(stream: TcpStream) -> Result<(), Error> {
    let (write, read) = open(stream, ECHO_READ).await?.split();
    read.try_filter(|message| future::ready(is_data(message)))
        .forward(write)
        .await
}

/// What has gathered for a client is written at once.
async fn join(stream: TcpStream, all: broadcast::Sender<Message>) -> Result<(), Error> {
    let (mut write, mut read) = open(stream, BROADCAST_READ).await?.split();
    let mut queue = all.subscribe();
    let writer = tokio::spawn(async move {
        while let Ok(message) = queue.recv().await {
            let mut next = Ok(message);
            while let Ok(message) = next {
                write.feed(message).await?;
                next = queue.try_recv();
            }
            write.flush().await?;
            if next != Err(TryRecvError::Empty) {
                break;
            }
        }
        write.close().await
    });
    while let Some(Ok(message)) = read.next().await {
        if is_data(&message) {
            let _ = all.send(message);
        }
    }
    writer.abort();
    Ok(())
}

async fn open(stream: TcpStream, read: usize) -> Result<WebSocketStream<TcpStream>, Error> {
    let config = WebSocketConfig::default()
        .read_buffer_size(read)
        .max_message_size(Some(16 << 20));
    accept_async_with_config(stream, Some(config)).await
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

/// Messages that a client may be behind before it is closed.
const QUEUE: usize = 1 << 16;
// The library clears all of it before each read, which with its default of
// 128 KiB takes longer than the rest; it recommends 4 KiB for many connections.
const ECHO_READ: usize = 16 << 10;
const BROADCAST_READ: usize = 4 << 10;
