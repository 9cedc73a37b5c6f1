// The details below a process: everything known about it, its last hour, its events, and its logs.

import { Sparkline, element, say, set } from './dom.js';
import { Logs } from './logs.js';
import { bytes, clock, count, duration, fullName, moment, percent, readable } from './text.js';

const EVENTS = 8;

export class Details {
  /** For a process of another supervisord, `link` is that page's URL; otherwise it is null. */
  constructor(process, link) {
    this.facts = new Map();
    this.list = element('dl', { class: 'facts' });
    this.charts = element('div', { class: 'charts' });
    this.cpu = this.chart('CPU, last hour');
    this.memory = this.chart('Memory, last hour');
    this.events = element('ol', { class: 'history' });
    const side = element('div', { class: 'side' }, this.list, this.charts, this.events);
    this.element = element('div', { class: 'panel' }, side);
    if (link) {
      const text = 'Logs and actions are on its own page';
      side.append(element('p', {}, element('a', { href: link, rel: 'noreferrer' }, text)));
    } else {
      this.logs = new Logs(process);
      this.element.append(this.logs.element);
    }
  }

  chart(title) {
    const line = new Sparkline(240, 44);
    const range = element('span', { class: 'range' });
    this.charts.append(element('figure', {}, element('figcaption', {}, title, range), line.svg));
    return { line, range };
  }

  fact(name, text) {
    let value = this.facts.get(name);
    if (!value) {
      value = element('dd');
      this.facts.set(name, value);
      this.list.append(element('div', {}, element('dt', {}, name), value));
    }
    say(value, text);
    set(value.parentNode, { hidden: text === '' });
  }

  update(process, events, now) {
    this.fact('Process', readable(fullName(process)));
    const { description = '', last_exit: exit, spawn_error: error = '' } = process;
    // If a process could not be started, all three are the same.
    this.fact('supervisord says', exit?.why === description ? '' : readable(description));
    this.fact('Process id', process.pid ? String(process.pid) : '');
    const tree = process.processes;
    this.fact('In its tree', tree ? count(tree, 'process', 'processes') : '');
    const since = process.since ? `${moment(process.since)} (${duration(now - process.since)})` : '';
    this.fact('In this state since', since);
    this.fact('Restarts', String(process.restarts ?? 0));
    const { expected = 0, unexpected = 0 } = process.exits ?? {};
    this.fact('Exits', `${expected} expected, ${unexpected} unexpected`);
    this.fact('Last exit', exit ? `${readable(exit.why)}, ${exit.at ? moment(exit.at) : 'at an unknown time'}` : '');
    this.fact('Start failed', [description, exit?.why].includes(error) ? '' : readable(error));
    this.draw(this.cpu, process.cpu_history, 10, true, percent);
    this.draw(this.memory, process.memory_history, 1024 * 1024, false, bytes);
    const own = events.filter((event) => event.group === process.group && event.process === process.name);
    const lines = own.slice(0, EVENTS).map((event) => {
      const unexpected = event.expected === false ? ', unexpectedly' : '';
      return `${clock(event.at)}  ${event.from} → ${event.to}${unexpected}`;
    });
    while (this.events.children.length > lines.length) this.events.lastChild.remove();
    while (this.events.children.length < lines.length) this.events.append(element('li'));
    lines.forEach((line, index) => say(this.events.children[index], line));
  }

  draw({ line, range }, values, least, fromZero, format) {
    const known = (values ?? []).filter((value) => value !== null);
    line.show(values ?? [], least, fromZero);
    const text = known.length ? `${format(Math.min(...known))} to ${format(Math.max(...known))}` : 'not measured yet';
    say(range, text);
  }
}
