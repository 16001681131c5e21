//! fastwebsockets on tokio's current-thread runtime, upgraded by hyper:
//! `PORT echo|broadcast`.
use std::sync::Arc;

use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError,
};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::BufWriter;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::sync::broadcast::{self, error::TryRecvError};

type All = broadcast::Sender<(OpCode, Bytes)>;

fn main() {
    let (port, mode) = peers::arguments();
    let all = match mode.as_str() {
        "echo" => None,
        "broadcast" => Some(broadcast::channel(QUEUE).0),
        _ => panic!("no such mode: {mode}"),
    };
    rlimit::increase_nofile_limit(u64::MAX).expect("file descriptors");
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime")
        .block_on(async {
            let listener = peers::listen(port).expect("to listen");
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(serve(stream, all.clone()));
                }
            }
        });
}

async fn serve(stream: TcpStream, all: Option<All>) {
    let answer = service_fn(move |request| answer(request, all.clone()));
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades()
        .await;
}

async fn answer(
    mut request: Request<Incoming>,
    all: Option<All>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade(&mut request)?;
    // Unconstrained, as the library's examples have it.
    match all {
        Some(all) => tokio::spawn(tokio::task::unconstrained(join(upgraded, all))),
        None => tokio::spawn(tokio::task::unconstrained(echo(upgraded))),
    };
    Ok(response)
}

/// As the library's `echo_server` example.
async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = upgraded.await?;
    socket.set_max_message_size(MAX_MESSAGE + 1);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}

/// As the library's `echo_server_split` example; what has gathered is written at
/// once.
async fn join(upgraded: UpgradeFut, all: All) -> Result<(), WebSocketError> {
    let mut socket = upgraded.await?;
    socket.set_max_message_size(MAX_MESSAGE + 1);
    let (read, write) = socket.split(|stream| {
        let (read, write) = tokio::io::split(stream);
        (read, BufWriter::with_capacity(WRITE_BUFFER, write))
    });
    let mut read = FragmentCollectorRead::new(read);
    let write = Arc::new(Mutex::new(write));

    let (mut queue, shared) = (all.subscribe(), write.clone());
    let writer = tokio::spawn(tokio::task::unconstrained(async move {
        while let Ok(message) = queue.recv().await {
            let mut write = shared.lock().await;
            let mut next = Ok(message);
            while let Ok((opcode, payload)) = next {
                let payload = Payload::Borrowed(&payload);
                write
                    .write_frame(Frame::new(true, opcode, None, payload))
                    .await?;
                next = queue.try_recv();
            }
            write.flush().await?;
            if next != Err(TryRecvError::Empty) {
                break;
            }
        }
        let mut write = shared.lock().await;
        write.write_frame(Frame::close(1008, b"too slow")).await?;
        write.flush().await
    }));
    // Pongs and the answer to a Close.
    let mut answer = |frame: Frame<'static>| {
        let write = write.clone();
        async move {
            let mut write = write.lock().await;
            write.write_frame(frame).await?;
            write.flush().await
        }
    };
    while let Ok(frame) = read.read_frame(&mut answer).await {
        let payload = match (frame.opcode, frame.payload) {
            (OpCode::Close, _) => break,
            (OpCode::Text | OpCode::Binary, Payload::Bytes(payload)) => payload.freeze(),
            (OpCode::Text | OpCode::Binary, payload) => Vec::from(payload).into(),
            _ => continue,
        };
        let _ = all.send((frame.opcode, payload));
    }
    writer.abort();
    Ok(())
}

const MAX_MESSAGE: usize = 16 << 20;
/// Messages that a client may be behind before it is closed.
const QUEUE: usize = 1 << 16;
/// Bytes of what has gathered that are written at once.
const WRITE_BUFFER: usize = 64 << 10;
