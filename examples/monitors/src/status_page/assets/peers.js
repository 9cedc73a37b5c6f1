// Other supervisors, through their own status pages, which this page's server queries.

import { Board } from './board.js';
import { element, say, set } from './dom.js';
import { beside, clock, duration, headline, readable } from './text.js';

const INTERVAL = 4_000;

export class Peers {
  /** `settings` contains the callbacks `opened`, `filter` and `changed`. */
  constructor(place, settings) {
    Object.assign(this, { place, settings, peers: new Map() });
    this.summary = document.getElementById('supervisors');
  }

  async poll() {
    let again = true;
    try {
      // Statuses that this page already has are not sent again.
      const known = [...this.peers.values()].map(({ peer }) => peer.version).join();
      const signal = AbortSignal.timeout(5_000);
      const answer = await fetch(beside(`peers.json?${new URLSearchParams({ known })}`), { cache: 'no-store', signal });
      if (answer.status === 200) {
        const said = await answer.json();
        this.ahead = said.now * 1000 - Date.now();
        // Settings do not change while the monitor is running.
        again = said.peers.length > 0;
        this.update(said.peers);
      }
    } catch {
      // The banner reports it.
    }
    if (again) setTimeout(() => this.poll(), INTERVAL);
  }

  update(told) {
    for (const peer of told) {
      let shown = this.peers.get(peer.name);
      if (!shown) {
        shown = { board: new Board({ page: peer.url, opened: this.settings.opened, refresh: () => {} }) };
        shown.board.title.append(element('bdi', {}, readable(peer.name)));
        shown.board.element.id = `peer-${this.peers.size + 1}`;
        shown.board.link.append(element('a', { href: peer.url, rel: 'noreferrer' }, 'Its own page'));
        shown.board.summary.append(element('span', { class: 'text' }), element('span', { class: 'age' }));
        this.place.append(shown.board.element);
        this.peers.set(peer.name, shown);
      }
      const isNew = peer.status !== null;
      peer.status ??= shown.peer?.status ?? null;
      shown.peer = peer;
      if (isNew) shown.board.update(peer.status, this.timeOf(peer));
    }
    this.settings.filter();
    this.age(Date.now());
    this.settings.changed();
  }

  /** The time there, by that machine's clock. */
  timeOf({ status, received }) {
    return status.now + (Date.now() + this.ahead) / 1000 - received;
  }

  /** Shows the age of data from a peer that cannot be reached. */
  age(local) {
    for (const { board, peer } of this.peers.values()) {
      const now = (local + this.ahead) / 1000;
      const old = peer.answered ? duration(now - peer.answered) : null;
      const [text, age] = board.summary.children;
      say(text, board.head ? board.head.text : 'nothing known yet');
      say(age, old === null ? '' : `as of ${old} ago`);
      set(board.element, { 'data-lost': Boolean(peer.error), 'data-kind': board.head?.worst ?? 'stopped' });
      const since = peer.answered ? `since ${clock(peer.answered)} (${old})` : 'so far';
      set(board.trouble, { hidden: !peer.error && peer.status?.supervisord.up !== false });
      const server = peer.status?.supervisord;
      const down = server && !server.up ? `supervisord cannot be called: ${server.error}` : '';
      say(board.trouble, peer.error ? `Cannot be reached ${since}: ${readable(peer.error)}` : readable(down));
      if (peer.status) board.age(this.timeOf(peer));
    }
  }

  boards() {
    return [...this.peers.values()].map(({ board }) => board);
  }

  /** Names, and the known processes. */
  processes() {
    return [...this.peers].map(([name, { peer }]) => [name, peer.status?.processes ?? []]);
  }

  lost() {
    return [...this.peers.values()].filter(({ peer }) => peer.error).length;
  }

  /** Lists all supervisors in one line, each with its state and a link to its part. */
  showSummary(own, status) {
    set(this.summary, { hidden: this.peers.size === 0 });
    if (this.peers.size === 0) return;
    say(own.title.firstChild, readable(status.host));
    if (!own.summary.firstChild) own.summary.append(element('span', { class: 'text' }));
    const head = headline(status.processes);
    say(own.summary.firstChild, head.text);
    set(own.element, { 'data-kind': head.worst });
    const all = [[readable(status.host), own.element.id, head.text, head.worst]];
    for (const [name, { board, peer }] of this.peers) {
      const text = peer.error ? 'cannot be reached' : (board.head?.text ?? 'not asked yet');
      all.push([readable(name), board.element.id, text, peer.error ? 'failed' : (board.head?.worst ?? 'stopped')]);
    }
    all.forEach(([name, id, text, kind], index) => {
      let item = this.summary.children[index];
      if (!item) {
        const parts = [element('bdi', { class: 'name' }), element('span', { class: 'text' })];
        const button = element('button', { type: 'button' }, ...parts);
        button.addEventListener('click', () => document.getElementById(id).scrollIntoView());
        item = element('li', {}, button);
        this.summary.append(item);
      }
      say(item.firstChild.firstChild, name);
      say(item.firstChild.lastChild, text);
      set(item.firstChild, { 'data-kind': kind });
    });
  }
}
