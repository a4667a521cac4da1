//! `tokenfleet serve` against bodies and whole requests that no browser sends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::targets::Run;

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tokenfleet"))
            .args(["serve", "--port", "0", "--quiet"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        Self { child, address }
    }

    /// What the server says within `patience`; then we leave.
    fn answer(&self, request: &[u8], patience: Duration) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        let _ = stream.write_all(request);
        let mut said = vec![0; 4096];
        let length = stream.read(&mut said).unwrap_or(0);
        said.truncate(length);
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first line of a case is where it goes, `POST /api/check`; what follows is the body. A case
/// that does not begin so is sent as it is.
pub(crate) fn start() -> Run {
    let mut server = Server::start();
    Box::new(move |input| {
        let cut = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
        let line = String::from_utf8_lossy(&input[..cut]).into_owned();
        let body = input.get(cut + 1..).unwrap_or_default();
        let request = match line.strip_prefix("POST /api/") {
            Some(rest) if !rest.contains(' ') => {
                let (host, length) = (&server.address, body.len());
                let head =
                    format!("{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
                [head.as_bytes(), body].concat()
            }
            _ => input.to_vec(),
        };
        let said = server.answer(&request, Duration::from_millis(500));
        let said = String::from_utf8_lossy(&said);
        assert!(!said.starts_with("HTTP/1.1 500"), "{said}");
        assert!(server.child.try_wait().unwrap().is_none(), "the server is gone");
        let page = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
        let alive = server.answer(page.as_bytes(), Duration::from_secs(15));
        assert!(alive.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&alive));
    })
}
