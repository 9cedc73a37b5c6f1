//! The table of the protocol: every key, state, event type and payload of supervisor 4.3.0, each declared once.
//!
//! The table is data. `key.rs`, `word.rs`, `event_type.rs` and `payload.rs` each generate code from one section: enums,
//! look-ups, readers, writers, the views for serde and defmt, and assertions that keep the sections consistent.
//!
//! * A new token of a payload: its key in `keys`, its field in `payloads`. `Option` makes it optional.
//! * A new event of a known shape: its line in `event_types`, and the word that tells it from its siblings in `words`.
//!
//! A missing or unused entry does not compile.

/// Passes the table to the macro `$make`.
macro_rules! table {
    ($make:ident) => {
        $make! {
            // Key = its name on the wire.
            keys {
                /// Header: the protocol's version.
                Ver = "ver",
                /// Header: supervisord's identifier.
                Server = "server",
                /// Header: the event's number.
                Serial = "serial",
                /// Header: the pool's name.
                Pool = "pool",
                /// Header: the event's number in its pool.
                Poolserial = "poolserial",
                /// Header: the name of the event's type.
                Eventname = "eventname",
                /// Header: the payload's length.
                Len = "len",
                /// Payload: a process's name.
                Processname = "processname",
                /// Payload: a group's name.
                Groupname = "groupname",
                /// Payload: the previous state.
                FromState = "from_state",
                /// Payload: how many starts were tried.
                Tries = "tries",
                /// Payload: whether an exit was expected.
                Expected = "expected",
                /// Payload: a process's id.
                Pid = "pid",
                /// Payload: the stream that was written to.
                Channel = "channel",
                /// Payload: the type of a remote communication.
                Type = "type",
                /// Payload: the time of a tick.
                When = "when",
            }

            // Enum { word = its name on the wire }. Names are recognised in any letter case.
            words {
                /// The state of a process, by supervisord's names.
                ProcessState {
                    /// Not running, as requested.
                    Stopped = "STOPPED",
                    /// Started, but not yet for long enough to be RUNNING.
                    Starting = "STARTING",
                    /// Running.
                    Running = "RUNNING",
                    /// Ended while STARTING; supervisord will start it again.
                    Backoff = "BACKOFF",
                    /// Told to stop.
                    Stopping = "STOPPING",
                    /// Exited on its own.
                    Exited = "EXITED",
                    /// Could not be started.
                    Fatal = "FATAL",
                    /// supervisord lost track of it.
                    Unknown = "UNKNOWN",
                }
                /// The stream that a process wrote to.
                Channel {
                    /// Standard output.
                    Stdout = "stdout",
                    /// Standard error.
                    Stderr = "stderr",
                }
                /// The state that supervisord entered.
                SupervisorState {
                    /// It has started.
                    Running = "RUNNING",
                    /// It is stopping.
                    Stopping = "STOPPING",
                }
                /// What happened to a group.
                GroupChange {
                    /// It was added.
                    Added = "ADDED",
                    /// It was removed.
                    Removed = "REMOVED",
                }
            }

            // Type = its eventname, parent => the shape of its payload, with the values that the name gives. Types
            // without a shape are abstract: listeners subscribe to them, but no event has their name.
            event_types {
                /// Abstract: any event.
                Event = "EVENT";

                /// Abstract: a process changed its state.
                ProcessState = "PROCESS_STATE", Event;
                /// Abstract: a process sent data between the communication tags.
                ProcessCommunication = "PROCESS_COMMUNICATION", Event;
                /// Abstract: a process wrote output.
                ProcessLog = "PROCESS_LOG", Event;
                /// A client called `supervisor.sendRemoteCommEvent`.
                RemoteCommunication = "REMOTE_COMMUNICATION", Event => RemoteCommunication;
                /// Abstract: supervisord changed its state.
                SupervisorStateChange = "SUPERVISOR_STATE_CHANGE", Event;
                /// Abstract: time has passed.
                Tick = "TICK", Event;
                /// Abstract: a group was added or removed.
                ProcessGroup = "PROCESS_GROUP", Event;
                /// A process was stopped.
                ProcessStateStopped = "PROCESS_STATE_STOPPED", ProcessState => ProcessState(ProcessState::Stopped);
                /// A process is being started.
                ProcessStateStarting = "PROCESS_STATE_STARTING", ProcessState => ProcessState(ProcessState::Starting);
                /// A process was started.
                ProcessStateRunning = "PROCESS_STATE_RUNNING", ProcessState => ProcessState(ProcessState::Running);
                /// A process ended too soon, and will be started again.
                ProcessStateBackoff = "PROCESS_STATE_BACKOFF", ProcessState => ProcessState(ProcessState::Backoff);
                /// A process is being stopped.
                ProcessStateStopping = "PROCESS_STATE_STOPPING", ProcessState => ProcessState(ProcessState::Stopping);
                /// A process exited on its own.
                ProcessStateExited = "PROCESS_STATE_EXITED", ProcessState => ProcessState(ProcessState::Exited);
                /// A process ended too soon, too often.
                ProcessStateFatal = "PROCESS_STATE_FATAL", ProcessState => ProcessState(ProcessState::Fatal);
                /// supervisord lost track of a process.
                ProcessStateUnknown = "PROCESS_STATE_UNKNOWN", ProcessState => ProcessState(ProcessState::Unknown);
                /// A process sent data on its standard output.
                ProcessCommunicationStdout = "PROCESS_COMMUNICATION_STDOUT", ProcessCommunication
                    => ProcessCommunication(Channel::Stdout);
                /// A process sent data on its standard error.
                ProcessCommunicationStderr = "PROCESS_COMMUNICATION_STDERR", ProcessCommunication
                    => ProcessCommunication(Channel::Stderr);
                /// A process wrote to its standard output.
                ProcessLogStdout = "PROCESS_LOG_STDOUT", ProcessLog => ProcessLog(Channel::Stdout);
                /// A process wrote to its standard error.
                ProcessLogStderr = "PROCESS_LOG_STDERR", ProcessLog => ProcessLog(Channel::Stderr);
                /// supervisord has started.
                SupervisorStateChangeRunning = "SUPERVISOR_STATE_CHANGE_RUNNING", SupervisorStateChange
                    => SupervisorStateChange(SupervisorState::Running);
                /// supervisord is stopping.
                SupervisorStateChangeStopping = "SUPERVISOR_STATE_CHANGE_STOPPING", SupervisorStateChange
                    => SupervisorStateChange(SupervisorState::Stopping);
                /// Every 5 seconds.
                Tick5 = "TICK_5", Tick => Tick(5);
                /// Every minute.
                Tick60 = "TICK_60", Tick => Tick(60);
                /// Every hour.
                Tick3600 = "TICK_3600", Tick => Tick(3600);
                /// A group was added to supervisord.
                ProcessGroupAdded = "PROCESS_GROUP_ADDED", ProcessGroup => ProcessGroup(GroupChange::Added);
                /// A group was removed from supervisord.
                ProcessGroupRemoved = "PROCESS_GROUP_REMOVED", ProcessGroup => ProcessGroup(GroupChange::Removed);
            }

            // Shape (its struct). `named`: the value from the event's name, or from a token that overrides it.
            // `tokens`: fields and their keys, in supervisord's order. `data`: the bytes after the line. `unknown`: the
            // field for all other tokens.
            payloads {
                /// A process changed its state.
                ProcessState(ProcessStateEvent) {
                    named {
                        /// The state that the process is in now, from the event's name.
                        state: ProcessState
                    }
                    tokens {
                        /// The process's name.
                        processname: Text<'a> = Processname,
                        /// Its group's name; may be empty.
                        groupname: Text<'a> = Groupname,
                        /// The state that it was in before.
                        from_state: StateName<'a> = FromState,
                        /// STARTING, BACKOFF: how many starts were tried; up to `startretries` + 1.
                        tries: Option<u32> = Tries,
                        /// EXITED: whether the exit code was one of `exitcodes`. A death by a signal never is.
                        expected: Option<bool> = Expected,
                        /// RUNNING, STOPPING, STOPPED, EXITED: the process id; 0 if the process is gone. Also `None` if
                        /// the server writes a negative number.
                        pid: Option<u32> = Pid,
                    }
                    unknown extra
                }
                /// A process wrote output. The data is any chunk of it, not necessarily a line.
                ProcessLog(ProcessLogEvent) {
                    named {
                        /// The stream that it wrote to: from the token, or from the event's name if the server sends no
                        /// token.
                        channel: Channel = Channel
                    }
                    tokens {
                        /// The process's name.
                        processname: Text<'a> = Processname,
                        /// Its group's name; may be empty.
                        groupname: Text<'a> = Groupname,
                        /// The process id. Some servers do not send it.
                        pid: Option<u32> = Pid,
                    }
                    data {
                        /// What was written.
                        data: Data<'a>
                    }
                    unknown extra
                }
                /// A process sent data between the [communication tags](crate::communication).
                ProcessCommunication(ProcessCommunicationEvent) {
                    named {
                        /// The stream that it wrote to, from the event's name.
                        channel: Channel
                    }
                    tokens {
                        /// The process's name.
                        processname: Text<'a> = Processname,
                        /// Its group's name; may be empty.
                        groupname: Text<'a> = Groupname,
                        /// The process id. Some servers do not send it.
                        pid: Option<u32> = Pid,
                    }
                    data {
                        /// What was between the tags; at most the last `…_capture_maxbytes` bytes of it.
                        data: Data<'a>
                    }
                    unknown extra
                }
                /// A client called `supervisor.sendRemoteCommEvent(type, data)`.
                RemoteCommunication(RemoteCommunicationEvent) {
                    tokens {
                        /// The first argument: the rest of the first line. It may hold spaces and colons.
                        remote_type: Text<'a> = Type,
                    }
                    data {
                        /// The second argument.
                        data: Data<'a>
                    }
                }
                /// Time has passed.
                Tick(TickEvent) {
                    named {
                        /// The period in seconds, from the event's name: 5, 60 or 3600.
                        period: u32
                    }
                    tokens {
                        /// The boundary of the period, in Unix seconds. Goes backwards if the clock does.
                        when: u64 = When,
                    }
                    unknown extra
                }
                /// A group was added to supervisord, or removed from it.
                ProcessGroup(ProcessGroupEvent) {
                    named {
                        /// What happened, from the event's name.
                        change: GroupChange
                    }
                    tokens {
                        /// The group's name.
                        groupname: Text<'a> = Groupname,
                    }
                    unknown extra
                }
            }
        }
    };
}

pub(crate) use table;
