use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A kept-alive connection that knows just enough HTTP to send a request and read an answer.
pub(super) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Acknowledged {
        keep: bool,
    },
    Refused {
        keep: bool,
    },
    /// Nobody knows whether it arrived.
    Broken,
}

impl Connection {
    pub(super) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: Vec::with_capacity(4096),
        })
    }

    pub(super) async fn send(&mut self, request: &[u8]) -> Outcome {
        if self.stream.write_all(request).await.is_err() {
            return Outcome::Broken;
        }
        self.answer.clear();
        loop {
            match self.stream.read_buf(&mut self.answer).await {
                Ok(0) | Err(_) => return Outcome::Broken,
                Ok(_) => {}
            }
            if let Some(outcome) = read_answer(&self.answer) {
                return outcome;
            }
        }
    }
}

/// Reads an answer once it is whole.
fn read_answer(bytes: &[u8]) -> Option<Outcome> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?;
    let mut length = 0;
    let mut keep = true;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        } else if name.eq_ignore_ascii_case("connection") {
            keep = !value.trim().eq_ignore_ascii_case("close");
        }
    }
    if bytes.len() < end + 4 + length {
        return None;
    }
    Some(match status {
        "200" => Outcome::Acknowledged { keep },
        _ => Outcome::Refused { keep },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        for cut in 0..answer.len() {
            assert_eq!(read_answer(&answer[..cut]), None);
        }
        assert_eq!(
            read_answer(answer),
            Some(Outcome::Acknowledged { keep: true })
        );
        let busy = b"HTTP/1.1 429 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(read_answer(busy), Some(Outcome::Refused { keep: false }));
    }
}
