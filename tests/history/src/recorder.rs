//! Operations as they begin and end.
//!
//! It never fills in an outcome: what has not ended when the record is taken is unknown.

use crate::operation::{Call, Operation, Outcome, Position};

/// Names an operation that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperationId(usize);

#[derive(Clone, Debug, Default)]
pub struct Recorder {
    operations: Vec<Operation>,
}

impl Recorder {
    /// Call before the request leaves the client.
    pub fn call(&mut self, client: u64, call: Call, at: Position) -> OperationId {
        self.operations.push(Operation {
            client,
            call,
            called: at,
            ended: Position::MAX,
            outcome: Outcome::Unknown,
        });
        OperationId(self.operations.len() - 1)
    }

    /// Call after the answer has reached the client.
    pub fn end(&mut self, id: OperationId, outcome: Outcome, at: Position) {
        let operation = &mut self.operations[id.0];
        assert!(operation.ended == Position::MAX, "an operation ends once: {operation}");
        assert!(at >= operation.called, "an operation ends after its call: {operation}");
        operation.ended = at;
        operation.outcome = outcome;
    }

    pub fn get(&self, id: OperationId) -> &Operation {
        &self.operations[id.0]
    }

    /// Operations in the order of their calls, open ones as unknown.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }
}
