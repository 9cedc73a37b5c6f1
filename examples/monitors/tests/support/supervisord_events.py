"""Has supervisord send events when a test asks for them: those of its own types, with the test's payloads.

An RPC interface of supervisord. What it sends goes through supervisord's own queues and pipes, like any other event.
"""

from supervisor import events
from supervisor.dispatchers import EventListenerStates
from supervisor.states import ProcessStates


class Events:
    def __init__(self, supervisord):
        self.supervisord = supervisord

    def send(self, name, payload, first, count):
        """Sends events in a row, each with its own number in its payload."""
        kind = getattr(events.EventTypes, name)
        for number in range(first, first + count):
            event = kind.__new__(kind)
            text = payload.replace("NUMBER", str(number))
            event.payload = lambda text=text: text
            events.notify(event)
        return True

    def is_idle(self, pool):
        """Whether all listeners of a pool are READY, and no event waits."""
        group = self.supervisord.process_groups[pool]
        return not group.event_buffer and all(
            process.state == ProcessStates.RUNNING and process.listener_state == EventListenerStates.READY
            for process in group.processes.values()
        )


def make(supervisord):
    # Nobody but the test sends ticks: one that comes at the end of a minute would be counted with the test's own.
    supervisord.tick = lambda now=None: None
    return Events(supervisord)
