// One supervisord's part of the page: a table of its processes, failed ones first, the others by group.

import { Actions } from './actions.js';
import { chevron, element, place, say, set } from './dom.js';
import { COLUMNS, Row } from './row.js';
import { KINDS, count, encoded, fullName, headline, kind, readable } from './text.js';

const FAILED = '\u0000failed';
const LATELY = '\u0000lately';
const ALONE = '\u0000alone';

/** These parts have no actions of their own, and precede the groups. */
const TITLES = { [FAILED]: 'Failed', [LATELY]: 'Restarted after a failure', [ALONE]: 'Not in a group' };

/** How long a process that is running again after a failure is highlighted, in seconds. */
const UNSTABLE = 600;

/** From worst to least bad. */
const GRAVITY = ['FATAL', 'UNKNOWN', 'EXITED', 'BACKOFF'];

export class Board {
  /** `settings`: `mayAct`, `page` (the URL of its own page, null for this one), `opened` and `refresh` to be called. */
  constructor(settings) {
    Object.assign(this, { mayAct: false, page: null, events: [], now: 0 }, settings);
    this.rows = new Map();
    this.parts = new Map();
    this.columns = COLUMNS.length + (this.mayAct ? 1 : 0);
    const heads = COLUMNS.map((name) => element('th', { scope: 'col', role: 'columnheader' }, name));
    if (this.mayAct) heads.push(element('th', { scope: 'col', role: 'columnheader' }, 'Actions'));
    this.caption = element('caption', { class: 'unseen' });
    const head = element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...heads));
    this.table = element('table', { role: 'table', class: this.mayAct ? 'acting' : null }, this.caption, head);
    this.title = element('h2');
    this.link = element('span', { class: 'where' });
    this.summary = element('p', { class: 'summary' });
    this.trouble = element('p', { class: 'trouble', hidden: true });
    const top = element('header', { class: 'top' }, this.title, this.summary, this.link);
    this.element = element('section', { class: 'board' }, top, this.trouble, this.table);
  }

  /** Updates the table. */
  update(status, now) {
    Object.assign(this, { status, now, events: status.events ?? [] });
    const present = new Set();
    for (const process of status.processes) {
      const key = fullName(process);
      present.add(key);
      let row = this.rows.get(key);
      if (!row) {
        row = new Row(this, process);
        this.rows.set(key, row);
      }
      row.apart = apart(process, now);
      row.update(process, this.events, now);
    }
    for (const [key, row] of this.rows) {
      if (!present.has(key)) {
        row.remove();
        this.rows.delete(key);
      }
    }
    this.head = headline(status.processes);
    const name = `Processes of ${readable(status.server ?? 'supervisord')} on ${readable(status.host ?? '')}`;
    say(this.caption, name);
    this.arrange();
  }

  /** Moves rows to their places, and touches no others. */
  arrange() {
    const places = new Map([FAILED, LATELY].map((key) => [key, []]));
    const members = grouped(this.rows.values());
    const alone = [];
    for (const [group, rows] of [...members].sort(([one], [other]) => compare(one, other))) {
      const [first] = rows;
      const isAlone = rows.length === 1 && first.process.name === group;
      const sound = rows.filter((row) => !row.apart);
      for (const row of rows) if (row.apart) places.get(row.apart).push(row);
      if (isAlone) alone.push(...sound);
      else if (sound.length) places.set(group, sound);
    }
    if (alone.length) places.set(ALONE, alone);
    const gravity = (row) => GRAVITY.indexOf(row.process.state);
    const byName = (one, other) => compare(one.process.name, other.process.name);
    places.get(FAILED).sort((one, other) => gravity(one) - gravity(other) || compare(one.key, other.key));
    for (const [key, part] of this.parts) part.element.leaves = !places.get(key)?.length;
    let before = this.table.tHead;
    for (const [key, rows] of places) {
      if (!rows.length) continue;
      if (key !== FAILED) rows.sort(byName);
      const part = this.part(key);
      let next = before.nextSibling;
      while (next?.leaves) next = next.nextSibling;
      if (next !== part.element) place(this.table, part.element, next);
      before = part.element;
      part.fill(rows, members.get(key) ?? rows);
    }
    for (const [key, part] of this.parts) {
      if (part.element.leaves) {
        part.element.remove();
        this.parts.delete(key);
      }
    }
  }

  part(key) {
    let part = this.parts.get(key);
    if (!part) {
      part = new Part(this, key);
      this.parts.set(key, part);
    }
    return part;
  }

  /** Shows only the rows for which `holds` is true. Returns their number. */
  filter(holds) {
    let shown = 0;
    for (const part of this.parts.values()) shown += part.filter(holds);
    this.table.hidden = shown === 0;
    return shown;
  }

  age(now) {
    this.now = now;
    for (const row of this.rows.values()) row.age(now);
  }

  linkTo(process) {
    return this.page && `${this.page}#${new URLSearchParams({ open: fullName(process) })}`;
  }
}

