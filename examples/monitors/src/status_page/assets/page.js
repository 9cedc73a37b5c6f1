// The page: requests the state every two seconds, and shows what has changed.

import { Board, Everything } from './board.js';
import { element, say, set, sign, changeSign } from './dom.js';
import { Events } from './events.js';
import { Filter } from './filter.js';
import { Notify } from './notify.js';
import { Peers } from './peers.js';
import { beside, clock, count, duration, headline, isoTime, readable } from './text.js';

const INTERVAL = 2_000;
/** The page is not visible, but notifications should not be late. */
const HIDDEN_INTERVAL = 5_000;
const PATIENCE = 5_000;
/** supervisord sends an event each minute. After this many seconds without one, something is wrong. */
const OLD = 180;

const $ = (id) => document.getElementById(id);

const page = {
  etag: null,
  /** How far the monitor's clock is ahead of this one, in seconds. */
  ahead: 0,
  /** When the last answer arrived, by this machine's clock, in milliseconds. */
  answered: null,
  failure: null,
};

const filter = new Filter($('filter'), () => applyFilter());
const notify = new Notify();
$('tools').append(notify.button);
const events = new Events($('events'));
let board = null;
let everything = null;
const peers = new Peers($('boards'), { opened, filter: () => applyFilter(), changed: () => showHeadline() });

const headSign = sign('running');
$('sign').replaceChildren(headSign);

const now = () => Date.now() / 1000 + page.ahead;

function opened() {
  filter.opened = board ? [...board.rows.values()].filter((row) => row.details).map((row) => row.key) : [];
}

async function poll() {
  clearTimeout(page.timer);
  const begin = Date.now();
  try {
    const headers = page.etag ? { 'If-None-Match': page.etag } : {};
    const signal = AbortSignal.timeout(PATIENCE);
    const answer = await fetch(beside('status.json'), { headers, cache: 'no-store', signal });
    if (answer.status === 200) {
      const status = await answer.json();
      page.etag = answer.headers.get('ETag');
      page.ahead = status.now - Date.now() / 1000;
      show(status);
    } else if (answer.status !== 304) {
      const isRefused = answer.status === 401;
      throw new Error(isRefused ? 'the token is required: load the page again' : `HTTP status ${answer.status}`);
    }
    page.answered = Date.now();
    page.failure = null;
  } catch (error) {
    if (!page.failure) page.failure = { since: page.answered ?? begin, why: '' };
    const names = { TimeoutError: 'no answer in time', TypeError: 'no connection' };
    page.failure.why = names[error.name] ?? error.message;
  }
  tick();
  page.timer = setTimeout(poll, document.hidden ? HIDDEN_INTERVAL : INTERVAL);
}

function show(status) {
  page.status = status;
  if (!board || board.mayAct !== status.may_act) makeBoard(status);
  board.update(status, now());
  events.update(status.events ?? []);
  say($('system'), readable(status.system));
  say($('host'), readable(status.host));
  const version = status.version ? `supervisor ${status.version}` : 'supervisor';
  say($('server'), status.server === 'supervisor' ? version : `${version} “${readable(status.server)}”`);
  say($('monitor'), `trading_monitor ${status.monitor}`);
  const alerts = status.alerts;
  say($('alerts'), alerts ? `${count(alerts.sent, 'alert', 'alerts')} sent` : '');
  say($('undelivered'), alerts && alerts.failed + alerts.waiting > 0 ? undelivered(alerts) : '');
  notify.tell([['', status.processes], ...peers.processes()], readable(status.system));
  applyFilter();
}

function undelivered({ failed, waiting }) {
  const parts = [];
  if (waiting) parts.push(`${count(waiting, 'alert', 'alerts')} waiting`);
  if (failed) parts.push(`${count(failed, 'alert', 'alerts')} not delivered`);
  return parts.join(', ');
}

function makeBoard(status) {
  board?.element.remove();
  board = new Board({ mayAct: status.may_act, opened, refresh: poll });
  board.title.append(element('bdi'));
  board.element.id = 'this';
  $('boards').prepend(board.element);
  $('static')?.remove();
  board.update(status, now());
  everything = status.may_act ? new Everything(board, whose) : null;
  $('everything').replaceChildren(...(everything ? [everything.element] : []));
  const wanted = filter.wanted;
  for (const row of board.rows.values()) if (wanted.includes(row.key)) row.toggle(true);
}

const whose = () => (peers.boards().length ? ` of ${readable(page.status.host)}` : '');

