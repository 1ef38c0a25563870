//! A sentence for what is no request: the library answers that by itself, with a status and no body, before anybody here is asked.
//!
//! It stands between the library and the stream. Until a request has been handed on, whatever the library writes is a refusal of its own, and is
//! written with a sentence in its place. From then on everything goes through as it is.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answer::{Failure, JSON};

/// A stream whose refusals have a sentence.
pub(super) struct Worded<S> {
    stream: S,
    /// Whoever answers requests has been asked.
    is_asked: Arc<AtomicBool>,
    /// What is written in the place of the library's refusal.
    refusal: Vec<u8>,
    /// How much of it is.
    written: usize,
    most_header_bytes: usize,
}

impl<S> Worded<S> {
    /// For a connection whose library takes headers of so many bytes; `is_asked` is set before anything is answered to a request.
    pub(super) fn new(stream: S, is_asked: Arc<AtomicBool>, most_header_bytes: usize) -> Self {
        Self {
            stream,
            is_asked,
            refusal: Vec::new(),
            written: 0,
            most_header_bytes,
        }
    }
}

/// The refusal that begins with `head`, with a body; `head` itself, if it is none.
fn worded(head: &[u8], most_header_bytes: usize) -> Vec<u8> {
    let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let Some(status) = status.and_then(|digits| StatusCode::from_bytes(digits).ok()) else {
        return head.to_vec();
    };
    let error = match status {
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            format!(
                "the header of a request has {} KiB at most; send a shorter one",
                most_header_bytes >> 10
            )
        }
        _ => "this is no request of HTTP/1.1; send one such as GET /openapi.json HTTP/1.1, which says what there is"
            .into(),
    };
    let mut body = serde_json::to_vec_pretty(&Failure { error }).expect("plain data becomes JSON");
    body.push(b'\n');
    let reason = status.canonical_reason().unwrap_or_default();
    let mut refusal = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {JSON}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        status.as_str(),
        body.len()
    )
    .into_bytes();
    refusal.append(&mut body);
    refusal
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_asked.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        if self.refusal.is_empty() {
            // All of the head comes at once: this says that it takes no pieces.
            self.refusal = worded(bytes, self.most_header_bytes);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.written < this.refusal.len() {
            let rest = &this.refusal[this.written..];
            match ready!(Pin::new(&mut this.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                bytes => this.written += bytes,
            }
        }
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 16 << 10;

    /// Status and sentence.
    fn said(head: &str) -> (String, String) {
        let refusal = String::from_utf8(worded(head.as_bytes(), MOST)).unwrap();
        let (head, body) = refusal.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{refusal}");
        let Failure { error } = serde_json::from_str(body).unwrap();
        (head.lines().next().unwrap().to_owned(), error)
    }

    #[test]
    fn a_refusal_keeps_its_status_and_says_what_would_be_right() {
        let (status, sentence) = said("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(status, "HTTP/1.1 400 Bad Request");
        assert!(sentence.contains("GET /openapi.json HTTP/1.1"), "{sentence}");
        for long in ["414 URI Too Long", "431 Request Header Fields Too Large"] {
            let (status, sentence) = said(&format!("HTTP/1.1 {long}\r\n\r\n"));
            assert_eq!(status, format!("HTTP/1.1 {long}"));
            assert!(sentence.contains("16 KiB"), "{sentence}");
        }
    }

    #[test]
    fn what_is_no_refusal_stays_as_it_is() {
        for other in ["", "HTTP/1.1 4", "HTTP/2 400 x\r\n\r\n", "HTTP/1.1 xyz\r\n"] {
            assert_eq!(worded(other.as_bytes(), MOST), other.as_bytes());
        }
    }
}
