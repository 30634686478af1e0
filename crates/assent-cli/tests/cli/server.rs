//! A web server on the loopback interface that answers each address with what a test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// The whole answer to a request, status line and headers included.
pub(crate) type Answer = Vec<u8>;

/// Serves until the test ends, one connection after another, and returns the base address.
pub(crate) fn serve(answer: impl Fn(&str) -> Answer + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            reply(&stream.unwrap(), &answer);
        }
    });
    base
}

fn reply(mut stream: &TcpStream, answer: &impl Fn(&str) -> Answer) {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap().unwrap();
    // The headers end with an empty line.
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    let path = request.split(' ').nth(1).unwrap();
    // A client that has seen enough closes the connection, which is no failure of the server.
    drop(stream.write_all(&answer(path)).and_then(|()| stream.shutdown(Shutdown::Write)));
}

/// The answer 200 with `body`, announcing `length` bytes.
pub(crate) fn found(length: usize, body: &[u8]) -> Answer {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").into_bytes();
    answer.extend(body);
    answer
}

/// The answer 200 with `body`, of no announced length.
pub(crate) fn unannounced(body: &[u8]) -> Answer {
    let mut answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    answer.extend(body);
    answer
}

/// An answer without a body.
pub(crate) fn status(line: &str, header: &str) -> Answer {
    format!("HTTP/1.1 {line}\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}