function applyFilter() {
  const boards = [board, ...peers.boards()].filter(Boolean);
  const rows = boards.flatMap((each) => [...each.rows.values()]);
  const shown = boards.map((each) => each.filter((row) => filter.holds(row))).reduce((sum, some) => sum + some, 0);
  everything?.update();
  filter.tell(rows.map((row) => row.process), shown);
  events.filter((text) => filter.holdsText(text));
}

/** Updates what changes without news: ages, and the age of the data. */
function tick() {
  const at = now();
  board?.age(at);
  peers.age(Date.now());
  if (page.status) {
    const event = page.status.last_event;
    say($('age'), event ? `last event ${duration(at - event.at)} ago` : 'no event yet');
    set($('age'), { title: event ? `${clock(event.at)}, serial ${event.serial}` : null });
  }
  showBanners(at);
  showHeadline();
}

function showBanners(at) {
  const { failure, status } = page;
  const told = [];
  if (failure) {
    const since = `${clock(failure.since / 1000)} (${duration((Date.now() - failure.since) / 1000)})`;
    const text = `No answer from trading_monitor since ${since}: ${failure.why}. What is shown may be out of date.`;
    told.push(['lost', text]);
  } else if (status) {
    const { up, state, error } = status.supervisord;
    const event = status.last_event;
    if (!up) {
      const why = readable(error ?? 'unknown');
      told.push(['down', `supervisord cannot be called: ${why}. The states are from its last events.`]);
    } else if (state && state !== 'RUNNING') {
      told.push(['down', `supervisord is in the state ${state}.`]);
    }
    if (event && at - event.at > OLD) {
      const cure = 'With TICK_60 among the events of trading_monitor there is one each minute.';
      told.push(['old', `No event for ${duration(at - event.at)}: this may be out of date. ${cure}`]);
    }
  }
  const lines = $('banners');
  while (lines.children.length > told.length) lines.lastChild.remove();
  told.forEach(([name, text], index) => {
    if (!lines.children[index]) lines.append(element('p'));
    say(lines.children[index], text);
    set(lines.children[index], { class: `banner ${name}` });
  });
  set(document.body, { 'data-lost': Boolean(failure) });
}

function showHeadline() {
  const { failure, status } = page;
  const others = peers.processes();
  const system = status ? readable(status.system) : $('system').textContent;
  let { text, worst } = { text: 'Waiting for the monitor', worst: 'changing' };
  if (status) {
    const all = headline([...status.processes, ...others.flatMap(([, processes]) => processes)]);
    ({ text, worst } = all);
    const lost = peers.lost();
    if (lost) text += `, ${count(lost, 'supervisor', 'supervisors')} unreachable`;
    if (lost) worst = 'failed';
    const kinds = [];
    if (all.kinds.failed) kinds.push(`${all.kinds.failed} failed`);
    if (all.kinds.changing) kinds.push(`${all.kinds.changing} changing`);
    if (all.kinds.stopped) kinds.push(`${all.kinds.stopped} stopped`);
    say($('kinds'), all.down ? kinds.join(', ') : '');
    peers.showSummary(board, status);
  }
  if (failure) {
    text = `No answer since ${clock(failure.since / 1000)}`;
    worst = 'failed';
    say($('kinds'), '');
  } else if (status && !status.supervisord.up) {
    text += '; supervisord cannot be called';
    worst = 'failed';
  }
  say($('headline'), text);
  set($('top'), { 'data-kind': worst });
  changeSign(headSign, worst);
  const title = `${text} – ${system}`;
  if (document.title !== title) document.title = title;
  showIcon(worst);
}

function showIcon(worst) {
  const colour = { failed: 'd92d20', changing: 'd98a00', stopped: '6b7480', running: '1a8f4a' }[worst];
  const circle = `<circle cx='8' cy='8' r='7' fill='%23${colour}'/>`;
  const svg = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>${circle}</svg>`;
  set(document.querySelector('link[rel=icon]'), { href: `data:image/svg+xml,${svg}` });
}

document.querySelector('.skip').addEventListener('click', (event) => {
  // The fragment belongs to the filter.
  event.preventDefault();
  $('main').focus();
});
document.addEventListener('visibilitychange', () => !document.hidden && poll());
filter.onOpen = (wanted) => {
  if (board) for (const row of board.rows.values()) if (wanted.includes(row.key)) row.toggle(true);
};
set($('filter'), { hidden: false });
setInterval(tick, 1000);
poll();
peers.poll();
