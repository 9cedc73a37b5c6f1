// One process in the table: a row, and when it is open, its details below.

import { Actions } from './actions.js';
import { Details } from './details.js';
import { Sparkline, changeSign, chevron, element, say, set, sign } from './dom.js';
import { bytes, duration, encoded, fullName, isoTime, kind, moment, percent, readable } from './text.js';

export const COLUMNS = ['State', 'Process', 'Uptime', 'Restarts', 'Last exit', 'CPU', 'Memory'];

/** How long an unexpected exit is highlighted after the process is running again, in seconds. */
const RECENT = 3600;

let made = 0;

/** A cell with its role in a table, because on a narrow screen the layout is not a table's. */
const cell = (name, role = 'cell') => element('td', { class: name, role });

export class Row {
  /** `board` is the supervisord's part of the page. */
  constructor(board, process) {
    this.board = board;
    this.key = fullName(process);
    this.id = `details-${(made += 1)}`;
    this.sign = sign('running');
    this.state = element('span', { class: 'word' });
    this.group = element('bdi', { class: 'of' });
    this.name = element('bdi', { class: 'name' });
    this.opener = element('button', { type: 'button', class: 'opener', 'aria-expanded': 'false' });
    this.opener.append(chevron(), element('span', { class: 'full' }, this.name, this.group));
    this.opener.addEventListener('click', () => this.toggle(!this.details));
    const heading = element('th', { class: 'process', scope: 'row', role: 'rowheader' }, this.opener);
    this.badge = element('span', { class: 'badge' }, this.sign, this.state);
    this.uptime = element('time');
    this.exitTime = element('span', { class: 'ago' });
    this.why = element('span', { class: 'why' });
    this.cells = Object.fromEntries(['state', 'up', 'restarts', 'exit', 'cpu', 'memory'].map((it) => [it, cell(it)]));
    const { state, up, restarts, exit, cpu, memory } = this.cells;
    state.append(this.badge);
    up.append(this.uptime);
    exit.append(this.why, this.exitTime);
    this.cpu = measure(cpu);
    this.memory = measure(memory);
    this.element = element('tr', { class: 'row', role: 'row' }, state, heading, up, restarts, exit, cpu, memory);
    if (board.mayAct) this.addActions(process);
  }

  addActions(process) {
    const name = readable(this.key);
    const path = `processes/${encoded(process)}`;
    this.actions = new Actions({ path, of: name, done: this.board.refresh });
    this.logActions = new Actions({ path, of: name });
    this.logActions.offer(['clear-log']);
    const actions = cell('act');
    actions.append(this.actions.element);
    this.element.append(actions);
  }

  update(process, events, now) {
    this.process = process;
    const of = kind(process);
    set(this.element, { 'data-kind': of });
    changeSign(this.sign, of);
    say(this.state, process.state);
    this.showName();
    const name = readable(this.key);
    set(this.opener, { title: name.length > 40 ? name : null });
    say(this.cells.restarts, String(process.restarts ?? 0));
    this.showExit(process, now);
    this.cpu.show(process.cpu, process.cpu_history, percent, 10, true);
    this.memory.show(process.memory, process.memory_history, bytes, 1024 * 1024, false);
    this.actions?.offer(offered(process.state));
    this.age(now);
    this.details?.update(process, events, now);
    this.words = [this.key, process.state, of, process.description, process.last_exit?.why, process.spawn_error];
    this.words = this.words.join(' ').toLowerCase();
  }

  showName() {
    const { group, name } = this.process;
    // Outside its group, no heading names the group.
    say(this.group, this.apart && group !== name ? ` in ${readable(group)}` : '');
    say(this.name, readable(name));
  }

  showExit(process, now) {
    const { last_exit: exit, spawn_error: error } = process;
    // A process that could not be started has no exit.
    const why = (['FATAL', 'BACKOFF'].includes(process.state) && error) || (exit?.why ?? '');
    say(this.why, readable(why));
    set(this.why, { title: why.length > 24 ? readable(why) : null });
    const recent = exit?.expected === false && now - exit.at < RECENT;
    set(this.cells.exit, { 'data-unexpected': recent || kind(process) === 'failed', 'data-empty': why === '' });
  }

  /** Updates what changes with time. */
  age(now) {
    const { since, state, last_exit: exit } = this.process;
    const running = state === 'RUNNING';
    let text = '—';
    if (since) text = running ? duration(now - since) : `for ${duration(now - since)}`;
    say(this.uptime, text);
    set(this.uptime, { datetime: since ? isoTime(since) : null, title: since ? moment(since) : null });
    set(this.cells.up, { 'data-down': !running });
    say(this.exitTime, exit?.at ? `${duration(now - exit.at)} ago` : '');
    set(this.exitTime, { title: exit?.at ? moment(exit.at) : null });
  }

  toggle(open) {
    if (open === Boolean(this.details)) return;
    set(this.opener, { 'aria-expanded': String(open), 'aria-controls': open ? this.id : null });
    if (open) {
      this.details = new Details(this.process, this.board.linkTo(this.process));
      const place = element('td', { colspan: this.board.columns, role: 'cell' }, this.details.element);
      this.below = element('tr', { class: 'details', id: this.id, role: 'row' }, place);
      if (this.logActions) this.details.logs.head?.append(this.logActions.element);
      this.details.update(this.process, this.board.events, this.board.now);
      this.element.after(this.below);
      this.details.logs?.open();
    } else {
      this.details.logs?.close();
      this.below.remove();
      this.details = this.below = null;
    }
    this.board.opened();
  }

  show(visible) {
    this.element.hidden = !visible;
    if (this.below) this.below.hidden = !visible;
  }

  remove() {
    this.details?.logs?.close();
    this.below?.remove();
    this.element.remove();
  }
}

function measure(into) {
  const value = element('span', { class: 'value' });
  const line = new Sparkline(64, 18);
  into.append(value, line.svg);
  let shown = null;
  return {
    show(now, history, format, least, fromZero) {
      say(value, now == null ? '' : format(now));
      set(into, { 'data-empty': now == null });
      const key = JSON.stringify(history ?? []);
      if (key !== shown) line.show(history ?? [], least, fromZero);
      shown = key;
    },
  };
}

/** The actions that a state allows. */
function offered(state) {
  if (['STOPPED', 'EXITED', 'FATAL', 'UNKNOWN'].includes(state)) return ['start'];
  return state === 'STOPPING' ? [] : ['restart', 'stop'];
}
