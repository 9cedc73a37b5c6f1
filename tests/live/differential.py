"""Runs cases, which arrive as JSON lines, through supervisor's own classes: `output` or `event`."""

import base64
import json
import sys

from supervisor import events
from supervisor.dispatchers import PEventListenerDispatcher, RejectEvent, default_handler
from supervisor.process import EventListenerPool
from supervisor.states import EventListenerStates, ProcessStates, getEventListenerStateDescription


class Anything:
    """An object with these attributes; every other attribute is a function that does nothing."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def __getattr__(self, name):
        return lambda *arguments, **keywords: None


def judge(case):
    """What the dispatcher does with a listener's output, write by write."""
    writes = [base64.b64decode(write) for write in case["writes_b64"]]
    transitions, results, rejected = [], [], []

    def handler(event, result):
        results.append(base64.b64encode(result).decode())
        if case["result_handler"] == "default":
            default_handler(event, result)
        elif case["result_handler"] == "raise":
            raise ValueError

    options = Anything(readfd=lambda fd: writes[0], logger=Anything(), strip_ansi=False)
    config = Anything(name="listener", options=options, stdout_logfile=None)
    process = Anything(config=config, group=Anything(config=Anything(result_handler=handler)))
    dispatcher = PEventListenerDispatcher(process, "stdout", 0)
    change = dispatcher._change_listener_state

    def changed(state):
        names = [getEventListenerStateDescription(state) for state in (process.listener_state, state)]
        transitions.append("->".join(names))
        change(state)

    dispatcher._change_listener_state = changed
    process.listener_state = getattr(EventListenerStates, case["start_state"])
    sent = 0
    if case["start_state"] == "BUSY":
        process.event, sent = Anything(number=0), 1
    events.clear()
    events.subscribe(events.EventRejectedEvent, lambda event: rejected.append(event.event.number))
    trace, negative = [], False
    while writes:
        try:
            dispatcher.handle_read_event()
        except RecursionError:
            negative = True
        negative = negative or (dispatcher.resultlen or 0) < 0
        writes.pop(0)
        if case["auto_dispatch"] and process.listener_state == EventListenerStates.READY:
            process.listener_state, process.event, sent = EventListenerStates.BUSY, Anything(number=sent), sent + 1
        trace.append({"state": getEventListenerStateDescription(process.listener_state)})
    expected = {
        "transitions": transitions,
        "results_b64": results,
        "rejected_events": rejected,
        "final_state": trace[-1]["state"],
        "left_b64": base64.b64encode(dispatcher.state_buffer).decode(),
        "trace": trace,
    }
    return dict(case, expected=expected, negative_length=negative)


def make(case):
    """The bytes of an event, as a pool sends them."""
    kind = getattr(events.EventTypes, case["eventname"])
    group = Anything(config=Anything(name=case["groupname"]))
    process = Anything(
        config=Anything(name=case["processname"]), group=group, pid=case["pid"], backoff=case["tries"]
    )
    data = base64.b64decode(case["data_b64"])
    if issubclass(kind, (events.ProcessLogEvent, events.ProcessCommunicationEvent)):
        event = kind(process, case["pid"], data)
    elif issubclass(kind, events.RemoteCommunicationEvent):
        event = kind(case["type"], data.decode())
    elif issubclass(kind, events.ProcessStateEvent):
        event = kind(process, getattr(ProcessStates, case["from_state"]), case["expected"] or False)
    elif issubclass(kind, events.TickEvent):
        event = kind(case["when"], None)
    elif issubclass(kind, events.ProcessGroupEvent):
        event = kind(case["groupname"])
    else:
        event = kind()
    pool = Anything(config=Anything(name=case["pool"], options=Anything(identifier=case["server"])))
    envelope = EventListenerPool._eventEnvelope(pool, kind, case["serial"], case["poolserial"], event.payload())
    return {"envelope_b64": base64.b64encode(envelope.encode()).decode()}


what = {"output": judge, "event": make}[sys.argv[1]]
for line in [json.dumps(what(json.loads(line))) for line in sys.stdin]:
    print(line)
