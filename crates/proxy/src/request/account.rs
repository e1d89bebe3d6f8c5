//! The one entry of a request in log and metrics, made when it is dropped.

use std::time::{Duration, Instant, SystemTime};

use evenkeel_http1::{Span, Version};
use evenkeel_model::{Cause, TlsDetail};
use evenkeel_telemetry::{Entry, Try};

use super::Request;
use crate::scratch::Scratch;

impl Request {
    fn close_account(&mut self) {
        if self.status == 0 || self.cause.is_some() {
            self.now = Instant::now();
        }
        let took = self.now.saturating_duration_since(self.started);
        if self.status == 0 {
            self.status = 499;
            self.cause.get_or_insert(Cause::ClientAbort);
        }
        let counters = self.client.counters();
        if self.cause == Some(Cause::ClientAbort) {
            counters.aborted.add(1);
        }
        counters.bytes_in.add(self.bytes_in);
        counters.bytes_out.add(self.bytes_out);
        if let Some(route) = &self.route {
            route.counters[self.core.index].latency.record(took);
        }
        if self.core.log.is_on() {
            self.log(took);
        }
    }

    #[cold]
    fn log(&self, took: Duration) {
        let Scratch { request, head, request_id, .. } = self.heads();
        let tries: Vec<Try<'_>> = self
            .tries
            .iter()
            .map(|failed| Try {
                backend: &failed.backend.label,
                cause: failed.cause,
                detail: failed.tls.map(TlsDetail::token),
                class: failed.class,
                reused: failed.is_reused,
                took: failed.took,
            })
            .collect();
        let last = self.attempt.as_ref().map(|attempt| &*attempt.backend().label);
        self.core.log.record(&Entry {
            started: self.started_at.unwrap_or_else(SystemTime::now),
            client: self.client.peer,
            listener: &self.client.listener.rule.name,
            route: self.route.as_ref().map(|route| &*route.label),
            pool: self.route.as_ref().map(|route| route.rule.pool.as_str()),
            backend: last.or(self.tries.last().map(|failed| &*failed.backend.label)),
            method: as_read(request.method_span, head),
            host: as_read(request.authority, head),
            path: as_read(request.target, head),
            protocol: match request.version {
                Version::Http10 => "HTTP/1.0",
                Version::Http11 => "HTTP/1.1",
            },
            tls: self.client.secure.as_ref().map(|secure| secure.told()),
            status: self.status,
            cause: self.cause,
            attempts: self.attempts,
            tries: &tries,
            reused: self.attempt.as_ref().is_some_and(|attempt| attempt.is_reused),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            took,
            head_after: self.head_after,
            request_id,
            detail: self.detail.or(self.shown_denial()),
            class: self.cause.and(self.attempt.as_ref().and_then(|attempt| attempt.class)),
        });
    }
}

/// Of a request that was refused, not all that was parsed may have been kept.
fn as_read(span: Span, head: &[u8]) -> &[u8] {
    head.get(span.start as usize..span.end as usize).unwrap_or_default()
}

impl Drop for Request {
    fn drop(&mut self) {
        self.give_up();
        self.close_account();
        if let Some(scratch) = self.scratch.take() {
            self.core.scratches.give(scratch);
        }
    }
}
