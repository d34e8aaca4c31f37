//! How one call is bounded and marked.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

/// A deadline this close counts as passed when the other side says it passed: clocks and timers differ.
const DEADLINE_SLACK: Duration = Duration::from_millis(50);

/// How one call is bounded and marked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Call {
    /// When the call ends with [`Error::DeadlineExceeded`]; never, if absent.
    pub deadline: Option<Instant>,
    /// Ask the server to fail the call while it knows no leader.
    pub require_leader: bool,
}

impl Call {
    /// A call that ends this far from now.
    #[must_use]
    pub fn within(timeout: Duration) -> Call {
        Call { deadline: Instant::now().checked_add(timeout), require_leader: false }
    }

    /// Runs the future up to the deadline.
    pub(crate) async fn bound<F: Future>(self, future: F) -> Result<F::Output, Error> {
        match self.deadline {
            Some(deadline) => {
                tokio::time::timeout_at(deadline, future).await.map_err(|_| Error::DeadlineExceeded)
            }
            None => Ok(future.await),
        }
    }

    /// Whether the deadline is here, give or take [`DEADLINE_SLACK`].
    pub(crate) fn deadline_reached(self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() + DEADLINE_SLACK >= deadline)
    }
}
