//! The owner's requests to other members, one URL after the other. Never interprets a status.

use super::{
    Node, Purpose,
    exchange::{Exchange, Failure},
};
use crate::{
    Answer, Event, REQUESTS_MAX, Request, RequestError,
    endpoint::Endpoint,
    http::{Framing, put_request},
};
use bytes::BytesMut;
use std::{fmt::Write, time::Instant};

/// A request that has no answer yet.
#[derive(Debug)]
pub(super) struct Asked {
    request: Request,
    deadline: Instant,
    /// URLs tried.
    tried: usize,
}

impl Node {
    pub(super) fn request(&mut self, request: Request) {
        if self.requests >= REQUESTS_MAX {
            return self
                .events
                .push(Event::Response { token: request.token, result: Err(RequestError::TooMany) });
        }
        self.requests += 1;
        let deadline = self.now + request.timeout;
        self.ask(Asked { request, deadline, tried: 0 }, Failure::Error("no valid urls given".into()));
    }

    /// Tries the next URL. `last` is why the one before failed.
    fn ask(&mut self, mut asked: Asked, mut last: Failure) {
        while let Some(url) = asked.request.urls.get(asked.tried)
            && last != Failure::TooLarge
            && self.now < asked.deadline
        {
            asked.tried += 1;
            let endpoint = match Endpoint::parse(url) {
                Ok(endpoint) => endpoint,
                Err(error) => {
                    last = Failure::Error(error);
                    continue;
                }
            };
            return self.exchange(Exchange {
                request: asked.bytes(&endpoint).freeze(),
                endpoint,
                response_bytes_max: asked.request.response_bytes_max,
                deadline: asked.deadline,
                patient: true,
                purpose: Purpose::Request(Box::new(asked)),
            });
        }
        if self.now >= asked.deadline {
            last = Failure::TimedOut;
        }
        self.finish(asked.request.token, Err(last.into()));
    }

    pub(super) fn asked(&mut self, asked: Asked, result: Result<Answer, Failure>) {
        match result {
            Ok(answer) => self.finish(asked.request.token, Ok(answer)),
            Err(failure) => self.ask(asked, failure),
        }
    }

    fn finish(&mut self, token: u64, result: Result<Answer, RequestError>) {
        self.requests -= 1;
        self.events.push(Event::Response { token, result });
    }
}

impl Asked {
    fn bytes(&self, endpoint: &Endpoint) -> BytesMut {
        let Request { method, path, headers, body, .. } = &self.request;
        let mut lines = String::new();
        for (name, value) in headers {
            let value: String = value.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect();
            let _ = write!(lines, "{name}: {value}\r\n");
        }
        let mut out = BytesMut::new();
        put_request(
            &mut out,
            method,
            path,
            endpoint.authority(),
            &[&lines],
            Framing::Length(body.len() as u64),
        );
        out.extend_from_slice(body);
        out
    }
}
