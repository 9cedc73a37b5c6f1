//! What supervisord says of itself.

use std::collections::HashMap;

use dxr::{TryFromValue, Value};

use super::{Fault, Supervisord, fault_of, field, whole_characters};
use crate::Failure;

impl Supervisord {
    /// supervisord's own state: `RUNNING`, unless it is ending.
    pub fn state(&self) -> Result<String, Failure> {
        match self.call("getState", vec![]) {
            Ok(state) => field(&HashMap::<String, Value>::try_from_value(&state)?, "statename"),
            Err(error) if fault_of(&error) == Some(Fault::ShutdownState) => Ok("SHUTDOWN".into()),
            Err(error) => Err(error),
        }
    }

    /// supervisord's version.
    pub fn version(&self) -> Result<String, Failure> {
        Ok(String::try_from_value(&self.call("getSupervisorVersion", vec![])?)?)
    }

    /// supervisord's identifier.
    pub fn identification(&self) -> Result<String, Failure> {
        Ok(String::try_from_value(&self.call("getIdentification", vec![])?)?)
    }

    /// supervisord's process id.
    pub fn pid(&self) -> Result<u32, Failure> {
        Ok(i32::try_from_value(&self.call("getPID", vec![])?)?.try_into()?)
    }

    /// The end of supervisord's own log.
    pub fn log_tail(&self, bytes: usize) -> Result<String, Failure> {
        let params = |bytes: usize| Ok::<_, Failure>(vec![Value::Integer(-i32::try_from(bytes)?), Value::Integer(0)]);
        whole_characters(bytes, |bytes| Ok(String::try_from_value(&self.call("readLog", params(bytes)?)?)?))
    }
}