/** A heading of the table, and the rows below it. */
class Part {
  constructor(board, key) {
    Object.assign(this, { board, key, open: true, rows: [] });
    const title = TITLES[key] ?? readable(key);
    this.counts = element('span', { class: 'counts' });
    this.toggle = element('button', { type: 'button', class: 'opener', 'aria-expanded': 'true' });
    this.toggle.append(chevron(), element('bdi', { class: 'group' }, title), this.counts);
    this.toggle.addEventListener('click', () => this.fold(!this.open));
    const heading = element('th', { scope: 'rowgroup', role: 'rowheader', colspan: board.columns });
    this.line = element('div', { class: 'line' }, this.toggle);
    heading.append(this.line);
    this.head = element('tr', { class: 'part', role: 'row' }, heading);
    this.element = element('tbody', { role: 'rowgroup', class: { [FAILED]: 'failures', [LATELY]: 'lately' }[key] }, this.head);
    if (board.mayAct && !(key in TITLES)) this.addActions();
  }

  addActions() {
    const group = this.key;
    const ask = (action) => {
      const members = this.members.length;
      const which = `${count(members, 'process', 'processes')} of the group ${readable(group)}`;
      if (action === 'start') return null;
      return action === 'stop' ? `Stop all ${which}?` : `Restart those of the ${which} that run?`;
    };
    const path = `groups/${encodeURIComponent(group)}`;
    this.actions = new Actions({ path, of: `the group ${readable(group)}`, ask, done: this.board.refresh });
    this.actions.offer(['start', 'restart', 'stop']);
    this.line.append(this.actions.element);
  }

  fill(rows, members) {
    Object.assign(this, { rows, members });
    const wanted = new Set(rows);
    // A row that is about to move to another part is skipped: the others are already in order.
    for (const row of this.board.rows.values()) {
      const leaves = row.element.parentNode === this.element && !wanted.has(row);
      row.element.leaves = leaves;
      if (row.below) row.below.leaves = leaves;
    }
    let next = this.head.nextSibling;
    for (const row of rows) {
      while (next?.leaves) next = next.nextSibling;
      if (next === row.element) {
        next = (row.below ?? row.element).nextSibling;
      } else {
        place(this.element, row.element, next);
        if (row.below) place(this.element, row.below, next);
      }
      row.showName();
      row.show(this.open && row.matches !== false);
    }
    say(this.counts, [FAILED, LATELY].includes(this.key) ? String(rows.length) : counted(rows));
  }

  fold(open) {
    this.open = open;
    set(this.toggle, { 'aria-expanded': String(open) });
    for (const row of this.rows) row.show(open && row.matches !== false);
  }

  filter(holds) {
    let shown = 0;
    for (const row of this.rows) {
      row.matches = holds(row);
      shown += row.matches ? 1 : 0;
      row.show(this.open && row.matches);
    }
    this.element.hidden = shown === 0;
    return shown;
  }
}

/** The part of the table that a process belongs to, unless it is its group. */
function apart(process, now) {
  if (kind(process) === 'failed') return FAILED;
  const exit = process.last_exit;
  const unstable = exit?.expected === false && now - exit.at < UNSTABLE;
  return unstable && kind(process) !== 'stopped' ? LATELY : null;
}

function counted(rows) {
  const kinds = headline(rows.map((row) => row.process)).kinds;
  return KINDS.filter((name) => kinds[name]).map((name) => `${kinds[name]} ${name}`).join(', ');
}

function grouped(rows) {
  const groups = new Map();
  for (const row of rows) {
    const { group } = row.process;
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(row);
  }
  return groups;
}

const collator = new Intl.Collator('en', { numeric: true });
const compare = (one, other) => collator.compare(one, other);

/** How many names a confirmation lists. */
const NAMED = 8;

/** Starts, restarts and stops all processes of this supervisord, or only the visible ones if some are hidden. */
export class Everything {
  /** `of()` names the supervisord if there are several on the page. */
  constructor(board, of) {
    Object.assign(this, { board, of });
    this.label = element('span', { class: 'which' });
    const actions = new Actions({
      path: () => (this.isPart ? 'selection' : 'all'),
      body: () => (this.isPart ? { processes: this.shown.map((row) => row.key) } : {}),
      of: 'all visible processes',
      ask: (action) => this.question(action),
      done: board.refresh,
    });
    actions.offer(['start', 'restart', 'stop']);
    this.element = element('span', { class: 'line' }, this.label, actions.element);
    this.update();
  }

  /** Called when the visible rows may have changed. */
  update() {
    const { rows } = this.board;
    this.shown = [...rows.values()].filter((row) => row.matches !== false);
    this.isPart = this.shown.length < rows.size;
    say(this.label, (this.isPart ? `The ${this.shown.length} shown` : 'All processes') + this.of());
    set(this.element, { hidden: this.shown.length === 0 });
  }

  question(action) {
    const verb = { start: 'Start', stop: 'Stop', restart: 'Restart' }[action];
    const those = { start: ' that do not run', stop: '', restart: ' that run' }[action];
    if (!this.isPart) {
      const also =
        action === 'start'
          ? 'including those that a person stopped'
          : 'including the monitors, except the one that serves this page';
      return `${verb} all processes${this.of()}${those}, ${also}?`;
    }
    const names = this.shown.slice(0, NAMED).map((row) => readable(row.key));
    if (this.shown.length > NAMED) names.push(`${this.shown.length - NAMED} more`);
    const many = count(this.shown.length, 'process that is', 'processes that are');
    return `${verb} the ${many} shown${this.of()}${those && `, as far as they${those.slice(5)}`}: ${names.join(', ')}?`;
  }
}
