//! The client: calls by method row, with failover, retries and authentication.
//!
//! It never sends a non-repeatable call twice over an established connection.
//!
//! A unary call makes up to [`MAX_ATTEMPTS`] attempts, each over the next connected endpoint. Attempts follow each
//! other at once until a quorum of endpoints was tried, then after [`RETRY_PAUSE`]. Repeated are: repeatable calls
//! on `Unavailable`, any call a learner refused while other endpoints exist, and calls whose token expired, after
//! a new login. The deadline of the [`Call`] bounds everything, waiting for a connection included.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use proto::etcdserverpb as pb;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::balancer::{Balancer, lock};
use crate::call::Call;
use crate::config::{Config, Login};
use crate::endpoint::{Endpoint, Security};
use crate::error::Error;
use crate::lane::Lane;
use crate::method::{self, Bidirectional, ServerStreaming, Unary};
use crate::stream::{Receiver, STREAM_QUEUE, Sender};

/// Attempts of one unary call.
pub const MAX_ATTEMPTS: u32 = 100;
/// Pause between rounds over a quorum of endpoints.
const RETRY_PAUSE: Duration = Duration::from_millis(25);

const NOT_SUPPORTED_FOR_LEARNER: &str = "etcdserver: rpc not supported for learner";
const USER_EMPTY: &str = "etcdserver: user name is empty";
const INVALID_AUTH_TOKEN: &str = "etcdserver: invalid auth token";
const AUTH_OLD_REVISION: &str = "etcdserver: revision of auth store is old";
const AUTH_NOT_ENABLED: &str = "etcdserver: authentication is not enabled";

/// A client of one cluster; clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    balancer: Arc<Balancer>,
    /// The token sent with each call; behind a lock because any call may renew it.
    token: Mutex<Option<AsciiMetadataValue>>,
}

impl Client {
    /// Checks the configuration and logs in if it says so; connections are opened by the first call.
    ///
    /// # Errors
    /// An unusable configuration, or a login the server refused or that took longer than the dial timeout.
    pub async fn connect(config: Config) -> Result<Client, Error> {
        config.validate()?;
        let first = Endpoint::parse(&config.endpoints[0]);
        if first.security == Security::Required || config.tls.is_some() {
            return Err(Error::TlsUnsupported(config.endpoints[0].clone()));
        }
        let balancer = Arc::new(Balancer::new(&config));
        let call =
            if config.dial_timeout.is_zero() { Call::default() } else { Call::within(config.dial_timeout) };
        let client = Client { inner: Arc::new(Inner { config, balancer, token: Mutex::new(None) }) };
        client.log_in(call).await?;
        Ok(client)
    }

