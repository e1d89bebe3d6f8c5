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

/// Sends `first`, then starts again into another sink and sends the rest; what arrived there.
async fn resent(first: &[u8], rest: &[u8], kind: BodyKind, coding: Coding, most: usize) -> Option<Vec<u8>> {
    let (source, mut writer) = UnixStream::pair().unwrap();
    let (stalled, _unread) = UnixStream::pair().unwrap();
    let (sink, mut reader) = UnixStream::pair().unwrap();
    let (mut source, mut stalled, mut sink) =
        (Socket::Unix(source), Socket::Unix(stalled), Socket::Unix(sink));
    let (mut input, buffers) = (Input::default(), Buffers::default());
    let mut flow = Flow::new(4, BodyDecoder::new(kind), coding, u64::MAX);
    flow.keep(most);
    let (first, rest) = (first.to_vec(), rest.to_vec());
    let (go_on, goes_on) = tokio::sync::oneshot::channel();
    let written = tokio::spawn(async move {
        writer.write_all(&first).await?;
        goes_on.await.unwrap();
        writer.write_all(&rest).await
    });
    for _ in 0..50 {
        let polled = poll_fn(|cx| {
            let (source, input, sink) = (&mut source, &mut input, &mut stalled);
            let ends = &mut Ends { source, input, sink, head: b"OLD:", buffers: &buffers };
            Poll::Ready(flow.poll(cx, ends))
        });
        let _ = polled.await;
        tokio::task::yield_now().await;
    }
    if !flow.can_rewind() {
        return None;
    }
    flow.rewind(5);
    let read = tokio::spawn(async move {
        let mut out = Vec::new();
        reader.read_to_end(&mut out).await.unwrap();
        out
    });
    go_on.send(()).unwrap();
    poll_fn(|cx| {
        let (source, input, sink) = (&mut source, &mut input, &mut sink);
        flow.poll(cx, &mut Ends { source, input, sink, head: b"HEAD:", buffers: &buffers })
    })
    .await
    .unwrap();
    drop(sink);
    written.await.unwrap().unwrap();
    Some(read.await.unwrap())
}

#[tokio::test]
async fn a_body_that_was_kept_is_sent_again_from_wherever_it_was_cut() {
    let body = b"hello, world";
    for cut in 0..=body.len() {
        let (first, rest) = body.split_at(cut);
        let out = resent(first, rest, BodyKind::Length(12), Coding::Identity, 100).await.unwrap();
        assert_eq!(out, b"HEAD:hello, world", "{cut}");
    }
}

#[tokio::test]
async fn chunks_that_were_kept_are_sent_again_with_their_trailers() {
    let body = b"5\r\nhello\r\n3\r\n, w\r\n4\r\norld\r\n0\r\nX-Sum: 7\r\n\r\n";
    for cut in 0..=body.len() {
        let (first, rest) = body.split_at(cut);
        let out = resent(first, rest, BodyKind::Chunked, Coding::Chunked, 100).await.unwrap();
        let (head, chunks) = out.split_at(5);
        assert_eq!(head, b"HEAD:");
        let (mut decoder, mut rest, mut payload) =
            (BodyDecoder::new(BodyKind::Chunked), chunks.to_vec(), vec![]);
        while !decoder.is_done() {
            let decoded = decoder.decode(&mut rest).unwrap();
            payload.extend_from_slice(&rest[..decoded.produced]);
            rest.drain(..decoded.consumed);
        }
        assert_eq!(
            (payload.as_slice(), decoder.trailers()),
            (&b"hello, world"[..], &b"X-Sum: 7\r\n"[..]),
            "{cut}"
        );
    }
}

#[tokio::test]
async fn a_piece_that_the_first_sink_did_not_take_whole_is_sent_whole_to_the_second() {
    let body: Vec<u8> = (0..3_000_000u32).map(|number| (number / 7) as u8).collect();
    let (first, rest) = body.split_at(1_000_000);
    let kind = BodyKind::Length(body.len() as u64);
    let out = resent(first, rest, kind, Coding::Identity, 4_000_000).await.unwrap();
    assert!(out[5..] == body);
}

#[tokio::test]
async fn what_exceeds_the_limit_cannot_be_sent_again() {
    assert_eq!(resent(b"hello", b"", BodyKind::Length(5), Coding::Identity, 4).await, None);
    assert!(resent(b"hello", b"", BodyKind::Length(5), Coding::Identity, 5).await.is_some());
}
