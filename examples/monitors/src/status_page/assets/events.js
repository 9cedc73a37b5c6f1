// Recent events, newest first.

import { element, set, sign } from './dom.js';
import { clock, isoTime, kind, moment, readable } from './text.js';

const SHOWN = 60;

export class Events {
  constructor(section) {
    this.section = section;
    this.list = section.querySelector('ol');
    this.list.replaceChildren();
    this.lines = new Map();
    this.holds = () => true;
  }

  update(events) {
    const present = new Map(events.slice(0, SHOWN).map((event) => [`${event.at} ${event.serial}`, event]));
    for (const [key, line] of this.lines) {
      if (!present.has(key)) {
        line.remove();
        this.lines.delete(key);
      }
    }
    let before = this.list.firstChild;
    for (const [key, event] of present) {
      const line = this.lines.get(key);
      if (line) {
        before = line.nextSibling;
      } else {
        const made = describe(event);
        this.lines.set(key, made);
        this.list.insertBefore(made, before);
        made.hidden = !this.holds(made.words);
      }
    }
    set(this.section, { 'data-empty': present.size === 0, hidden: false });
  }

  filter(holds) {
    this.holds = holds;
    for (const line of this.lines.values()) line.hidden = !holds(line.words);
  }
}

function describe(event) {
  const { group, process, from, to, expected } = event;
  const of = kind({ state: to, last_exit: { expected, status: null } });
  const name = group === process ? process : `${group}:${process}`;
  const time = element('time', { datetime: isoTime(event.at), title: moment(event.at) }, clock(event.at));
  const what = element('span', { class: 'what' }, element('span', { class: 'from' }, `${from} → `));
  const how = expected === false ? 'unexpectedly' : null;
  what.append(element('span', { class: 'to', 'data-kind': of, title: how }, sign(of), to));
  const line = element('li', {}, time, element('bdi', { class: 'name', title: readable(name) }, readable(process)), what);
  line.words = `${name} ${to}`.toLowerCase();
  return line;
}
