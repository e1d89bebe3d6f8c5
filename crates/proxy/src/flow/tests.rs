//! Messages through a flow, in every cut.

use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use evenkeel_http1::BodyKind;

use super::*;

/// Sends `body` through a flow in writes of `step` bytes and returns what came out.
async fn through(body: &'static [u8], kind: BodyKind, coding: Coding, step: usize) -> (Vec<u8>, bool) {
    let (source, mut writer) = UnixStream::pair().unwrap();
    let (sink, mut reader) = UnixStream::pair().unwrap();
    let (mut source, mut sink) = (Socket::Unix(source), Socket::Unix(sink));
    let written = tokio::spawn(async move {
        for part in body.chunks(step) {
            writer.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let read = tokio::spawn(async move {
        let mut out = Vec::new();
        reader.read_to_end(&mut out).await.unwrap();
        out
    });
    let (mut input, buffers, head) = (Input::default(), Buffers::default(), b"HEAD\r\n\r\n");
    let mut flow = Flow::new(head.len(), BodyDecoder::new(kind), coding, u64::MAX);
    let result = poll_fn(|cx| {
        let ends =
            &mut Ends { source: &mut source, input: &mut input, sink: &mut sink, head, buffers: &buffers };
        flow.poll(cx, ends)
    })
    .await;
    drop(sink);
    written.await.unwrap();
    (read.await.unwrap(), result.is_ok())
}

#[tokio::test]
async fn a_body_comes_out_as_it_went_in_whatever_the_reads() {
    for step in [1, 3, 100] {
        let (out, ok) = through(b"hello", BodyKind::Length(5), Coding::Identity, step).await;
        assert!(ok && out == b"HEAD\r\n\r\nhello", "{step}: {out:?}");
        let (out, ok) = through(b"", BodyKind::None, Coding::Identity, step).await;
        assert!(ok && out == b"HEAD\r\n\r\n", "{step}: {out:?}");
        let (out, ok) = through(b"until close", BodyKind::UntilClose, Coding::Identity, step).await;
        assert!(ok && out == b"HEAD\r\n\r\nuntil close", "{step}: {out:?}");
    }
}

#[tokio::test]
async fn chunks_are_written_anew_with_their_trailers() {
    let body = b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 7\r\n\r\n";
    let (out, ok) = through(body, BodyKind::Chunked, Coding::Chunked, 1000).await;
    assert!(ok);
    assert_eq!(out, b"HEAD\r\n\r\n6\r\nhello!\r\n0\r\nX-Sum: 7\r\n\r\n");
    let (out, ok) = through(body, BodyKind::Chunked, Coding::Chunked, 1).await;
    assert!(ok && out.ends_with(b"!\r\n0\r\nX-Sum: 7\r\n\r\n"), "{out:?}");
    let (out, ok) = through(b"0\r\n\r\n", BodyKind::Chunked, Coding::Chunked, 2).await;
    assert!(ok && out == b"HEAD\r\n\r\n0\r\n\r\n", "{out:?}");
}

#[tokio::test]
async fn a_body_that_only_the_close_ends_becomes_chunks() {
    let (out, ok) = through(b"abc", BodyKind::UntilClose, Coding::Chunked, 1000).await;
    assert!(ok && out == b"HEAD\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "{out:?}");
}

#[tokio::test]
async fn a_body_cut_short_never_ends_cleanly() {
    let (out, ok) = through(b"hel", BodyKind::Length(5), Coding::Identity, 1).await;
    assert!(!ok && out == b"HEAD\r\n\r\nhel", "{out:?}");
    let (out, ok) = through(b"5\r\nhel", BodyKind::Chunked, Coding::Chunked, 1000).await;
    assert!(!ok && !out.ends_with(b"0\r\n\r\n"), "{out:?}");
}

#[tokio::test]
async fn a_flow_is_done_when_its_last_byte_was_taken_not_before() {
    let (source, mut writer) = UnixStream::pair().unwrap();
    let (sink, mut reader) = UnixStream::pair().unwrap();
    let (mut source, mut sink) = (Socket::Unix(source), Socket::Unix(sink));
    // More than the sink's socket holds, so that the last piece has to wait.
    let body = vec![b'x'; 1 << 20];
    let length = body.len() as u64;
    let written = tokio::spawn(async move { writer.write_all(&body).await.map(|()| writer) });
    let (mut input, buffers, head) = (Input::default(), Buffers::default(), b"HEAD\r\n\r\n");
    let mut flow =
        Flow::new(head.len(), BodyDecoder::new(BodyKind::Length(length)), Coding::Identity, u64::MAX);
    let mut taken = Vec::new();
    let sent = head.len() + length as usize;
    while taken.len() < sent {
        let polled = poll_fn(|cx| {
            let ends = &mut Ends {
                source: &mut source,
                input: &mut input,
                sink: &mut sink,
                head,
                buffers: &buffers,
            };
            Poll::Ready(flow.poll(cx, ends))
        })
        .await;
        assert_eq!(polled.is_ready(), flow.is_done());
        if flow.is_done() {
            assert_eq!(flow.written(), sent as u64);
        }
        let mut some = [0; 8192];
        if flow.written() > taken.len() as u64 {
            let count = reader.read(&mut some).await.unwrap();
            taken.extend_from_slice(&some[..count]);
        } else {
            tokio::task::yield_now().await;
        }
    }
    written.await.unwrap().unwrap();
    assert!(flow.is_done());
}

#[tokio::test]
async fn a_flow_that_met_a_closed_sink_goes_whole_to_another() {
    let (source, _writer) = UnixStream::pair().unwrap();
    let (closed, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    let (sink, mut reader) = UnixStream::pair().unwrap();
    let (mut source, mut input, buffers) = (Socket::Unix(source), Input::default(), Buffers::default());
    let mut flow = Flow::new(8, BodyDecoder::new(BodyKind::None), Coding::Identity, u64::MAX);
    for (mut sink, works) in [(Socket::Unix(closed), false), (Socket::Unix(sink), true)] {
        let result = poll_fn(|cx| {
            let ends = &mut Ends {
                source: &mut source,
                input: &mut input,
                sink: &mut sink,
                head: b"HEAD\r\n\r\n",
                buffers: &buffers,
            };
            flow.poll(cx, ends)
        })
        .await;
        assert_eq!((result.is_ok(), flow.is_done(), flow.is_untouched()), (works, works, !works));
    }
    let mut out = Vec::new();
    reader.read_to_end(&mut out).await.unwrap();
    assert_eq!(out, b"HEAD\r\n\r\n");
}