    /// The endpoints as given.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.inner.config.endpoints
    }

    /// The configured login timeout.
    #[must_use]
    pub fn dial_timeout(&self) -> Duration {
        self.inner.config.dial_timeout
    }

    /// Makes a unary call.
    ///
    /// # Errors
    /// What the server said, or that connection or deadline was lost.
    pub async fn call<Req, Resp>(
        &self,
        method: &Unary<Req, Resp>,
        call: Call,
        request: Req,
    ) -> Result<Resp, Error>
    where
        Req: Message + Clone + Default + 'static,
        Resp: Message + Default + 'static,
    {
        let mut attempt = 0;
        loop {
            let error = match self.attempt(method.path, call, request.clone()).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            self.log_failure(method.path, attempt, &error);
            attempt += 1;
            if attempt == MAX_ATTEMPTS || !self.may_repeat(method.repeatable, call, &error).await? {
                return Err(error);
            }
            self.pause_before(attempt, call).await?;
        }
    }

    /// Opens a stream in both directions. The server may wait for the first request before it answers at all, so
    /// that request comes along.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn duplex<Req, Resp>(
        &self,
        method: &Bidirectional<Req, Resp>,
        call: Call,
        first: Req,
    ) -> Result<(Sender<Req>, Receiver<Resp>), Error>
    where
        Req: Message + Default + 'static,
        Resp: Message + Default + 'static,
    {
        self.log_in(call).await?;
        let (queue, requests) = mpsc::channel(STREAM_QUEUE);
        queue.try_send(first).unwrap_or_else(|_| unreachable!("an empty queue has room for one"));
        let (lane, mut grpc) = self.ready(call).await?;
        let request = self.request(call, ReceiverStream::new(requests));
        let codec = ProstCodec::<Req, Resp>::default();
        match call.bound(grpc.streaming(request, path(method.path), codec)).await? {
            Ok(response) => {
                let receiver = Receiver::new(lane, response.into_inner());
                Ok((Sender::new(queue), receiver))
            }
            Err(status) => Err(lane.error(&status)),
        }
    }

    /// Opens a stream of responses.
    pub(crate) async fn open<Req, Resp>(
        &self,
        method: &ServerStreaming<Req, Resp>,
        call: Call,
        request: Req,
    ) -> Result<Receiver<Resp>, Error>
    where
        Req: Message + Default + 'static,
        Resp: Message + Default + 'static,
    {
        let (lane, mut grpc) = self.ready(call).await?;
        let codec = ProstCodec::<Req, Resp>::default();
        let request = self.request(call, request);
        match call.bound(grpc.server_streaming(request, path(method.path), codec)).await? {
            Ok(response) => Ok(Receiver::new(lane, response.into_inner())),
            Err(status) => Err(lane.error(&status)),
        }
    }

    /// The pause before attempt number `attempt` (counted from 0): none within a round over a quorum.
    pub(crate) async fn pause_before(&self, attempt: u32, call: Call) -> Result<(), Error> {
        let quorum = self.endpoints().len() / 2 + 1;
        if (attempt as usize).is_multiple_of(quorum) {
            call.bound(tokio::time::sleep(RETRY_PAUSE)).await?;
        }
        Ok(())
    }

    async fn attempt<Req, Resp>(&self, at: &'static str, call: Call, request: Req) -> Result<Resp, Error>
    where
        Req: Message + Default + 'static,
        Resp: Message + Default + 'static,
    {
        self.check_size(&request)?;
        let (lane, mut grpc) = self.ready(call).await?;
        let codec = ProstCodec::<Req, Resp>::default();
        match call.bound(grpc.unary(self.request(call, request), path(at), codec)).await? {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(lane.error(&status)),
        }
    }

    /// A connection that accepts a request now. One that turns out dead before anything was sent is skipped.
    async fn ready(&self, call: Call) -> Result<(Lane, Grpc<Channel>), Error> {
        loop {
            let picked = call.bound(self.inner.balancer.pick()).await?;
            let mut grpc = Grpc::new(picked.channel.clone())
                .max_decoding_message_size(self.inner.config.recv_limit())
                .max_encoding_message_size(usize::MAX);
            match call.bound(grpc.ready()).await? {
                Ok(()) => {
                    let balancer = Arc::clone(&self.inner.balancer);
                    return Ok((Lane { balancer, picked, call }, grpc));
                }
                Err(_) => self.inner.balancer.report_broken(&picked),
            }
        }
    }

    fn request<T>(&self, call: Call, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(deadline) = call.deadline {
            request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        }
        let metadata = request.metadata_mut();
        metadata.insert("client-api-version", AsciiMetadataValue::from_static(crate::API_VERSION));
        if call.require_leader {
            metadata.insert("hasleader", AsciiMetadataValue::from_static("true"));
        }
        if let Some(token) = lock(&self.inner.token).clone() {
            metadata.insert("token", token);
        }
        request
    }

    fn check_size<Req: Message>(&self, request: &Req) -> Result<(), Error> {
        let (size, limit) = (request.encoded_len(), self.inner.config.send_limit());
        if size > limit {
            return Err(Error::Status {
                code: Code::ResourceExhausted,
                message: format!("trying to send message larger than max ({size} vs. {limit})"),
            });
        }
        Ok(())
    }

    async fn may_repeat(&self, repeatable: bool, call: Call, error: &Error) -> Result<bool, Error> {
        if self.should_log_in_again(error) {
            self.log_in(call).await?;
            return Ok(true);
        }
        if error.is(NOT_SUPPORTED_FOR_LEARNER) && self.endpoints().len() > 1 {
            return Ok(true);
        }
        Ok(repeatable && error.code() == Some(Code::Unavailable))
    }

    fn should_log_in_again(&self, error: &Error) -> bool {
        match self.inner.config.login {
            Login::Token(_) => false,
            Login::Password { .. } => {
                error.is(USER_EMPTY) || error.is(INVALID_AUTH_TOKEN) || error.is(AUTH_OLD_REVISION)
            }
            // A user known by certificate has no token to renew, but the call may simply be sent again.
            Login::Anonymous => error.is(INVALID_AUTH_TOKEN) || error.is(AUTH_OLD_REVISION),
        }
    }

    /// Obtains the token of the configured login.
    pub(crate) async fn log_in(&self, call: Call) -> Result<(), Error> {
        let token = match &self.inner.config.login {
            Login::Anonymous => return Ok(()),
            Login::Token(token) => token.clone(),
            Login::Password { user, password } if user.is_empty() || password.is_empty() => return Ok(()),
            Login::Password { user, password } => {
                let request = pb::AuthenticateRequest { name: user.clone(), password: password.clone() };
                let at = method::AUTHENTICATE.path;
                match self.attempt::<_, pb::AuthenticateResponse>(at, call, request).await {
                    Ok(response) => response.token,
                    Err(error) => {
                        self.log_failure(at, 0, &error);
                        if !error.is(AUTH_NOT_ENABLED) {
                            return Err(error);
                        }
                        String::new()
                    }
                }
            }
        };
        let value = AsciiMetadataValue::try_from(token.as_str()).ok().filter(|_| !token.is_empty());
        *lock(&self.inner.token) = value;
        Ok(())
    }

    fn log_failure(&self, method: &str, attempt: u32, error: &Error) {
        let mut text = error.rpc_text();
        if *error == Error::DeadlineExceeded
            && let Some(dial) = self.inner.balancer.last_error()
        {
            text = format!(
                "rpc error: code = DeadlineExceeded desc = latest balancer error: connection error: desc = \
                 \"transport: Error while dialing: {dial}\""
            );
        }
        log::warn!(target: self.inner.config.logger, target = self.target_name().as_str(), method = method,
            attempt = attempt, error = text.as_str(); "retrying of unary invoker failed");
    }

    fn target_name(&self) -> String {
        format!(
            "etcd-endpoints://{:p}/{}",
            Arc::as_ptr(&self.inner),
            Endpoint::parse(&self.endpoints()[0]).address
        )
    }
}

fn path(text: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(text)
}
