//! A server on bare sockets that reads requests without a body and has its answers ready: it costs next to nothing.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers every request with what `answer` has for its bytes, until the end of the program.
pub async fn answer_all<A>(listener: TcpListener, answer: A)
where
    A: for<'r> Fn(&'r [u8]) -> &'static [u8] + Clone + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        tokio::spawn(answer_each(stream, answer.clone()));
    }
}

async fn answer_each(mut stream: TcpStream, answer: impl Fn(&[u8]) -> &'static [u8]) {
    let mut buffer = vec![0; 16 * 1024];
    let mut filled = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]).await {
        filled += read;
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            if stream.write_all(answer(&buffer[..filled])).await.is_err() {
                return;
            }
            filled = 0;
        }
    }
}
